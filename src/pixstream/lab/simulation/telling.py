"""The choice of the source that reports a transfer; sometimes a second source repeats a fact.

A shop's receipts come through API Pix, those with a txid also through its webhook. A shop's own
payments come through Efí's webhook. The logs of the institution's own systems can report every
transfer, and SPI messages report those that cross the SPI. A refund of the MED is a pacs.008, so
only the SPI reports it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

from pixstream.event.model import Status
from pixstream.event.routing import RETURN_PURPOSES
from pixstream.lab.simulation import irregular, log_lines
from pixstream.lab.simulation.api_documents import payer_extras, received, sent
from pixstream.lab.simulation.pieces import BANK_API, ISO20022, SYSTEM_LOG, WEBHOOK, Piece
from pixstream.lab.simulation.spi_messages import transactions

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from random import Random

    from pixstream.lab.simulation.transfers import Transfer

REPEATED = 0.01
"""Share of pieces that a source delivers twice, and of transfers that a second source reports."""

RECEIPT_WEIGHTS = {BANK_API: 42, WEBHOOK: 50, SYSTEM_LOG: 4, ISO20022: 4}
SENT_WEIGHTS = {WEBHOOK: 60, SYSTEM_LOG: 15, ISO20022: 25}
WEIGHTS = {SYSTEM_LOG: 42, ISO20022: 58}


class Telling(NamedTuple):
    """A piece, and the number of transfers after which its source delivers it."""

    delay: int
    piece: Piece


class SourceChooser:
    """A chooser of sources that also renders their pieces.

    Args:
        rng: randomness of the plan.
        sources: the producers that are running.
    """

    def __init__(self, rng: Random, sources: Collection[str]) -> None:
        self._rng = rng
        self._sources = frozenset(sources)
        self._turn = 0

    def tell(self, transfer: Transfer, room: int) -> list[Telling]:
        """Return a transfer's pieces with at most `room` new facts; none if no source sees it."""
        source = self._source(transfer)
        if source is None:
            return []
        # a label must name the identifier that the documents show
        bend = None if transfer.pattern else self._bend(source)
        if bend == "identifier":
            transfer = irregular.identifier(transfer, self._rng)
        pieces = self._pieces(source, transfer, room)
        if bend == "shape":
            pieces[0] = pieces[0]._replace(piece=irregular.shape(pieces[0].piece, self._rng))
        return pieces if bend else pieces + list(self._repeats(source, transfer, pieces))

    def _pieces(self, source: str, transfer: Transfer, room: int) -> list[Telling]:
        if source == ISO20022:
            return [Telling(0, piece) for piece in transactions(transfer, self._rng)[:room]]
        if source == SYSTEM_LOG:
            return [Telling(0, piece) for piece in log_lines.lines(transfer, self._rng)[:room]]
        if transfer.payee.own:
            return list(self._received(source, transfer, room))
        return [Telling(0, piece) for piece in self._sent(transfer)[:room]]

    def _bend(self, source: str) -> Literal["identifier", "shape"] | None:
        """Return the irregularity of a transfer, if any: alternately in identifier and shape."""
        if source not in {WEBHOOK, SYSTEM_LOG}:
            return None
        self._turn += 1
        times, rest = divmod(self._turn, irregular.EVERY)
        if rest != irregular.EVERY // 2:
            return None
        return "shape" if times % 2 else "identifier"

    def _source(self, transfer: Transfer) -> str | None:
        weights = {s: w for s, w in _weights(transfer).items() if s in self._sources}
        return self._rng.choices(list(weights), list(weights.values()))[0] if weights else None

    def _received(self, source: str, transfer: Transfer, room: int) -> Iterator[Telling]:
        """Yield the Pix with its returns; in half of the cases first without, then with them."""
        rng, returns = self._rng, transfer.returns[: room - 1]
        extras = payer_extras(transfer) if source == WEBHOOK and self._happens(0.3) else None
        if returns and self._happens(0.5):
            yield Telling(0, received(source, transfer, (), extras))
            second = received(source, transfer, returns, extras)
            again = msgspec.structs.replace(second, facts=second.facts[1:], repeats=1)
            yield Telling(rng.randint(20, 200), again)
            return
        yield Telling(0, received(source, transfer, returns, extras))

    def _sent(self, transfer: Transfer) -> list[Piece]:
        """Return a sent Pix; one in six is also reported before its outcome."""
        pieces = [sent(transfer, transfer.outcome, self._rng)]
        if self._rng.randrange(6) == 0:
            pieces.insert(0, sent(transfer, Status.INITIATED, self._rng))
        return pieces

    def _repeats(self, source: str, transfer: Transfer, first: list[Telling]) -> Iterator[Telling]:
        """Yield the same line again, the same Pix through GET /pix, or an SPI fact in a log."""
        facts = {fact for _, piece in first for fact in piece.facts}
        if source == SYSTEM_LOG:
            for _, piece in first:
                if self._happens(REPEATED):
                    yield Telling(self._rng.randint(1, 100), piece.again())
        elif not self._happens(2 * REPEATED):
            return
        elif source == WEBHOOK and transfer.payee.own and BANK_API in self._sources:
            piece = received(BANK_API, transfer, ())
            yield Telling(self._rng.randint(0, 50), piece.again())
        elif source == ISO20022 and SYSTEM_LOG in self._sources:
            for piece in log_lines.lines(transfer, self._rng):
                if facts.issuperset(piece.facts):
                    yield Telling(self._rng.randint(0, 50), piece.again())

    def _happens(self, probability: float) -> bool:
        return self._rng.random() < probability


def _weights(transfer: Transfer) -> dict[str, int]:
    """Return the sources that see a transfer, with their weights in the choice."""
    if transfer.purpose in RETURN_PURPOSES:
        return {ISO20022: 1}
    crosses = transfer.payer.own != transfer.payee.own
    if transfer.payee.own and transfer.payee.company and transfer.outcome == Status.SETTLED:
        weights = RECEIPT_WEIGHTS
    elif transfer.payer.own and transfer.payer.company and transfer.key and not transfer.old:
        weights = SENT_WEIGHTS
    else:
        weights = WEIGHTS
    return {
        source: weight
        for source, weight in weights.items()
        if (crosses or source != ISO20022)
        and (source != WEBHOOK or transfer.txid or not transfer.payee.own)
    }
