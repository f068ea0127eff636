"""The Delta tables of a trace: which rows there are, since which version, and in which file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from deltalake.exceptions import DeltaError

from pixstream.lake import failures, files, opening
from pixstream.lake.log import commits
from pixstream.lake.lookup import lookup
from pixstream.lake.table import ties
from pixstream.trace.facts import COLUMNS, Row, from_row
from pixstream.trace.question import Place

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection, Iterator, Mapping

    from deltalake import DeltaTable

    from pixstream.event.categories import Category
    from pixstream.lake.files import DataFile
    from pixstream.lake.location import Location
    from pixstream.lake.lookup import FoundRow
    from pixstream.trace.facts import Fact
    from pixstream.trace.question import Window

MOST_ROWS = 500
"""The most rows of one table that a trace takes, the newest: one payment has a handful."""


class TableRow(NamedTuple):
    """A row, where its record is in Kafka, and what it says."""

    place: Place
    sent: dt.datetime | None
    fact: Fact
    row: Row


class Table:
    """One table, opened when it is first asked.

    Args:
        name: its name in queries.
        consumer: the component that writes it.
        category: of its events.
        location: where it is; it need not exist.
    """

    def __init__(self, name: str, consumer: str, category: Category, location: Location) -> None:
        self.name = name
        self.consumer = consumer
        self.category = category
        self._location = location
        self._handle: DeltaTable | None = None
        self._files: list[DataFile] | None = None

    @property
    def version(self) -> int | None:
        """The version that is searched; None where there is no table.

        Raises:
            DestinationError: the table cannot be read.
            Transient: the object store does not answer.
        """
        if self._files is None:
            try:
                self._handle = opening.find(self._location)
                self._files = [*files.live(self._handle).values()] if self._handle else []
            except (OSError, DeltaError) as error:
                raise failures.explain(error, f"{self._location}: cannot read it") from None
        return self._handle.version() if self._handle is not None else None

    def rows(
        self, wanted: Mapping[str, Collection[Any]], window: Window | None
    ) -> Iterator[TableRow]:
        """Yield the rows in which a column has a wanted value, in the days of the window.

        Raises:
            DestinationError: the table cannot be read.
            Transient: the object store does not answer.
        """
        for found in self.raw(wanted, window, COLUMNS)[-MOST_ROWS:]:
            yield self._row(found)

    def raw(
        self,
        wanted: Mapping[str, Collection[Any]],
        window: Window | None,
        columns: list[str],
    ) -> list[FoundRow]:
        """Return these columns of the rows, the oldest days first; see `rows`."""
        if self.version is None:
            return []
        some = [f for f in self._files or () if window is None or window.holds(f.date)]
        return lookup(self._location, sorted(some, key=lambda f: f.date), wanted, columns)

    def next_offset(self, topic: str, topic_id: str, partition: int) -> int | None:
        """Return the next offset that the table expects; 0 if it has taken nothing yet.

        None: the table is fed from another topic of that name, which was recreated since or is in
        another cluster.
        """
        if self.version is None or self._handle is None:
            return 0
        known = [tie for tie in ties(self._handle, topic) if tie.consumer == self.consumer]
        for tie in known:
            if tie.topic_id == topic_id:
                return self._handle.transaction_version(tie.app_id(partition)) or 0
        return None if known else 0

    def _row(self, found: FoundRow) -> TableRow:
        values = found.values
        place = Place(values["_topic"], values["_partition"], values["_offset"])
        decoded = values["_ingested_at"]
        commit = self._commit(place, decoded)
        row = Row(
            table=self.name,
            consumer=self.consumer,
            file=found.file.path,
            revision=values["revision"],
            decoded=decoded,
            version=None if commit is None else commit.version,
            visible=None if commit is None else commit.time,
        )
        return TableRow(place, values["_kafka_timestamp"], from_row(values), row)

    def _commit(self, place: Place, decoded: dt.datetime) -> commits.Commit | None:
        """Return the commit that first had the row, as far as the log still tells."""
        newest = self.version
        if newest is None or self._handle is None:
            return None
        for tie in ties(self._handle, place.topic):
            app = tie.app_id(place.partition)
            commit = commits.commit_of(self._location, newest, decoded, app, place.offset)
            if commit is not None:
                return commit
        return None
