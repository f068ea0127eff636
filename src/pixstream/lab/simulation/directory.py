"""A plan as files: the output of `pixstream simulate`.

webhook/*.json   one callback body per file
logs/*.jsonl     log lines of the own systems, in files of about 10,000
spi/*.xml        one SPI message per file
api/pix.jsonl    one object of API Pix per line, in the order in which the bank would list them
labels.jsonl     the transfers of fraud patterns
ledger.jsonl     every distinct fact and every malformed piece, with the file that reports it
"""

from __future__ import annotations

import datetime as dt
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec

from pixstream.errors import PixstreamError
from pixstream.lab.simulation.offers import TrafficPlan
from pixstream.lab.simulation.pieces import BANK_API, ISO20022, SOURCES, SYSTEM_LOG, WEBHOOK

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from pixstream.lab.simulation.batches import Offer

LINES_PER_LOG = 10_000


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers of what was written.

    Attributes:
        facts: distinct facts.
        malformed: pieces that must become dead letters.
        repeats: repeated deliveries of the same facts.
        labels: transfers of fraud patterns.
        documents: files and API objects.
    """

    facts: int
    malformed: int
    repeats: int
    labels: int
    documents: int


def simulate(
    directory: Path,
    *,
    events: int,
    seed: int,
    start: dt.datetime,
    days: float = 1.0,
    sources: Collection[str] = SOURCES,
    progress: Callable[[int], None] | None = None,
) -> Summary:
    """Write a plan's documents; the same arguments write the same bytes.

    Args:
        directory: created if absent; must be empty.
        events: distinct facts and malformed pieces together.
        seed: seed of all randomness.
        start: start of the traffic, timezone-aware.
        days: duration of the traffic.
        sources: sources to write files for.
        progress: called from time to time with the number of events so far.

    Raises:
        PixstreamError: the directory is not empty, or cannot be written.
        ValueError: there is no event or no time, or a source is unknown.
    """
    plan = TrafficPlan(
        events, seed, now=start + dt.timedelta(days=days), days=days, sources=sources
    )
    try:
        return _write(plan, directory, progress or (lambda _: None))
    except OSError as error:
        raise PixstreamError(
            f"the simulation cannot write to {directory} ({error.strerror}); the files written so "
            "far are incomplete: delete them"
        ) from error


def _write(plan: TrafficPlan, directory: Path, progress: Callable[[int], None]) -> Summary:
    directory.mkdir(parents=True, exist_ok=True)
    if any(directory.iterdir()):
        raise PixstreamError(f"{directory} is not empty; choose a new directory for the simulation")
    documents = 0
    with ExitStack() as stack:
        writer = _Writer(directory, stack)
        for documents, offer in enumerate(plan, 1):
            writer.write(offer, documents)
            if documents % 100 == 0:
                progress(plan.facts + plan.malformed)
    (directory / "labels.jsonl").write_bytes(b"".join(map(_line, plan.labels)))
    progress(plan.facts + plan.malformed)
    return Summary(
        facts=plan.facts,
        malformed=plan.malformed,
        repeats=plan.repeats,
        labels=len(plan.labels),
        documents=documents,
    )


class _Writer:
    """A writer that puts each source's documents in their place."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self._directory = directory
        self._stack = stack
        self._ledger = self._open("ledger.jsonl")
        self._api: BinaryIO | None = None
        self._log: BinaryIO | None = None
        self._log_name = ""
        self._logs = self._lines = 0

    def write(self, offer: Offer, number: int) -> None:
        name = self._document(offer, number)
        self._ledger.write(
            b"".join(
                _line(
                    {
                        "source": offer.source,
                        "document": name,
                        "category": fact.category,
                        "identifier": fact.identifier,
                        "status": fact.status,
                    }
                )
                for fact in offer.facts
            )
        )
        for digest in offer.malformed:
            self._ledger.write(
                _line({"source": offer.source, "document": name, "malformed": digest})
            )

    def _document(self, offer: Offer, number: int) -> str:
        """Write an offer; return the name of the file that contains it."""
        if offer.source == BANK_API:
            self._api = self._api or self._open("api/pix.jsonl")
            self._api.write(offer.content + b"\n")
            return "api/pix.jsonl"
        if offer.source == SYSTEM_LOG:
            return self._append(offer.content)
        folder = {WEBHOOK: "webhook", ISO20022: "spi"}[offer.source]
        name = f"{folder}/{offer.name if offer.source == ISO20022 else f'{number:08d}.json'}"
        path = self._directory / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(offer.content)
        return name

    def _append(self, lines: bytes) -> str:
        """Append whole lines to the log; a full file is closed by a new one."""
        if self._log is None or self._lines >= LINES_PER_LOG:
            self._log_name = f"logs/pix-{self._logs:04d}.jsonl"
            self._log = self._open(self._log_name)
            self._logs += 1
            self._lines = 0
        self._lines += lines.count(b"\n")
        self._log.write(lines)
        return self._log_name

    def _open(self, name: str) -> BinaryIO:
        path = self._directory / name
        path.parent.mkdir(exist_ok=True)
        return self._stack.enter_context(path.open("wb"))


def _line(value: dict[str, Any]) -> bytes:
    return msgspec.json.encode(value) + b"\n"
