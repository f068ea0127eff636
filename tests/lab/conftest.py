"""What the simulation's tests share: official facts, a webhook that obeys, a running bank."""

from __future__ import annotations

import datetime as dt
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import TYPE_CHECKING

import httpx2
import pytest

from pixstream.lab.sandbox.bank import Bank
from pixstream.lab.sandbox.callbacks import Callbacks
from pixstream.lab.sandbox.server import BankServer

if TYPE_CHECKING:
    from collections.abc import Iterator

SHARED = Path(__file__).resolve().parents[3] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    if not SHARED.is_dir():
        pytest.skip("the folder ../shared with the official schemas and samples is absent")
    return SHARED


@pytest.fixture
def now() -> dt.datetime:
    return dt.datetime(2026, 11, 23, 15, 30, tzinfo=dt.UTC)


class Receiver:
    """A webhook: keeps what it acknowledged, answers what it is told to.

    `answers` are the statuses of the next requests; after them it is always 200.
    """

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.paths: list[str] = []
        self.answers: list[int] = []
        self.requests = 0
        self._lock = Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/hooks"

    def take(self, path: str, body: bytes) -> int:
        with self._lock:
            self.requests += 1
            status = self.answers.pop(0) if self.answers else 200
            if status == 200:
                self.bodies.append(body)
                self.paths.append(path)
            return status

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 5

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(receiver.take(self.path, body))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                del format, args

        return Handler


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    running = Receiver()
    yield running
    running.close()


@pytest.fixture
def callbacks() -> Callbacks:
    return Callbacks(workers=4, first_delay_seconds=0.01, longest_delay_seconds=0.05)


@pytest.fixture
def bank(callbacks: Callbacks) -> Bank:
    return Bank({"shop": "a long secret"}, callbacks=callbacks)


@pytest.fixture
def server(bank: Bank) -> Iterator[BankServer]:
    with BankServer(bank, settle_seconds=0.05) as running:
        yield running


@pytest.fixture
def client(server: BankServer) -> Iterator[httpx2.Client]:
    """A client of the bank with a token for everything."""
    with httpx2.Client(base_url=f"{server.url}/pix/v2", timeout=10) as made:
        answer = made.post(
            f"{server.url}/oauth/token",
            auth=("shop", "a long secret"),
            data={"grant_type": "client_credentials"},
        )
        made.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        yield made
