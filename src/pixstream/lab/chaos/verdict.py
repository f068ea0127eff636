"""The verdict after a storm: every acknowledged fact once, nothing unknown, nothing altered.

Tables and dead letters are read like by any other reader, and compared with what the oracle
computes; the pipeline's counters are not used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from pixstream import dead_letters
from pixstream.event.categories import Category
from pixstream.kafka.names import DLQ
from pixstream.lab.chaos.oracle import Marks, Side
from pixstream.lab.chaos.site import PROCESSOR
from pixstream.lab.chaos.tally import Tallied
from pixstream.lab.demo import tables

if TYPE_CHECKING:
    from pathlib import Path

    from pixstream.kafka.ports import Client
    from pixstream.lab.chaos.oracle import NumberedFact, Oracle
    from pixstream.privacy import Pseudonymiser, Vault

_COLUMNS = (
    *("event_id", "category", "end_to_end_id", "return_id", "amount_centavos", "event_time"),
    *("status", "source", "revision", "direction", "payer", "payee"),
)
_NAMING = (
    *("event_id", "end_to_end_id", "return_id", "source", "revision", "letter-id"),
    *("number", "reason", "stage", "stream", "position", "origin-topic", "origin-offset"),
)
"""Fields that identify a row or letter without personal data."""

_ROWS = 20_000


class Verdict(msgspec.Struct, kw_only=True):
    """The last line of a run, as JSON.

    Attributes:
        offered: facts and malformed pieces handed to their sources.
        acknowledged: facts and malformed pieces that must have arrived.
        kills: number of SIGKILLs by kind of process.
        faults: number of all other faults by name.
        lost: acknowledged ones that are missing, and records that the processor omitted.
        duplicates: second rows of a fact, second letters of a malformed piece, second outputs.
        unknown: rows and letters that the oracle never made, outputs of records that do not exist.
        altered: rows whose payload differs from the delivered one.
    """

    offered: int
    acknowledged: int
    kills: dict[str, int]
    faults: dict[str, int]
    lost: int
    duplicates: int
    unknown: int
    altered: int

    @property
    def ok(self) -> bool:
        """Whether the counts that must be zero are zero."""
        return not (self.lost or self.duplicates or self.unknown or self.altered)


class Auditor:
    """A comparison of tables and dead letters with the oracle.

    Args:
        oracle: the delivered documents.
        lake: directory of the tables.
        client: Kafka client, for the dead letters.
        pseudonym: computes the pseudonyms that documents and keys must have become.
        vault: decrypts the letters.
        letters: directory of large letters.

    Attributes:
        examples: up to ten examples of errors, for people; without personal data.
    """

    def __init__(
        self,
        oracle: Oracle,
        *,
        lake: Path,
        client: Client,
        pseudonym: Pseudonymiser,
        vault: Vault,
        letters: Path,
    ) -> None:
        self._oracle = oracle
        self._lake = lake
        self._client = client
        self._pseudonym = pseudonym
        self._vault = vault
        self._letters = letters
        self._pseudonyms: dict[tuple[str, str], str] = {}
        self._found = Marks()
        self._poison_found = Marks()
        self._duplicates = self._unknown = self._altered = 0
        self.examples: list[str] = []

    def audit(self, kills: dict[str, int], faults: dict[str, int]) -> Verdict:
        """Read tables and letters, and return the verdict."""
        for category in Category:
            self._table(category)
        self._read_letters()
        processed = Tallied(self._client, PROCESSOR)
        for what in ("lost", "duplicates", "unknown"):
            if count := getattr(processed, what):
                self._note(what, {"source": PROCESSOR, "number": count})
        oracle = self._oracle
        for number in oracle.acknowledged.missing_numbers(self._found):
            self._note("lost", {"source": oracle.told(number).source, "number": number})
        return Verdict(
            offered=oracle.offered.count() + oracle.poison_offered.count(),
            acknowledged=oracle.acknowledged.count() + oracle.poison_acknowledged.count(),
            kills=kills,
            faults=faults,
            lost=oracle.acknowledged.missing_in(self._found)
            + oracle.poison_acknowledged.missing_in(self._poison_found)
            + processed.lost,
            duplicates=self._duplicates + processed.duplicates,
            unknown=self._unknown + processed.unknown,
            altered=self._altered,
        )

    def _table(self, category: Category) -> None:
        table = tables.read(self._lake / category.plural, _COLUMNS)
        if table is None:
            return
        for batch in table.to_batches(max_chunksize=_ROWS):
            for row in batch.to_pylist():
                self._row(row, category)

    def _row(self, row: dict[str, Any], category: Category) -> None:
        identifier = row["return_id"] or row["end_to_end_id"]
        fact = self._fact(identifier)
        number = self._oracle.number(identifier)
        if fact is None or number is None or fact.event_id != row["event_id"]:
            self._unknown += 1
            self._note("unknown", row)
            return
        if self._found[number] & fact.bit:
            self._duplicates += 1
            self._note("double", row)
        self._found.add(number, fact.bit)
        if not self._same(row, fact, self._oracle.told(number).source, category):
            self._altered += 1
            self._note("altered", row)

    def _fact(self, identifier: str) -> NumberedFact | None:
        """Return the fact that a row claims to be, if it was ever offered."""
        number = self._oracle.number(identifier)
        if number is None:
            return None
        for fact in self._oracle.told(number).facts:
            if fact.identifier == identifier and self._oracle.offered[number] & fact.bit:
                return fact
        return None

    def _same(
        self, row: dict[str, Any], fact: NumberedFact, source: str, category: Category
    ) -> bool:
        expected: dict[str, Any] = {
            "category": fact.category.value,
            "amount_centavos": fact.centavos,
            "event_time": fact.event_time,
            "status": fact.status.value,
            "source": source,
            "direction": fact.direction.value,
        }
        same = all(row[name] == value for name, value in expected.items())
        sides = ((row["payer"], fact.payer), (row["payee"], fact.payee))
        parties = all(_side(party) == self._hidden(side) for party, side in sides)
        return same and parties and row["category"] == category.value

    def _hidden(self, side: Side) -> Side:
        """Return a side with pseudonyms, as in a row; a key of digits only is a CPF or CNPJ."""
        kind = "document" if (side.key or "").isdigit() else "key"
        return Side(side.ispb, self._as("document", side.document), self._as(kind, side.key))

    def _as(self, kind: str, text: str | None) -> str | None:
        if text is None:
            return None
        if (kind, text) not in self._pseudonyms:
            self._pseudonyms[kind, text] = self._pseudonym(kind, text)
        return self._pseudonyms[kind, text]

    def _read_letters(self) -> None:
        for letter in dead_letters.views(self._client.scan(DLQ)):
            if letter.component == PROCESSOR:
                continue  # these are letters of the same records; see `Tallied`
            content = dead_letters.content(letter, self._vault, self._letters)
            numbers = self._oracle.poisons(content)
            offered = [n for n in numbers if self._oracle.poison_offered[n]]
            if not offered:
                self._unknown += 1
                self._note("unknown letter", letter.headers)
            for number in offered:
                if self._poison_found[number]:
                    self._duplicates += 1
                    self._note("double letter", letter.headers)
                self._poison_found.add(number, 1)

    def _note(self, what: str, where: dict[str, Any]) -> None:
        """Keep a few examples with their identifying fields, which are synthetic; no payload."""
        if len(self.examples) < 10:  # noqa: PLR2004  enough to begin with
            fields = ", ".join(f"{name} {where[name]}" for name in _NAMING if where.get(name))
            self.examples.append(f"{what}: {fields}")


def _side(party: dict[str, Any]) -> Side:
    return Side(party["ispb"], party["document"], party["key"])
