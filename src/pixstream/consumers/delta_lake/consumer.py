"""Kafka → Delta Lake: one table per category, each event once, durable when `write` returns.

Rows and their end offsets are in the same Delta commit, so the table itself stores where to resume.
After a crash at any moment, reading resumes there. On local disks, rows are synced to disk before
the commit that names them, and the commit before `write` returns. A power cut may lose commits for
which `write` has not returned yet: Kafka still has their rows and delivers them again.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated, Literal

import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Meta

from pixstream.columns.shapes import beyond
from pixstream.errors import DestinationError
from pixstream.event.categories import Category
from pixstream.kafka.names import EVENT_TOPICS
from pixstream.lake import append, opening
from pixstream.lake.append import TableAppender
from pixstream.lake.location import Location
from pixstream.lake.log import durability
from pixstream.lake.table import LakeTable, application_prefix
from pixstream.plugins.consumer import Consumer, Reject
from pixstream.secret_setting import secret
from pixstream.wording import counted

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from pixstream.columns.batch import EventBatch
    from pixstream.kafka.ports import TopicIdPartition

_TABLES = frozenset(category.plural for category in Category)


@dataclasses.dataclass(kw_only=True)
class DeltaLake(Consumer):
    """One Delta table for each category of events, partitioned by UTC event date."""

    metrics = append.METRICS

    uri: Annotated[str, Meta(description="directory or object store prefix of the tables")] = (
        "data/lake"
    )
    storage_options: Annotated[
        dict[str, str],
        secret("settings of the object store (AWS_REGION, …); write secrets as ${VAR}"),
    ] = dataclasses.field(default_factory=dict)
    compression: Annotated[
        Literal["zstd", "snappy"], Meta(description="codec of the data files")
    ] = "zstd"
    known_ids: Annotated[
        Annotated[int, Meta(ge=0)],
        Meta(
            description="event ids in memory per table, about 110 bytes each; ids of older dates "
            "are looked up in the table"
        ),
    ] = 1_000_000
    maintain_every: Annotated[
        Annotated[int, Meta(ge=0)],
        Meta(
            description="commits between two maintenance runs (merging small files, checkpoint, "
            "sweep); 0: other software maintains the tables"
        ),
    ] = 50
    fsync: Annotated[
        bool, Meta(description="sync to the local disk before offsets are committed to Kafka")
    ] = True

    def __post_init__(self) -> None:
        """Start with no table open."""
        super().__post_init__()
        self._tables: dict[str, LakeTable] = {}
        self._feeds: dict[str, TableAppender] = {}

    @property
    def tables(self) -> Mapping[str, Location]:
        """Where the table of each category is, whether it exists or not."""
        return {category: self._location(category) for category in self.categories}

    def check(self) -> str:
        """Open the existing tables and test that each location is writable; create no table."""
        found = []
        for category in self.categories:
            location = self._location(category)
            if opening.is_there(location):
                files = self._table(category).live().values()
                rows = counted(sum(f.rows or 0 for f in files), "row")
                found.append(f"{category}: {rows}")
            else:
                found.append(f"{category}: no table yet")
            opening.try_to_write(location)
        return ", ".join(found)

    def offsets(
        self, partitions: Collection[TopicIdPartition], cluster_id: str
    ) -> Mapping[TopicIdPartition, int]:
        """Return the next offset that its table stores for each partition; absent if it has none.

        A table that does not exist yet is not created, but access to its location is tested.

        Raises:
            TopicChangedError: a table was fed from another incarnation of its topic.
            ClusterChangedError: a table was fed from another cluster.
            DestinationError: a table cannot be opened or created, or has another schema.
        """
        known: dict[TopicIdPartition, int] = {}
        there = {p.topic for p in partitions if self._is_there(p.topic)}
        for topic in there:
            self._table(topic).refresh()
        for partition in partitions:
            if partition.topic in there:
                table = self._table(partition.topic)
                table.check_tie(self._fed_from(partition, cluster_id), partition.topic_id)
                offset = table.offset(f"{self._app(partition, cluster_id)}{partition.partition}")
                if offset is not None:
                    known[partition] = offset
        return known

    def columns(self) -> Mapping[str, pa.DataType]:
        """Return the tables' columns beyond an event; null type where two tables disagree."""
        found: dict[str, pa.DataType] = {}
        for topic in filter(self._is_there, self.categories):
            table = self._table(topic)
            table.refresh()
            for path, kind in beyond(table.schema).items():
                found[path] = kind if found.get(path, kind).equals(kind) else pa.null()
        return found

    def versions(self) -> Mapping[str, int]:
        """Return the versions of the tables that this process has written to."""
        return {
            topic: self._tables[category].version
            for category, topic in EVENT_TOPICS.items()
            if category in self._feeds
        }

    def set_offsets(self, offsets: Mapping[TopicIdPartition, int], cluster_id: str) -> None:
        """Store these offsets in each topic's table, in one commit per table."""
        for topic in {partition.topic for partition in offsets}:
            mine = {p: offset for p, offset in offsets.items() if p.topic == topic}
            some = next(iter(mine))
            self._table(topic).decide(
                {f"{self._app(p, cluster_id)}{p.partition}": at for p, at in mine.items()},
                self._fed_from(some, cluster_id),
                some.topic_id,
            )

    def write(self, batch: EventBatch, reject: Reject) -> None:
        """Append each topic's new rows and the new offsets to its table, exactly once."""
        del reject  # every decoded row has the columns of the tables
        by_topic: dict[str, dict[TopicIdPartition, int]] = {}
        for partition, offset in batch.next_offsets.items():
            by_topic.setdefault(partition.topic, {})[partition] = offset
        for topic, next_offsets in by_topic.items():
            some = next(iter(next_offsets))
            self._tie(some, batch.cluster_id)
            rows = batch.table
            if len(by_topic) > 1:
                rows = rows.filter(pc.equal(rows["_topic"], topic))
            self._feed(topic).write(
                rows,
                self._app(some, batch.cluster_id),
                {partition.partition: offset for partition, offset in next_offsets.items()},
                {p.partition: at for p, at in batch.begins.items() if p.topic == topic},
            )

    def _tie(self, partition: TopicIdPartition, cluster_id: str) -> None:
        """Tie the table to the incarnation of the topic that feeds it."""
        fed_from = self._fed_from(partition, cluster_id)
        self._table(partition.topic).remember(fed_from, partition.topic_id)

    def _fed_from(self, partition: TopicIdPartition, cluster_id: str) -> str:
        """Return the key under which a table stores the id of its topic."""
        return f"{cluster_id}/{self.name}/{partition.topic}"

    def _app(self, partition: TopicIdPartition, cluster_id: str) -> str:
        """Return the prefix of the application ids of a topic's partitions in its table."""
        return application_prefix(cluster_id, self.name, partition.topic_id)

    def _is_there(self, topic: str) -> bool:
        """Whether a table exists, even with a log torn by a power cut: opening it repairs that."""
        location = self._location(self._table_name(topic))
        if location.directory is not None and (location.directory / durability.LOG).is_dir():
            return True
        return opening.is_there(location)

    def _location(self, name: str) -> Location:
        return Location(self.uri, name, options=self.storage_options, fsync=self.fsync)

    def _table(self, topic: str) -> LakeTable:
        """Return the table of a topic, opened or created."""
        name = self._table_name(topic)
        if name not in self._tables:
            self._tables[name] = LakeTable(self._location(name))
        return self._tables[name]

    def _table_name(self, topic: str) -> str:
        """Return the last part of the topic's name."""
        name = topic.rsplit(".", 1)[-1]
        if name not in _TABLES:
            raise DestinationError(f"topic {topic}: not a topic of events, so it has no table")
        return name

    def _feed(self, topic: str) -> TableAppender:
        table = self._table(topic)
        name = table.location.name
        if name not in self._feeds:
            self._feeds[name] = TableAppender(
                table,
                self.counts,
                codec=self.compression,
                known_ids=self.known_ids,
                maintain_every=self.maintain_every,
            )
        return self._feeds[name]
