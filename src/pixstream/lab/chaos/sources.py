"""Tells the oracle's documents to every producer, and notes what was answered for.

A log line, an SPI file or a Pix in the bank's books is an obligation as soon as it is there: its
source keeps it. A body posted to the webhook is one when it was answered 200, see `callbacks`.
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
    """The bank's own systems, which write lines and rotate their file whenever they please.

    Args:
        path: of the file.
        oracle: notes what is told.
    """

    def __init__(self, path: Path, oracle: Oracle) -> None:
        self._path = path
        self._oracle = oracle
        self._rotations = 0
        self._rotate_now = threading.Event()
        self._out = path.open("ab", buffering=0)

    @property
    def rotations(self) -> int:
        """How often the file was renamed in the middle of a line."""
        return self._rotations

    def rotate(self) -> None:
        """Rename the file at the next line, between its two halves."""
        self._rotate_now.set()

    def tell(self, documents: Sequence[NumberedDocument], poisons: Sequence[int]) -> None:
        """Write a line each."""
        for told in documents:
            self._oracle.offered.add(told.number, told.bits)
            self._write(_line(told))
            self._oracle.acknowledged.add(told.number, told.bits)
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
    """The gateway to the SPI, which lays message files into a directory.

    Args:
        directory: where a file appears whole.
        oracle: notes what is told.
    """

    def __init__(self, directory: Path, oracle: Oracle) -> None:
        self._directory = directory
        self._oracle = oracle
        self._files = 0

    def tell(self, documents: Sequence[NumberedDocument], poisons: Sequence[int]) -> None:
        """Write pacs.008 files, inbound and outbound ones apart; a malformed one is cut short."""
        ways: dict[bool, list[NumberedDocument]] = {True: [], False: []}
        for told in documents:
            ways[told.transfer.payee.own].append(told)
        for inbound, group in ways.items():
            for start in range(0, len(group), LARGEST_FILE):
                part = group[start : start + LARGEST_FILE]
                self._mark(part)
                self._put(self._message(inbound, part))
                for told in part:
                    self._oracle.acknowledged.add(told.number, told.bits)
        for number in poisons:
            self._oracle.poison_offered.add(number, 1)
            marker = self._oracle.poison(number)
            self._put(f'<?xml version="1.0"?><Envelope><AppHdr><Fr>{marker}</Fr>'.encode())
            self._oracle.poison_acknowledged.add(number, 1)

    def _mark(self, documents: Sequence[NumberedDocument]) -> None:
        for told in documents:
            self._oracle.offered.add(told.number, told.bits)

    def _message(self, inbound: bool, documents: Sequence[NumberedDocument]) -> bytes:  # noqa: FBT001
        return spi_envelope.envelope(
            "pacs.008",
            inbound=inbound,
            identifier=f"{documents[0].number:023d}",
            created=documents[0].transfer.when,
            transactions=[spi_xml.pacs008(told.transfer) for told in documents],
        ).encode()

    def _put(self, content: bytes) -> None:
        self._files += 1
        name = f"{self._files:08d}.xml"
        draft = self._directory / f".{name}.part"
        draft.write_bytes(content)
        draft.rename(self._directory / name)


class BankBooks:
    """A bank behind API Pix, in this process: it never dies.

    Args:
        client_id: and `secret`: what the producer logs in with.
        port: of the API.
        oracle: notes what is told.
    """

    def __init__(self, client_id: str, secret: str, port: int, oracle: Oracle) -> None:
        self._bank = Bank({client_id: secret})
        self._server = BankServer(self._bank, port=port)
        self._oracle = oracle

    def start(self) -> None:
        """Open the API."""
        self._server.start()

    def tell(self, documents: Sequence[NumberedDocument]) -> None:
        """Record Pix; from then on GET /pix lists them."""
        for told in documents:
            self._oracle.offered.add(told.number, told.bits)
            self._bank.store.add(pix_object(told))
            self._oracle.acknowledged.add(told.number, told.bits)

    def stop(self) -> None:
        """Close the API."""
        self._server.stop()


class Sources:
    """Every source together, fed at an even pace.

    Args:
        log: and `spi`, `bank`, `callbacks`: who tells what.
        oracle: makes the documents.
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
        """Open the bank's doors."""
        self.bank.start()
        self.callbacks.start()

    def stop(self) -> None:
        """Close them."""
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
            documents: any number.
            poisoned: with them one malformed piece, by turns of the sources.
            insisting: no callback is given up that the webhook refuses, as at its start.
        """
        by_source: dict[str, list[NumberedDocument]] = {
            SYSTEM_LOG: [],
            ISO20022: [],
            WEBHOOK: [],
            BANK_API: [],
        }
        for told in documents:
            by_source[told.source].append(told)
        poisons: dict[str, list[int]] = {SYSTEM_LOG: [], ISO20022: [], WEBHOOK: []}
        if poisoned:
            number = self.next_poison()
            poisons[list(poisons)[number % len(poisons)]].append(number)
        self.log.tell(by_source[SYSTEM_LOG], poisons[SYSTEM_LOG])
        self.spi.tell(by_source[ISO20022], poisons[ISO20022])
        self.callbacks.tell(by_source[WEBHOOK], poisons[WEBHOOK], insisting=insisting)
        self.bank.tell(by_source[BANK_API])

    def next_poison(self) -> int:
        """A number that no malformed piece has had."""
        return next(self._poisons)


def _line(told: NumberedDocument) -> bytes:
    (fact,) = told.facts
    returned = told.transfer.returns[0] if told.transfer.returns else None
    step = Step(fact.category, fact.status, fact.event_time)
    return msgspec.json.encode(log_lines.entry(told.transfer, returned, step))
