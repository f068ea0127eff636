"""Numbered documents whose whole content follows from their number, and the expected result.

The identifiers contain the number. A row of a table thereby shows which document it claims to come
from, and the oracle recomputes the content that the row must have. One byte per number records what
was offered, acknowledged and found. A million facts need a few megabytes, and nothing else is
stored.
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
    """A kind of document: its source, and the category and status of each fact in it."""

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
"""One in this many documents comes from a source whose clock has jumped."""

SKEWS = (dt.timedelta(days=365 * 30), dt.timedelta(days=-365 * 5), dt.timedelta(hours=2))

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_WIDTH = 6
"""Characters of a number in base 36: two billion documents."""

_SUFFIX = re.compile(r"([ED])[0-9A-Z]{8}\d{12}([0-9a-z]{6})([0-9a-f]{5})", re.ASCII)
_POISON = re.compile(rb"poison-([0-9a-z]{6})([0-9a-f]{5})")


class Side(NamedTuple):
    """The expected fields of a party in a row, in clear; None: its source does not report it."""

    ispb: str | None = None
    document: str | None = None
    key: str | None = None


class NumberedFact(NamedTuple):
    """The expected content of a row.

    Attributes:
        event_time: timezone-aware, in whole milliseconds.
        payer: the party that pays in this fact; a return swaps payer and payee.
        payee: the party that is paid in this fact.
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
        """Direction of the money: one side is ours, and all returned Pix were received ones."""
        return Direction.IN if self.category == R else Direction.OUT

    @property
    def event_id(self) -> str:
        """The `event_id` that its row must have."""
        return routing.event_id(self.category, self.identifier, self.status)

    @property
    def bit(self) -> int:
        """1 for a fact with an EndToEndId, 2 for one with an RtrId."""
        return 1 if self.identifier[0] == "E" else 2


class NumberedDocument(NamedTuple):
    """One document: its number, source and transfer, and the facts in it."""

    number: int
    source: str
    transfer: Transfer
    facts: tuple[NumberedFact, ...]

    @property
    def bits(self) -> int:
        """The bits of all its facts."""
        return sum(fact.bit for fact in self.facts)


class Marks:
    """One byte per number: which facts of a document were offered, acknowledged or found."""

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
        """Return the number of marked facts."""
        return sum(self._bytes.count(bits) * bits.bit_count() for bits in (1, 2, 3))

    def missing_in(self, other: Marks) -> int:
        """Return the number of facts that are marked here but not in `other`."""
        return sum((bits & ~other[n]).bit_count() for n, bits in enumerate(self._bytes) if bits)

    def missing_numbers(self, other: Marks) -> Iterator[int]:
        """Return the numbers of documents with facts marked here but not in `other`."""
        return (n for n, bits in enumerate(self._bytes) if bits & ~other[n])


class Oracle:
    """A generator of documents that records what happens to them.

    Args:
        seed: the same seed and start produce the same documents.
        start: time of the first one, timezone-aware; each next one is a millisecond later.

    Attributes:
        offered: facts handed to their sources.
        acknowledged: facts that were acknowledged, or that their source stores durably; they must
            arrive.
        poison_offered: malformed pieces handed to their sources, which must become dead letters.
        poison_acknowledged: malformed pieces that were acknowledged, or are stored durably.
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
        """Yield documents with exactly that many facts in total, by their numbers."""
        number = first
        while facts > 0:
            document = self.told(number)
            number += 1
            if len(document.facts) <= facts:
                facts -= len(document.facts)
                yield document

    def told(self, number: int) -> NumberedDocument:
        """Return the document of a number."""
        kind = self._kind(number)
        transfer = self._transfer(number, kind)
        facts = tuple(_fact(kind.source, transfer, *step) for step in kind.facts)
        return NumberedDocument(number, kind.source, transfer, facts)

    def number(self, identifier: str | None) -> int | None:
        """Return the number in an identifier; None if the oracle did not make it."""
        match = _SUFFIX.fullmatch(identifier or "")
        return None if match is None else self._checked(match[2], match[3])

    def poison(self, number: int) -> str:
        """Return the marker in a malformed piece."""
        return f"poison-{self._suffix(number)}"

    def poisons(self, content: bytes) -> set[int]:
        """Return the numbers of the malformed pieces in these bytes."""
        found = (self._checked(m[1].decode(), m[2].decode()) for m in _POISON.finditer(content))
        return {number for number in found if number is not None}

    def clear_identifiers(self) -> set[str]:
        """Return every clear text of a person that the documents may contain."""
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
    """Return the expected content of a row about this transfer, by the rules of its source."""
    api = source in {WEBHOOK, BANK_API}
    payer, payee = transfer.payer, transfer.payee
    # API Pix contains only the paid key, of an account that is ours, and no other party.
    gives = Side() if api else Side(payer.ispb, payer.document)
    gets = Side(payee.ispb, None if api else payee.document, transfer.key)
    if category == E:
        (returned,) = transfer.returns
        # API Pix has the time of the settlement; a log line has the time of its step.
        when = returned.settled if api else returned.requested
        return NumberedFact(category, status, returned.rtr_id, returned.centavos, when, gets, gives)
    when = transfer.after(2) if api else transfer.when
    return NumberedFact(category, status, transfer.e2e, transfer.centavos, when, gives, gets)
