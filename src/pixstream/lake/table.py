"""One Delta table as this process sees it: opened or created, checked, committed to exactly once.

Every commit is based on the current snapshot (deltalake does not rebase it): if another writer was
faster, the commit fails and the caller plans again on the new snapshot. Only the table itself knows
which offsets it contains, in its application transactions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, Transaction
from deltalake.exceptions import DeltaError

from pixstream.columns.schema import PARTITION_COLUMN
from pixstream.errors import ClusterChangedError, DestinationError, TopicChangedError
from pixstream.lake import failures, files, opening
from pixstream.lake.log import durability, entries

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from deltalake.transaction import AddAction, RemoveAction

    from pixstream.lake.files import DataFile
    from pixstream.lake.location import Location

TOPIC_ID = "pixstream.topic_id/"
"""Prefix of the table properties that record which incarnation of a topic feeds the table."""

NO_HOOKS = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)
"""For every commit: no deltalake hooks, because `LakeTable.checkpoint` does it in a safe order."""


def application_prefix(cluster_id: str, consumer: str, topic_id: str) -> str:
    """Return what the application ids of a topic's partitions begin with in a consumer's table."""
    return f"pixstream/{cluster_id}/{consumer}/{topic_id}/"


class Tie(NamedTuple):
    """Which incarnation of a topic a consumer feeds a table from."""

    cluster_id: str
    consumer: str
    topic_id: str

    def app_id(self, partition: int) -> str:
        """Return the application id under which the table has a partition's next offset."""
        return f"{application_prefix(*self)}{partition}"


def ties(handle: DeltaTable, topic: str) -> list[Tie]:
    """Return all ties of a table to topics of this name."""
    found = [
        (key.removeprefix(TOPIC_ID).split("/", 2), topic_id)
        for key, topic_id in handle.metadata().configuration.items()
        if key.startswith(TOPIC_ID)
    ]
    return [Tie(path[0], path[1], topic_id) for path, topic_id in found if path[2:] == [topic]]


class LakeTable:
    """An open table.

    Args:
        location: of the table, which is created if it does not exist.

    Raises:
        DestinationError: permission denied, or the existing table has another schema.
        Transient: the object store does not answer.
    """

    def __init__(self, location: Location) -> None:
        self.location = location
        self._disk = location.directory if location.fsync else None
        self._offsets: dict[str, int | None] = {}
        self._own = -1
        try:
            self.handle = opening.open_or_create(location)
            if self._disk is not None:
                durability.sync_log(self._disk)
        except (OSError, DeltaError) as error:
            raise failures.explain(error, f"{location}: cannot open") from None
        self._synced = self.version

    @property
    def version(self) -> int:
        """Version of the current snapshot."""
        return self.handle.version()

    @property
    def schema(self) -> pa.Schema:
        """Columns of the current snapshot."""
        return pa.schema(self.handle.schema().to_arrow())

    def refresh(self) -> int:
        """Load the newest snapshot; return its version.

        Raises:
            Transient: no answer from the object store.
            DestinationError: the table is gone, or must not be read.
        """
        before = self.version
        try:
            self.handle.update_incremental()
        except (OSError, DeltaError) as error:
            raise failures.explain(error, f"{self.location}: cannot read its log") from None
        if self.location.directory is not None and not durability.holds(
            self.location.directory, self.version
        ):
            raise DestinationError(
                f"{self.location}: its log is gone; this process stops with nothing committed: "
                "mount the disk, or restore the table"
            )
        if self.version not in {before, self._own}:
            self._offsets.clear()
        return self.version

    def offset(self, app_id: str) -> int | None:
        """Return a partition's next offset in the current snapshot; None if it has none."""
        if app_id not in self._offsets:
            self._offsets[app_id] = self.handle.transaction_version(app_id)
        return self._offsets[app_id]

    def live(self) -> dict[str, DataFile]:
        """Return the data files of the current snapshot, by path."""
        return files.live(self.handle)

    def commit(
        self, actions: Sequence[AddAction | RemoveAction], offsets: Mapping[str, int] | None = None
    ) -> None:
        """Add and remove files and advance offsets in one commit, on the current snapshot only.

        After an error, `refresh` and `offset` show whether it happened. Call `sync` before you
        confirm the commit to anyone.
        """
        transactions = [Transaction(app_id, offset) for app_id, offset in (offsets or {}).items()]
        self.handle.create_write_transaction(
            list(actions),
            "append",
            self.schema,
            partition_by=[PARTITION_COLUMN],
            commit_properties=CommitProperties(
                custom_metadata=self.about(len(actions) + len(transactions)),
                app_transactions=transactions,
                max_commit_retries=0,
            ),
            post_commithook_properties=NO_HOOKS,
        )
        self._own = self.version + 1
        self._offsets.update(offsets or {})

    def about(self, actions: int) -> dict[str, int]:
        """Return the custom metadata of a commit with this number of actions, made now."""
        return entries.about(actions, self._synced if self._disk is not None else None)

    def sync(self) -> None:
        """Sync the log to disk up to the current snapshot.

        Raises:
            DestinationError: the disk failed.
            OSError: the log is gone.
        """
        if self._disk is not None:
            durability.sync_log(self._disk, range(self._synced + 1, self.version + 1))
        self._synced = self.version

    def checkpoint(self) -> None:
        """Write a checkpoint, delete expired log entries, and reload the table from it."""
        self.sync()
        self.handle.create_checkpoint()
        if self._disk is not None:
            durability.sync_checkpoint(self._disk, self.version)
        self.handle.cleanup_metadata()
        self.handle = DeltaTable(self.location.uri, storage_options=self.location.options)
        self._offsets.clear()

    def remember(self, topic: str, topic_id: str) -> None:
        """Tie the table to this incarnation of a topic, unless it is tied to another.

        Args:
            topic: the key to store it under: CLUSTER/CONSUMER/TOPIC.
            topic_id: Kafka's id of the topic.

        Raises:
            TopicChangedError: the table was fed from a topic that is gone.
            ClusterChangedError: the table was fed from another cluster.
        """
        self.check_tie(topic, topic_id)
        if self._known(topic) is not None:
            return
        try:
            self._remember(topic, topic_id, {})
        except (OSError, DeltaError) as error:
            self.refresh()
            if self._known(topic) is None:
                raise failures.explain(error, f"{self.location}: cannot commit") from None
            self.check_tie(topic, topic_id)

    def check_tie(self, topic: str, topic_id: str) -> None:
        """Check that the current snapshot, if it is tied to this topic, has the same topic id.

        Raises:
            TopicChangedError: the table was fed from a topic that is gone.
            ClusterChangedError: the table is tied to the topic of another cluster, not of this one.
        """
        known = self._known(topic)
        if known is None and self._fed_from_elsewhere(topic):
            raise ClusterChangedError(
                f"{self.location}: was fed from another Kafka cluster than {topic}, and the "
                "offsets of one cluster are meaningless in another. Nothing was read. If this "
                "cluster is right, adopt its topic with `pixstream offsets set … --new-topic`; "
                "event_id deduplicates the events that the table already contains"
            )
        if known not in {None, topic_id}:
            raise TopicChangedError(
                f"{self.location}: topic {topic} has the id {topic_id}, the table was fed from "
                f"{known}: the topic was deleted and recreated, and its offsets start over. "
                "Nothing was read. If the new topic is right, adopt it with `pixstream offsets "
                "set … --new-topic`; event_id deduplicates the events that the table already "
                "contains"
            )

    def decide(self, offsets: Mapping[str, int], topic: str, topic_id: str) -> None:
        """Store an operator's decision in one commit: these offsets, even lower ones.

        Args:
            offsets: next offset by application id.
            topic: the key under which the table stores its topic.
            topic_id: Kafka's id of the topic from now on.

        Raises:
            DestinationError: not committed, and retrying does not help.
            Transient: not committed; the same call may succeed later.
        """
        self.refresh()
        try:
            self._remember(topic, topic_id, offsets)
        except (OSError, DeltaError) as error:
            self.refresh()
            self._offsets.clear()
            done = self._known(topic) == topic_id and all(
                self.offset(app) == offset for app, offset in offsets.items()
            )
            if not done:
                raise failures.explain(error, f"{self.location}: cannot commit") from None
            self.sync()

    def _known(self, topic: str) -> str | None:
        return self.handle.metadata().configuration.get(TOPIC_ID + topic)

    def _fed_from_elsewhere(self, topic: str) -> bool:
        """Return whether this consumer's table was fed from this topic in another cluster."""
        mine = _without_cluster(topic)
        known = self.handle.metadata().configuration
        ties = [key.removeprefix(TOPIC_ID) for key in known if key.startswith(TOPIC_ID)]
        return any(_without_cluster(tie) == mine for tie in ties)

    def _remember(self, topic: str, topic_id: str, offsets: Mapping[str, int]) -> None:
        """Commit a property and application transactions, on the current snapshot only."""
        transactions = [Transaction(app_id, offset) for app_id, offset in offsets.items()]
        self.handle.alter.set_table_properties(
            {TOPIC_ID + topic: topic_id},
            raise_if_not_exists=False,
            commit_properties=CommitProperties(
                custom_metadata=self.about(1 + len(transactions)),
                app_transactions=transactions,
                max_commit_retries=0,
            ),
            post_commithook_properties=NO_HOOKS,
        )
        self.refresh()
        self._offsets.clear()
        self.sync()


def _without_cluster(topic: str) -> str:
    """Return CONSUMER/TOPIC of a topic's key CLUSTER/CONSUMER/TOPIC."""
    return topic.partition("/")[2]
