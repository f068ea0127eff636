import itertools
import json
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from pixstream.lab.demo.place import free_port
from pixstream.producers.webhook.producer import Webhook
from pixstream.testing import event
from pixstream.testing.producer_contract import SECONDS, ProducerContract


class Bank:
    """Posts each body until it is acknowledged, as banks do."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self._port = free_port()
        self._numbers = itertools.count()
        self.ended = threading.Event()

    def producer(self) -> Webhook:
        return Webhook(type="webhook", port=self._port, ispb="11111111")

    def add(self, count: int) -> Sequence[str]:
        ids = [str(event(next(self._numbers)).end_to_end_id) for _ in range(count)]
        when = "2026-11-20T12:00:00Z"
        for name in ids:
            pix = {"endToEndId": name, "txid": "t" * 26, "valor": "1.00", "horario": when}
            self._pool.submit(self._post, json.dumps({"pix": [pix]}).encode())
        return ids

    def add_garbage(self, raw: bytes) -> None:
        self._pool.submit(self._post, raw)

    def _post(self, body: bytes) -> None:
        address = f"http://127.0.0.1:{self._port}/pix"
        while not self.ended.wait(0.01):
            try:
                answer = httpx2.post(address, content=body, timeout=SECONDS, trust_env=False)
            except httpx2.TransportError:
                continue  # the producer is not started yet, or has ended without an answer
            if answer.is_success:
                return


class TestWebhook(ProducerContract):
    type_name = "webhook"
    sample = 'ispb: "11111111"'

    @pytest.fixture
    def source(self) -> Iterator[Bank]:
        with ThreadPoolExecutor(8) as pool:
            bank = Bank(pool)
            yield bank
            bank.ended.set()
