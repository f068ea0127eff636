"""Delivery of the plan's offers to their sources, with the ledger of what was offered."""

from __future__ import annotations

import datetime as dt
import hashlib
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import httpx2
import msgspec

from pixstream.kafka.names import EVENT_TOPICS
from pixstream.kafka.transactions import Writer
from pixstream.lab.demo.place import CLIENT_ID
from pixstream.lab.sandbox.bank import Bank
from pixstream.lab.sandbox.server import BankServer
from pixstream.lab.simulation.offers import TrafficPlan
from pixstream.lab.simulation.pieces import ISO20022, SYSTEM_LOG, WEBHOOK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixstream.kafka.ports import Client
    from pixstream.lab.demo.place import Place
    from pixstream.lab.demo.reconcile import Ledger
    from pixstream.lab.simulation.offers import Offer

ANSWER_SECONDS = 300.0
"""Generous timeout: the bank runs in this process and always answers, however busy."""

TRICKLE_FACTS, TRICKLE_SECONDS = 1_000_000, 0.5
"""While a finished demo is kept: so many facts at most, and the pause after each piece of them."""

STRAY_SHARE = 1000
"""One in this many facts is a stray record, which another program writes to a topic."""


class Feeder:
    """All sources: the bank with its API and its callbacks, log files, SPI files.

    It also acts as another program that writes records to the topics that are not events; they
    become the consumer's letters.

    Args:
        place: directory of the files, and the ports of bank and webhook.
        events: facts to offer, including malformed and stray ones.
        seed: seed of the traffic.
        ledger: filled as offers are delivered.
        client: Kafka client, for the stray records.
    """

    def __init__(
        self, place: Place, events: int, seed: int, ledger: Ledger, client: Client
    ) -> None:
        self._place = place
        self._client = client
        self._seed = seed
        self._strays = events // STRAY_SHARE
        self._plan = TrafficPlan(events - self._strays, seed, now=dt.datetime.now(dt.UTC))
        self._bank = Bank({CLIENT_ID: place.secret})
        self._server = BankServer(self._bank, port=place.bank_port)
        self._stop = threading.Event()
        self._fed = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._feed, name="feeder", daemon=True)
        self.ledger = ledger

    @property
    def offered(self) -> int:
        """Number of distinct facts delivered so far, or handed to the bank for delivery."""
        return self.ledger.offered

    @property
    def done(self) -> bool:
        """Whether everything is delivered and every callback acknowledged."""
        callbacks = self._bank.callbacks.stats()
        return self._fed.is_set() and not callbacks["pending"]

    def start(self) -> None:
        """Open the bank and start delivering."""
        self._server.start()
        self._thread.start()

    def check(self) -> None:
        """Raise the error of the feeder's thread, if there is one."""
        if self._error is not None:
            raise self._error

    def end(self) -> None:
        """Stop delivering; the bank goes on answering."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def trickle(self) -> None:
        """Let a few facts a second go on arriving in the log and as files, until `close`.

        Nobody accounts for them: they are for whoever looks at a demo that is kept.
        """
        self._stop.clear()
        self._thread = threading.Thread(target=self._trickle, name="trickle", daemon=True)
        self._thread.start()

    def _trickle(self) -> None:
        plan = TrafficPlan(TRICKLE_FACTS, self._seed + 1, now=dt.datetime.now(dt.UTC))
        with self._place.app_log.open("ab") as log:
            for offer in plan:
                if offer.source == SYSTEM_LOG:
                    log.write(offer.content)
                    log.flush()
                elif offer.source == ISO20022:
                    self._write_file(offer)
                else:
                    continue
                if self._stop.wait(TRICKLE_SECONDS):
                    return

    def close(self) -> None:
        """Stop delivering and close the bank."""
        self.end()
        self._server.stop()

    def clear_identifiers(self) -> set[str]:
        """Return every clear identifier that the offers may contain."""
        return self._plan.clear_identifiers()

    def _feed(self) -> None:
        try:
            self._write_strays()
            registered: set[str] = set()
            with (
                self._place.app_log.open("ab") as log,
                httpx2.Client(
                    base_url=self._server.url,
                    headers=self._authorization(),
                    timeout=ANSWER_SECONDS,
                ) as bank,
            ):
                for offer in self._until_stopped():
                    self._note(offer)
                    if offer.source == SYSTEM_LOG:
                        log.write(offer.content)
                        log.flush()
                    elif offer.source == ISO20022:
                        self._write_file(offer)
                    else:
                        if offer.source == WEBHOOK and offer.name not in registered:
                            registered.add(offer.name)
                            self._register(bank, offer.name)
                        self._bank.offer(offer)
            self._fed.set()
        except BaseException as error:  # noqa: BLE001  `check` raises it in the main thread
            self._error = error

    def _until_stopped(self) -> Iterator[Offer]:
        for offer in self._plan:
            if self._stop.is_set():
                return
            yield offer

    def _note(self, offer: Offer) -> None:
        for fact in offer.facts:
            self.ledger.fact(*fact)
        self.ledger.malformed.update(offer.malformed)

    def _write_file(self, offer: Offer) -> None:
        """Write a file under another name, then rename it: it appears whole."""
        draft = self._place.spi / f".{offer.name}.part"
        draft.write_bytes(offer.content)
        draft.rename(self._place.spi / offer.name)

    def _authorization(self) -> dict[str, str]:
        form = {"grant_type": "client_credentials", "scope": "webhook.write"}
        answer = httpx2.post(
            f"{self._server.url}/oauth/token",
            data=form,
            auth=(CLIENT_ID, self._place.secret),
            timeout=ANSWER_SECONDS,
        )
        answer.raise_for_status()
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}

    def _register(self, bank: httpx2.Client, key: str) -> None:
        """Send PUT /webhook/{chave}, as a receiver does once per key."""
        path = f"/pix/v2/webhook/{key.replace('+', '%2B')}"
        bank.put(path, json={"webhookUrl": self._place.webhook_url}).raise_for_status()

    def _write_strays(self) -> None:
        """Write records that are not events, as another program might write to our topics."""
        topics = list(EVENT_TOPICS.values())
        with (
            closing(Writer(self._client, "pixstream/demo-stray/0")) as writer,
            writer.transaction() as transaction,
        ):
            for number in range(self._strays):
                value = msgspec.json.encode({"stray": number, "seed": "demo"})
                transaction.send(topics[number % len(topics)], None, value, ())
                self.ledger.malformed.add(hashlib.sha256(value).hexdigest())
