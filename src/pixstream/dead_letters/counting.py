"""Counts dead letters by what their headers say: the reason, and the topic of the record."""

from __future__ import annotations

from collections import Counter as Tally
from typing import TYPE_CHECKING

from pixstream.event.model import Reason
from pixstream.metrics.records import LETTERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pixstream.dead_letters.letters import Letter
    from pixstream.metrics import Counter, Counts

FROM_SOURCES = tuple(LETTERS.of(short=LETTERS.short, reason=reason, topic="") for reason in Reason)
"""The series of a component that reads a source."""


def from_topics(topics: Iterable[str]) -> Sequence[Counter]:
    """Return the series of a component that reads these topics."""
    return [
        LETTERS.of(short=LETTERS.short, reason=reason, topic=topic)
        for topic in topics
        for reason in (
            Reason.UNDECODABLE_EVENT,
            Reason.SCHEMA_CONTRACT,
            Reason.DESTINATION_REJECTED,
        )
    ]


def count_letters(counts: Counts, letters: Iterable[Letter]) -> None:
    """Add letters to their series."""
    tally = Tally((letter.header("reason"), letter.header("origin-topic")) for letter in letters)
    for (reason, topic), number in tally.items():
        counts.add(LETTERS.of(short=LETTERS.short, reason=reason, topic=topic), number)
