"""Batching of pieces into documents: callback bodies by key, log lines, SPI files by message."""

from __future__ import annotations

import datetime as dt
from itertools import count
from typing import TYPE_CHECKING

import msgspec

from pixstream.lab.simulation import spi_envelope
from pixstream.lab.simulation.pieces import ISO20022, SYSTEM_LOG, WEBHOOK, Fact, Group, Piece

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

BATCH_SIZES = {
    WEBHOOK: (1, 1, 2, 3, 5, 8, 20, 50),
    SYSTEM_LOG: (1, 5, 20, 50),
    ISO20022: (1, 1, 2, 5, 10),
}


class Offer(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One document for one source.

    Attributes:
        source: name of the producer that reads it.
        name: the key of a webhook body, the name of an SPI file, the EndToEndId of an API object.
        content: a body, whole log lines with their newlines, a file, or one object of API Pix.
        facts: facts that it reports for the first time.
        repeats: number of facts that it repeats.
        malformed: SHA-256 (hex) of every piece that must become a dead letter.
        created: time at which the bank recorded an object of API Pix; None: on arrival.
        payer_document: the payer's document, for GET /pix.
    """

    source: str
    name: str
    content: bytes
    facts: tuple[Fact, ...] = ()
    repeats: int = 0
    malformed: tuple[str, ...] = ()
    created: dt.datetime | None = None
    payer_document: str | None = None

    def again(self) -> Offer:
        """Return the same document for another delivery; a file gets another name."""
        return msgspec.structs.replace(
            self,
            name=f"again-{self.name}" if self.source == ISO20022 else self.name,
            facts=(),
            repeats=len(self.facts) + self.repeats,
        )


class Batches:
    """The open batches, by group.

    Args:
        rng: chooses the sizes of batches, and the ids of SPI messages.
    """

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._open: dict[Group, tuple[int, list[Piece]]] = {}
        self._files = count(1)

    def add(self, piece: Piece) -> Iterator[Offer]:
        """Add a piece; yield the document that it is or completes."""
        if piece.whole:
            yield self._offer(piece.group, [piece])
            return
        if piece.group not in self._open:
            self._open[piece.group] = self._rng.choice(BATCH_SIZES[piece.group.source]), []
        size, pieces = self._open[piece.group]
        pieces.append(piece)
        if len(pieces) >= size:
            del self._open[piece.group]
            yield self._offer(piece.group, pieces)

    def close(self) -> Iterator[Offer]:
        """Yield the open batches, complete or not."""
        while self._open:
            group = next(iter(self._open))
            _, pieces = self._open.pop(group)
            yield self._offer(group, pieces)

    def _offer(self, group: Group, pieces: list[Piece]) -> Offer:
        name, content = self._document(group, pieces)
        return Offer(
            source=group.source,
            name=name,
            content=content,
            facts=tuple(fact for piece in pieces for fact in piece.facts),
            repeats=sum(piece.repeats for piece in pieces),
            malformed=tuple(piece.digest for piece in pieces if piece.malformed),
            created=pieces[0].created,
            payer_document=pieces[0].payer_document,
        )

    def _document(self, group: Group, pieces: list[Piece]) -> tuple[str, bytes]:
        """Return name and content."""
        contents = [piece.content for piece in pieces]
        if group.source == SYSTEM_LOG:
            return "", b"".join(content + b"\n" for content in contents)
        if group.source == ISO20022:
            return self._file(group, pieces)
        if group.source == WEBHOOK and not pieces[0].whole:
            return group.name, b'{"pix":[' + b",".join(contents) + b"]}"
        return group.name, contents[0]

    def _file(self, group: Group, pieces: list[Piece]) -> tuple[str, bytes]:
        number = next(self._files)
        if pieces[0].whole:
            return f"{number:08d}-other.xml", pieces[0].content
        message, way = group.name.split("/")
        text = spi_envelope.envelope(
            message,
            inbound=way == "in",
            identifier=f"{number:010d}{self._rng.getrandbits(52):013x}",
            created=max(piece.when for piece in pieces) + dt.timedelta(seconds=1),
            transactions=[piece.content.decode() for piece in pieces],
        )
        return f"{number:08d}-{message}-{way}.xml", text.encode()
