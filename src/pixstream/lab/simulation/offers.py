"""The plan of a demo: an exact number of distinct facts, and the documents that deliver them.

The plan is its own ledger: every offer lists the facts that it reports for the first time, the
number of repeated facts, and the SHA-256 of every piece that must become a dead letter. The output
of a pipeline can be compared with it, set against set.
"""

from __future__ import annotations

import datetime as dt
import heapq
from collections import Counter
from itertools import count
from random import Random
from typing import TYPE_CHECKING, Any

from pixstream.lab.simulation import malformed
from pixstream.lab.simulation.batches import Batches, Offer
from pixstream.lab.simulation.pieces import ISO20022, SOURCES, WEBHOOK, Piece
from pixstream.lab.simulation.telling import SourceChooser, Telling
from pixstream.lab.simulation.traffic import Traffic
from pixstream.lab.simulation.world import World

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from pixstream.lab.simulation.transfers import Transfer

__all__ = ["Offer", "TrafficPlan", "plan"]

FACTS_PER_TRANSFER = 1.75
REDELIVERED = 0.015
"""Share of webhook bodies and SPI files that are delivered twice."""


class TrafficPlan:
    """Offers with exactly `events` distinct facts and malformed pieces in total.

    Iterate it once; counters and labels are complete at the end of the iteration.

    Args:
        events: number of facts and malformed pieces, at least 1.
        seed: the same arguments produce the same bytes.
        now: latest time of a document, timezone-aware.
        days: number of days before `now` that the traffic covers.
        sources: the producers to feed, from `pieces.SOURCES`.
        world: the payers and payees; None: the world of the seed.

    Attributes:
        facts: distinct facts reported so far.
        malformed: malformed pieces delivered so far.
        repeats: least number of repeated deliveries of facts: polling may add its own.
        counts: facts by source and category.
        labels: the reported transfers of fraud patterns.
    """

    def __init__(
        self,
        events: int,
        seed: int,
        *,
        now: dt.datetime,
        days: float = 3,
        sources: Collection[str] = SOURCES,
        world: World | None = None,
    ) -> None:
        if events < 1 or days <= 0 or not sources or not set(sources) <= set(SOURCES):
            raise ValueError("a plan needs at least one event, some time and known sources")
        self.events = events
        self.facts = self.malformed = self.repeats = 0
        self.counts: Counter[tuple[str, str]] = Counter()
        self.labels: list[dict[str, Any]] = []
        self._world = world or World(seed)
        self._rng = Random(f"plan/{seed}")
        self._now = now.astimezone(dt.UTC)
        self._days = days
        self._seed = seed
        self._chooser = SourceChooser(self._rng, sources)
        self._spoiler = malformed.Spoiler(self._rng, sources)
        self._batches = Batches(self._rng)
        self._later: list[tuple[int, int, Piece | Offer]] = []
        self._number = count()
        self._digests: set[str] = set()

    def __iter__(self) -> Iterator[Offer]:
        """Yield the offers in the order of delivery."""
        turn = 0
        for turn, transfer in enumerate(self._traffic()):
            while self._later and self._later[0][0] <= turn:
                yield from self._deliver(heapq.heappop(self._later)[2], turn)
            if self._room() <= 0:
                break
            for delay, piece in self._pieces(transfer):
                self._count(piece)
                if delay:
                    heapq.heappush(self._later, (turn + delay, next(self._number), piece))
                else:
                    yield from self._deliver(piece, turn)
        yield from self._rest(turn)

    def clear_identifiers(self) -> set[str]:
        """Return every clear text of a person, account, key or device in the offers."""
        return self._world.clear_identifiers()

    def _traffic(self) -> Traffic:
        return Traffic(
            self._world,
            self._seed,
            start=self._now - dt.timedelta(days=self._days),
            # the last steps of a transfer follow some seconds after its order
            end=self._now - dt.timedelta(seconds=30),
            expected=round(self.events / FACTS_PER_TRANSFER),
        )

    def _room(self) -> int:
        return self.events - self.facts - self.malformed

    def _pieces(self, transfer: Transfer) -> Iterator[Telling]:
        pieces = self._chooser.tell(transfer, self._room())
        if pieces and transfer.pattern:
            self.labels.append(
                {
                    "end_to_end_id": transfer.e2e,
                    "pattern": transfer.pattern,
                    "case": transfer.case,
                }
            )
        yield from pieces
        spoils = self._rng.random() < malformed.SHARE * FACTS_PER_TRANSFER
        if spoils and self._spoiler and self._room() > 0:
            piece = self._spoiler.spoil(transfer)
            if piece.digest not in self._digests:
                self._digests.add(piece.digest)
                yield Telling(0, piece)

    def _count(self, piece: Piece) -> None:
        self.malformed += piece.malformed
        self.facts += len(piece.facts)
        self.repeats += piece.repeats
        self.counts.update((piece.group.source, fact.category) for fact in piece.facts)

    def _deliver(self, item: Piece | Offer, turn: int) -> Iterator[Offer]:
        """Yield an offer as it is, or the documents that a piece completes; a few come again later.

        A document with a malformed piece is never repeated: a second letter would count twice.
        """
        if isinstance(item, Offer):
            yield item
            return
        for offer in self._batches.add(item):
            self._repeat(offer, turn)
            yield offer

    def _repeat(self, offer: Offer, turn: int) -> None:
        twice = offer.source in {WEBHOOK, ISO20022} and not offer.malformed
        if twice and self._rng.random() < REDELIVERED:
            again = offer.again()
            self.repeats += again.repeats
            due = turn + self._rng.randint(1, 300)
            heapq.heappush(self._later, (due, next(self._number), again))

    def _rest(self, turn: int) -> Iterator[Offer]:
        """Yield the later deliveries, then the open batches, until nothing is left."""
        while self._later:
            yield from self._deliver(heapq.heappop(self._later)[2], turn)
        for offer in self._batches.close():
            self._repeat(offer, turn)
            yield offer
        while self._later:
            yield from self._deliver(heapq.heappop(self._later)[2], turn)


def plan(events: int, seed: int, *, now: dt.datetime, **options: Any) -> TrafficPlan:
    """Return the plan of `events` facts; see `TrafficPlan` for the options."""
    return TrafficPlan(events, seed, now=now, **options)
