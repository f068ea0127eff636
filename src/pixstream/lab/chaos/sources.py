"""Delivery of the oracle's documents to every producer, with a record of what was acknowledged.

A log line, an SPI file or a Pix recorded at the bank must arrive from the moment it exists, because
its source keeps it. A body posted to the webhook must arrive once it is answered 200, see
`callbacks`.
"""

from __future__ import annotations

import threading
import time
from itertools import count
from typing import TYPE_CHECKING

import msgspec

from pixstream.lab.chaos.callbacks import pix_object
from pixstream.lab.sandbox.bank import Bank
from pixstream.lab.sandbox.server import BankServer
from pixstream.lab.simulation import log_lines, spi_envelope, spi_xml
from pixstream.lab.simulation.log_lines import Step
from pixstream.lab.simulation.pieces import BANK_API, ISO20022, SYSTEM_LOG, WEBHOOK

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pixstream.lab.chaos.callbacks import CallbackSender
    from pixstream.lab.chaos.oracle import NumberedDocument, Oracle

LARGEST_FILE = 10


class LogFile:
    """The institution's own systems, which write lines and rotate their file at any time.

    Args:
        path: path of the file.
        oracle: records what is delivered.
    """

    def __init__(self, path: Path, oracle: Oracle) -> None:
        self._path = path
        self._oracle = oracle
        self._rotations = 0
        self._rotate_now = threading.Event()
        self._out = path.open("ab", buffering=0)

    @property
    def rotations(self) -> int:
        """Number of times the file was renamed in the middle of a line."""
        return self._rotations

    def rotate(self) -> None:
        """Rename the file at the next line, between its two halves."""
        self._rotate_now.set()

    def tell(self, documents: Sequence[NumberedDocument], poisons: Sequence[int]) -> None:
        """Write one line for each."""
        for document in documents:
            self._oracle.offered.add(document.number, document.bits)
            self._write(_line(document))
            self._oracle.acknowledged.add(document.number, document.bits)
        for number in poisons:
            self._oracle.poison_offered.add(number, 1)
            self._write(
                f'{{"event":"pix.pagamento","mensagem":"{self._oracle.poison(number)}'.encode()
            )
            self._oracle.poison_acknowledged.add(number, 1)

    def close(self) -> None:
        """Close the file."""
        self._out.close()

    def _write(self, line: bytes) -> None:
        if not self._rotate_now.is_set():
            self._out.write(line + b"\n")
            return
        self._rotate_now.clear()
        self._rotations += 1
        half = len(line) // 2
        self._out.write(line[:half])
        self._path.rename(self._path.with_name(f"{self._path.name}.{self._rotations}"))
        time.sleep(0.05)
        self._out.write(line[half:] + b"\n")
        self._out.close()
        self._out = self._path.open("ab", buffering=0)


class SpiDirectory:
    """The gateway to the SPI, which puts message files into a directory.

    Args:
        directory: directory in which whole files appear.
        oracle: records what is delivered.
    """

    def __init__(self, directory: Path, oracle: Oracle) -> None:
        self._directory = directory
        self._oracle = oracle
        self._files = 0

    def tell(self, documents: Sequence[NumberedDocument], poisons: Sequence[int]) -> None:
        """Write pacs.008 files, separately by direction; a malformed file is truncated."""
        ways: dict[bool, list[NumberedDocument]] = {True: [], False: []}
        for document in documents:
            ways[document.transfer.payee.own].append(document)
        for inbound, group in ways.items():
            for start in range(0, len(group), LARGEST_FILE):
                part = group[start : start + LARGEST_FILE]
                self._mark(part)
                self._put(self._message(inbound, part))
                for document in part:
                    self._oracle.acknowledged.add(document.number, document.bits)
        for number in poisons:
            self._oracle.poison_offered.add(number, 1)
            marker = self._oracle.poison(number)
            self._put(f'<?xml version="1.0"?><Envelope><AppHdr><Fr>{marker}</Fr>'.encode())
            self._oracle.poison_acknowledged.add(number, 1)

    def _mark(self, documents: Sequence[NumberedDocument]) -> None:
        for document in documents:
            self._oracle.offered.add(document.number, document.bits)

    def _message(self, inbound: bool, documents: Sequence[NumberedDocument]) -> bytes:  # noqa: FBT001
        return spi_envelope.envelope(
            "pacs.008",
            inbound=inbound,
            identifier=f"{documents[0].number:023d}",
            created=documents[0].transfer.when,
            transactions=[spi_xml.pacs008(document.transfer) for document in documents],
        ).encode()

    def _put(self, content: bytes) -> None:
        self._files += 1
        name = f"{self._files:08d}.xml"
        draft = self._directory / f".{name}.part"
        draft.write_bytes(content)
        draft.rename(self._directory / name)


class BankBooks:
    """A bank with API Pix in this process: no fault hits it.

    Args:
        client_id: client id of the producer.
        secret: client secret of the producer.
        port: port of the API.
        oracle: records what is delivered.
    """

    def __init__(self, client_id: str, secret: str, port: int, oracle: Oracle) -> None:
        self._bank = Bank({client_id: secret})
        self._server = BankServer(self._bank, port=port)
        self._oracle = oracle

    def start(self) -> None:
        """Open the API."""
        self._server.start()

    def tell(self, documents: Sequence[NumberedDocument]) -> None:
        """Record Pix, which GET /pix then lists."""
        for document in documents:
            self._oracle.offered.add(document.number, document.bits)
            self._bank.store.add(pix_object(document))
            self._oracle.acknowledged.add(document.number, document.bits)

    def stop(self) -> None:
        """Close the API."""
        self._server.stop()


class Sources:
    """All sources together.

    Args:
        oracle: generates the documents.
        log: source of log lines.
        spi: source of SPI files.
        bank: source of Pix in GET /pix.
        callbacks: source of webhook bodies.
    """

    def __init__(
        self,
        oracle: Oracle,
        *,
        log: LogFile,
        spi: SpiDirectory,
        bank: BankBooks,
        callbacks: CallbackSender,
    ) -> None:
        self._oracle = oracle
        self.log = log
        self.spi = spi
        self.bank = bank
        self.callbacks = callbacks
        self._poisons = count(1)

    def start(self) -> None:
        """Start the bank and its callbacks."""
        self.bank.start()
        self.callbacks.start()

    def stop(self) -> None:
        """Stop all sources."""
        self.callbacks.stop()
        self.bank.stop()
        self.log.close()

    def tell(
        self,
        documents: Sequence[NumberedDocument],
        *,
        poisoned: bool = False,
        insisting: bool = False,
    ) -> None:
        """Hand documents to their sources.

        Args:
            documents: any number of documents.
            poisoned: add one malformed piece, for each source in turn.
            insisting: retry every callback that the webhook refuses, for example at its start.
        """
        by_source: dict[str, list[NumberedDocument]] = {
            SYSTEM_LOG: [],
            ISO20022: [],
            WEBHOOK: [],
            BANK_API: [],
        }
        for document in documents:
            by_source[document.source].append(document)
        poisons: dict[str, list[int]] = {SYSTEM_LOG: [], ISO20022: [], WEBHOOK: []}
        if poisoned:
            number = self.next_poison()
            poisons[list(poisons)[number % len(poisons)]].append(number)
        self.log.tell(by_source[SYSTEM_LOG], poisons[SYSTEM_LOG])
        self.spi.tell(by_source[ISO20022], poisons[ISO20022])
        self.callbacks.tell(by_source[WEBHOOK], poisons[WEBHOOK], insisting=insisting)
        self.bank.tell(by_source[BANK_API])

    def next_poison(self) -> int:
        """Return a number that no malformed piece has used."""
        return next(self._poisons)


def _line(document: NumberedDocument) -> bytes:
    (fact,) = document.facts
    returned = document.transfer.returns[0] if document.transfer.returns else None
    step = Step(fact.category, fact.status, fact.event_time)
    return msgspec.json.encode(log_lines.entry(document.transfer, returned, step))
