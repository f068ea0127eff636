"""The answer to a question: the lives that were found, and where it was looked."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, NamedTuple

from pixstream.trace.facts import Arrival
from pixstream.trace.letters import Letter
from pixstream.trace.log_lines import LogLine
from pixstream.trace.question import Place, Question

if TYPE_CHECKING:
    from pixstream.trace.facts import Fact


class Looked(NamedTuple):
    """One place that was searched: which, from when to when, and what has to be said about it."""

    where: str
    when: str
    note: str = ""


@dataclasses.dataclass
class Life:
    """All that was found of one payment.

    Attributes:
        payment: the identifier that its events share.
    """

    payment: str
    arrivals: dict[tuple[Place, str], Arrival] = dataclasses.field(default_factory=dict)
    letters: dict[str, Letter] = dataclasses.field(default_factory=dict)
    log: list[LogLine] = dataclasses.field(default_factory=list)

    @property
    def found(self) -> bool:
        """Whether there is anything at all."""
        return bool(self.arrivals or self.letters)

    @property
    def facts(self) -> list[Fact]:
        """What the arrivals told."""
        return [a.fact for a in self.arrivals.values() if a.fact is not None]

    @property
    def identifiers(self) -> set[str]:
        """The payment's identifier and those of its returns."""
        return {self.payment, *(fact.return_id for fact in self.facts if fact.return_id)}

    def add(self, arrival: Arrival) -> Arrival:
        """Add an arrival, or what is new of one that is known; return what is kept.

        A recreated topic has other records at the same offsets, so the event is part of the key.
        """
        known = self.arrivals.setdefault(
            (arrival.place, arrival.fact.event_id if arrival.fact else ""), arrival
        )
        if known is not arrival:
            known.record = known.record or arrival.record
            known.sent = known.sent or arrival.sent
            known.rows += arrival.rows
        return known


@dataclasses.dataclass
class Answer:
    """What was found for a question.

    Attributes:
        lives: the payments, those without a trace left out.
        letters: letters that name no payment, or several, with the payments that they name.
        looked: where it was searched.
        problems: what could not be searched, and why.
        more: payments that were found and not followed, because there are too many.
    """

    question: Question
    lives: list[Life] = dataclasses.field(default_factory=list)
    letters: list[tuple[Letter, list[str]]] = dataclasses.field(default_factory=list)
    looked: list[Looked] = dataclasses.field(default_factory=list)
    problems: list[str] = dataclasses.field(default_factory=list)
    more: list[str] = dataclasses.field(default_factory=list)

    @property
    def found(self) -> bool:
        """Whether anything was found."""
        return bool(self.lives or self.letters)
