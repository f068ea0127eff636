"""The reconciliation of input and output: nothing lost, nothing duplicated, no clear personal data.

The simulator provides the ledger of offered facts. What arrived is read from Kafka and from the
Delta tables themselves, never from the pipeline's own counters. Only `deduplicated` is a counter,
and it must match two figures that are not.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec
import pyarrow.compute as pc

from pixstream import dead_letters
from pixstream.event import routing
from pixstream.event.categories import Category
from pixstream.kafka.names import DLQ, EVENT_TOPICS, POSITIONS
from pixstream.lab.demo import tables
from pixstream.lab.demo.monitored import Monitored

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import pyarrow as pa

    from pixstream.event.model import Status
    from pixstream.kafka.ports import Client, Record
    from pixstream.lab.demo.privacy_scan import PrivacyScan
    from pixstream.privacy import Vault


_ORIGIN = ("origin-topic-id", "origin-partition", "origin-offset")

SCANNED_TOGETHER = 1000
"""Values that are searched for identifiers together."""


class Ledger:
    """The offered facts.

    Attributes:
        facts: event id → category, for every distinct fact.
        malformed: SHA-256 of every malformed input, byte for byte.
    """

    def __init__(self) -> None:
        self.facts: dict[str, str] = {}
        self.malformed: set[str] = set()

    def fact(self, category: Category, identifier: str, status: Status) -> None:
        """Record an offered fact."""
        self.facts[routing.event_id(category, identifier, status)] = category.plural

    @property
    def offered(self) -> int:
        """Number of distinct facts, including malformed ones."""
        return len(self.facts) + len(self.malformed)


class Outcome(msgspec.Struct, kw_only=True):
    """The last line of the demo, as JSON; `tables` and `problems` are for people."""

    offered: int
    kafka: int
    delta: int
    deduplicated: int
    dead_letters: int
    lost: int
    duplicates: int
    clear_identifiers: int
    seconds: float
    spark_equal: bool | msgspec.UnsetType = msgspec.UNSET
    monitoring: Monitored | msgspec.UnsetType = msgspec.UNSET

    @property
    def ok(self) -> bool:
        """Whether what must be zero is zero, Spark's tables are equal, and monitoring saw all."""
        counts = self.lost or self.duplicates or self.clear_identifiers
        seen = self.monitoring is msgspec.UNSET or self.monitoring.ok
        return not counts and self.spark_equal is not False and seen


class TableCount(msgspec.Struct, kw_only=True):
    """One row of the reconciliation table."""

    category: str
    offered: int
    kafka: int
    rows: int
    facts: int
    revisions: int
    lost: int
    unknown: int
    duplicates: int


class Reconciliation:
    """A comparison that reads everything again.

    Args:
        ledger: the offered facts.
        client: Kafka client.
        lake: directory of the Delta tables.
        vault: decrypts the dead letters.
        letters_directory: directory of large letters.
        scan: searches everything that is read for clear identifiers.

    Attributes:
        consumer_letters: number of dead letters of the Delta consumer.
        refused: reason and origin of every consumer's letters, by its name.
    """

    def __init__(
        self,
        ledger: Ledger,
        client: Client,
        lake: Path,
        vault: Vault,
        letters_directory: Path,
        scan: PrivacyScan,
    ) -> None:
        self._ledger = ledger
        self._client = client
        self._lake = lake
        self._vault = vault
        self._letters = letters_directory
        self._scan = scan
        self.tables: list[TableCount] = []
        self.consumer_letters = 0
        self.refused: dict[str, set[tuple[str, ...]]] = {}
        self.producer_letters = 0
        self.malformed_lost = 0

    def run(self, deduplicated: int, logs: Iterable[Path], seconds: float) -> Outcome:
        """Compare everything.

        Args:
            deduplicated: rows that the consumer dropped, by its own counter.
            logs: log files of the components.
            seconds: duration of the run.
        """
        letters = self._read_letters()
        for category in Category:
            self.tables.append(self._category(category))
        for record in self._client.scan(POSITIONS):
            self._scan.raw(f"topic {POSITIONS}", record.value)
        for log in logs:
            with log.open(encoding="utf-8", errors="backslashreplace") as lines:
                for line in lines:
                    self._scan.text(f"log {log.name}", line)
        return Outcome(
            offered=self._ledger.offered,
            kafka=sum(t.kafka for t in self.tables),
            delta=sum(t.rows for t in self.tables),
            deduplicated=deduplicated,
            dead_letters=letters,
            lost=sum(t.lost for t in self.tables) + self.malformed_lost,
            duplicates=sum(t.duplicates for t in self.tables),
            clear_identifiers=self._scan.found,
            seconds=round(seconds, 1),
        )

    def problems(self, outcome: Outcome) -> list[str]:
        """Return the sums that do not match; empty if all do."""
        found = []
        accounted = outcome.delta + outcome.deduplicated + self.consumer_letters
        if outcome.kafka != accounted:
            found.append(
                f"kafka {outcome.kafka:,} is not delta + deduplicated + consumers' letters "
                f"{accounted:,}"
            )
        unknown = sum(t.unknown for t in self.tables)
        if unknown:
            found.append(f"{unknown:,} events in Delta that were never offered")
        found.extend(
            f"{count:,} clear identifiers in {place}" for place, count in self._scan.places.items()
        )
        return found

    def _read_letters(self) -> int:
        """Check that every malformed input is in a dead letter, byte for byte; count letters."""
        missing = set(self._ledger.malformed)
        count = 0
        for letter in dead_letters.views(self._scanned(DLQ)):
            count += 1
            for name, text in letter.headers.items():
                self._scan.text(f"dead letters, header {name}", text)
            raw = dead_letters.content(letter, self._vault, self._letters)
            missing.discard(hashlib.sha256(raw).hexdigest())
            consumer = letter.headers.get("consumer")
            if consumer is None:
                self.producer_letters += 1
                continue
            self.consumer_letters += consumer == "delta_lake"
            why = [letter.headers[name] for name in ("reason", *_ORIGIN)]
            self.refused.setdefault(consumer, set()).add(tuple(why))
        self.malformed_lost = len(missing)
        return count

    def _scanned(self, topic: str) -> Iterable[Record]:
        waiting: list[bytes] = []
        for record in self._client.scan(topic):
            waiting += [record.key or b"", record.value or b""]
            if len(waiting) >= SCANNED_TOGETHER:
                self._scan.raw(f"topic {topic}", b"\n".join(waiting))
                waiting.clear()
            yield record
        self._scan.raw(f"topic {topic}", b"\n".join(waiting))

    def _category(self, category: Category) -> TableCount:
        kafka = sum(1 for _ in self._scanned(EVENT_TOPICS[category.plural]))
        offered = {i for i, c in self._ledger.facts.items() if c == category.plural}
        path = self._lake / category.plural
        ids: list[str] = []
        revisions = 0
        table = tables.read(path)
        if table is not None:
            self._scan_table(f"table {category.plural}", table)
            ids = table["event_id"].filter(pc.equal(table["revision"], 0)).to_pylist()
            revisions = table.num_rows - len(ids)
        facts = set(ids)
        return TableCount(
            category=category.plural,
            offered=len(offered),
            kafka=kafka,
            rows=len(ids) + revisions,
            facts=len(facts),
            revisions=revisions,
            lost=len(offered - facts),
            unknown=len(facts - offered),
            duplicates=len(ids) - len(facts),
        )

    def _scan_table(self, place: str, table: pa.Table) -> None:
        """Scan every value of every column, including those in structs, lists and maps."""
        for name in table.column_names:
            column = table[name]
            values = pc.unique(column) if _plain(column.type) else column
            for start in range(0, len(values), SCANNED_TOGETHER):
                part = values.slice(start, SCANNED_TOGETHER).to_pylist()
                text = "\n".join(f'"{value}"' for value in part)
                self._scan.text(f"{place}, column {name}", text)


def _plain(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_primitive(kind))
