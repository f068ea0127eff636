"""Numbered documents whose whole content follows from their number, and what must come of them.

The number is written into the identifiers, so that a row of a table tells which document it claims
to come from, and the oracle computes again what that row must hold. What was offered, acknowledged
and found is one byte a number: a million facts cost a few megabytes, and there is nothing else to
remember.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from typing import TYPE_CHECKING, NamedTuple

from pixstream.event import routing
from pixstream.event.categories import Category
from pixstream.event.model import Direction, Status
from pixstream.lab.simulation.pieces import BANK_API, ISO20022, SYSTEM_LOG, WEBHOOK
from pixstream.lab.simulation.transfers import Return, Transfer
from pixstream.lab.simulation.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixstream.lab.simulation.world import Holder

P, R, E = Category.PAGAMENTO, Category.RECEBIMENTO, Category.ESTORNO


class Kind(NamedTuple):
    """What a document tells: its source, and the category and status of each fact in it."""

    percent: int
    source: str
    facts: tuple[tuple[Category, Status], ...]


KINDS = (
    Kind(16, SYSTEM_LOG, ((P, Status.INITIATED),)),
    Kind(16, SYSTEM_LOG, ((P, Status.SETTLED),)),
    Kind(16, SYSTEM_LOG, ((R, Status.SETTLED),)),
    Kind(8, SYSTEM_LOG, ((E, Status.SETTLED),)),
    Kind(14, WEBHOOK, ((R, Status.SETTLED),)),
    Kind(3, WEBHOOK, ((R, Status.SETTLED), (E, Status.SETTLED))),
    Kind(7, ISO20022, ((P, Status.INITIATED),)),
    Kind(7, ISO20022, ((R, Status.INITIATED),)),
    Kind(11, BANK_API, ((R, Status.SETTLED),)),
    Kind(2, BANK_API, ((R, Status.SETTLED), (E, Status.SETTLED))),
)

SKEWED = 97
"""One document in so many comes from a source whose clock has jumped."""

SKEWS = (dt.timedelta(days=365 * 30), dt.timedelta(days=-365 * 25), dt.timedelta(hours=2))

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_WIDTH = 6
"""Characters of a number in base 36: two thousand million documents."""

_SUFFIX = re.compile(r"([ED])[0-9A-Z]{8}\d{12}([0-9a-z]{6})([0-9a-f]{5})", re.ASCII)
_POISON = re.compile(rb"poison-([0-9a-z]{6})([0-9a-f]{5})")


class Side(NamedTuple):
    """What one row must hold of a party, in clear; None: its source does not tell."""

    ispb: str | None = None
    document: str | None = None
    key: str | None = None


class NumberedFact(NamedTuple):
    """What one row must hold.

    Attributes:
        event_time: aware, in whole milliseconds.
        payer: and `payee`: who gives and gets the money in this fact, so a return's change sides.
    """

    category: Category
    status: Status
    identifier: str
    centavos: int
    event_time: dt.datetime
    payer: Side
    payee: Side

    @property
    def direction(self) -> Direction:
        """Money's way: one side of each transfer is ours, and all that is returned had come in."""
        return Direction.IN if self.category == R else Direction.OUT

    @property
    def event_id(self) -> str:
        """The identity that its row must carry."""
        return routing.event_id(self.category, self.identifier, self.status)

    @property
    def bit(self) -> int:
        """1 for a fact named by its EndToEndId, 2 for one named by its RtrId."""
        return 1 if self.identifier[0] == "E" else 2


class NumberedDocument(NamedTuple):
    """One document: what it is made of, and the facts in it."""

    number: int
    source: str
    transfer: Transfer
    facts: tuple[NumberedFact, ...]

    @property
    def bits(self) -> int:
        """All of its facts."""
        return sum(fact.bit for fact in self.facts)


class Marks:
    """One byte a number: which facts of a document were offered, acknowledged or found."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def __getitem__(self, number: int) -> int:
        return self._bytes[number] if number < len(self._bytes) else 0

    def add(self, number: int, bits: int) -> None:
        """Mark facts of a document."""
        if number >= len(self._bytes):
            self._bytes.extend(bytes(number + 1024 - len(self._bytes)))
        self._bytes[number] |= bits

    def count(self) -> int:
        """How many facts are marked."""
        return sum(self._bytes.count(bits) * bits.bit_count() for bits in (1, 2, 3))

    def missing_in(self, other: Marks) -> int:
        """How many facts are marked here and not there."""
        return sum((bits & ~other[n]).bit_count() for n, bits in enumerate(self._bytes) if bits)

    def missing_numbers(self, other: Marks) -> Iterator[int]:
        """The numbers of those."""
        return (n for n, bits in enumerate(self._bytes) if bits & ~other[n])


class Oracle:
    """Makes documents and remembers what became of them.

    Args:
        seed: the same seed and start make the same documents.
        start: time of the first one, aware; each next one is a millisecond later.

    Attributes:
        offered: facts handed to their sources.
        acknowledged: those that a source has answered for, or holds durably itself: obligations.
        poison_offered: malformed pieces handed over, which must become dead letters.
        poison_acknowledged: likewise.
    """

    def __init__(self, seed: int, start: dt.datetime) -> None:
        self._seed = seed
        self._start = start.astimezone(dt.UTC).replace(microsecond=0)
        world = World(seed, people=400, shops=40)
        self._world = world
        self._own = [*world.own_people, *world.own_shops]
        self._others = [*world.other_people, *world.other_shops]
        self.offered, self.acknowledged = Marks(), Marks()
        self.poison_offered, self.poison_acknowledged = Marks(), Marks()

    def documents(self, facts: int, first: int = 0) -> Iterator[NumberedDocument]:
        """Documents with exactly so many facts together, by their numbers."""
        number = first
        while facts > 0:
            told = self.told(number)
            number += 1
            if len(told.facts) <= facts:
                facts -= len(told.facts)
                yield told

    def told(self, number: int) -> NumberedDocument:
        """All that one number stands for."""
        kind = self._kind(number)
        transfer = self._transfer(number, kind)
        facts = tuple(_fact(kind.source, transfer, *step) for step in kind.facts)
        return NumberedDocument(number, kind.source, transfer, facts)

    def number(self, identifier: str | None) -> int | None:
        """The number inside of an identifier; None for one that the oracle never made."""
        match = _SUFFIX.fullmatch(identifier or "")
        return None if match is None else self._checked(match[2], match[3])

    def poison(self, number: int) -> str:
        """The marker that a malformed piece carries."""
        return f"poison-{self._suffix(number)}"

    def poisons(self, content: bytes) -> set[int]:
        """Numbers of the malformed pieces that these bytes hold."""
        found = (self._checked(m[1].decode(), m[2].decode()) for m in _POISON.finditer(content))
        return {number for number in found if number is not None}

    def clear_identifiers(self) -> set[str]:
        """Every clear text of a person that the documents may hold."""
        return self._world.clear_identifiers()

    def _kind(self, number: int) -> Kind:
        pick = self._hash(number) % 100
        for kind in KINDS:
            pick -= kind.percent
            if pick < 0:
                return kind
        raise AssertionError("the percentages do not add up to a hundred")

    def _transfer(self, number: int, kind: Kind) -> Transfer:
        code = self._hash(number) // 100
        own, other = self._own[code % len(self._own)], self._others[code // 7 % len(self._others)]
        payer, payee = (own, other) if kind.facts[0][0] == P else (other, own)
        when = self._start + dt.timedelta(milliseconds=number)
        if number % SKEWED == SKEWED - 1:
            when += SKEWS[number // SKEWED % len(SKEWS)]
        centavos = 2 + code % 9_999_998
        returns: tuple[Return, ...] = ()
        if kind.facts[-1][0] == E:
            requested = when + dt.timedelta(seconds=30)
            returned = Return(
                rtr_id=self._identifier("D", payee, requested, number),
                number=f"r{self._suffix(number)}",
                centavos=centavos // 2,
                requested=requested,
                outcome=Status.SETTLED,
            )
            returns = (returned,)
        return Transfer(
            e2e=self._identifier("E", payer, when, number),
            when=when,
            told=when,
            centavos=centavos,
            payer=payer,
            payee=payee,
            device=payer.device,
            key=payee.keys[0],
            returns=returns,
        )

    def _identifier(self, letter: str, holder: Holder, when: dt.datetime, number: int) -> str:
        return f"{letter}{holder.ispb}{when:%Y%m%d%H%M}{self._suffix(number)}"

    def _suffix(self, number: int) -> str:
        digits, rest = "", number
        for _ in range(_WIDTH):
            rest, digit = divmod(rest, 36)
            digits = _DIGITS[digit] + digits
        return digits + self._check(number)

    def _checked(self, digits: str, check: str) -> int | None:
        number = int(digits, 36)
        return number if self._check(number) == check else None

    def _check(self, number: int) -> str:
        return f"{self._hash(number):016x}"[-5:]

    def _hash(self, number: int) -> int:
        text = f"{self._seed}/{number}".encode()
        return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest())


def _fact(source: str, transfer: Transfer, category: Category, status: Status) -> NumberedFact:
    """What a row about this transfer must hold, by the rules of its source."""
    api = source in {WEBHOOK, BANK_API}
    payer, payee = transfer.payer, transfer.payee
    # API Pix names the key that was paid, of an account that is ours, and nobody else.
    gives = Side() if api else Side(payer.ispb, payer.document)
    gets = Side(payee.ispb, None if api else payee.document, transfer.key)
    if category == E:
        (returned,) = transfer.returns
        # API Pix tells when a return was settled; a log's line says when it was written about.
        when = returned.settled if api else returned.requested
        return NumberedFact(category, status, returned.rtr_id, returned.centavos, when, gets, gives)
    when = transfer.after(2) if api else transfer.when
    return NumberedFact(category, status, transfer.e2e, transfer.centavos, when, gives, gets)
