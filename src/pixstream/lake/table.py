"""One Delta table as this process sees it: opened or created, checked, committed to exactly once.

Every commit is made on the snapshot in hand and on no other (no rebasing by deltalake): when some
other writer was faster it fails, and its owner plans again on what the table holds then. Which
offsets are in the table is told by the table alone, in its application transactions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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
"""Table property that remembers which incarnation of a topic feeds the table."""

NO_HOOKS = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)
"""For every commit: what deltalake would do after it, `LakeTable.checkpoint` does in order."""


class LakeTable:
    """A table, open.

    Args:
        location: where it lies; created there when there is none yet.

    Raises:
        DestinationError: not allowed there, or the table there has another schema.
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
        """Version of the snapshot in hand."""
        return self.handle.version()

    @property
    def schema(self) -> pa.Schema:
        """Columns of the snapshot in hand."""
        return pa.schema(self.handle.schema().to_arrow())

    def refresh(self) -> int:
        """Take the newest snapshot; its version.

        Raises:
            Transient: no answer from the object store.
            DestinationError: the table is gone, or may not be read.
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
        """The next offset that the snapshot in hand wants from a partition; None: never seen."""
        if app_id not in self._offsets:
            self._offsets[app_id] = self.handle.transaction_version(app_id)
        return self._offsets[app_id]

    def live(self) -> dict[str, DataFile]:
        """The data files of the snapshot in hand, by path."""
        return files.live(self.handle)

    def commit(
        self, actions: Sequence[AddAction | RemoveAction], offsets: Mapping[str, int] | None = None
    ) -> None:
        """Add and remove files and move offsets, all at once, on the snapshot in hand only.

        After any error `refresh` and `offset` tell whether it happened. Call `sync` before anyone
        is told that it did.
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
        """What a commit with so many actions, made now, says of itself."""
        return entries.about(actions, self._synced if self._disk is not None else None)

    def sync(self) -> None:
        """Wait until the log is on the disk up to the snapshot in hand.

        Raises:
            DestinationError: the disk failed.
            OSError: the log is gone.
        """
        if self._disk is not None:
            durability.sync_log(self._disk, range(self._synced + 1, self.version + 1))
        self._synced = self.version

    def checkpoint(self) -> None:
        """Sum the log up in a checkpoint, drop expired entries, and read from it from now on."""
        self.sync()
        self.handle.create_checkpoint()
        if self._disk is not None:
            durability.sync_checkpoint(self._disk, self.version)
        self.handle.cleanup_metadata()
        self.handle = DeltaTable(self.location.uri, storage_options=self.location.options)
        self._offsets.clear()

    def remember(self, topic: str, topic_id: str) -> None:
        """Tie the table to this incarnation of a topic, or find it tied to another.

        Args:
            topic: what to remember it by: CLUSTER/CONSUMER/TOPIC.
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
        """Hold what the snapshot in hand is tied to, if it is tied already, to this incarnation.

        Raises:
            TopicChangedError: the table was fed from a topic that is gone.
            ClusterChangedError: the table is tied to nothing of this cluster, but to another's.
        """
        known = self._known(topic)
        if known is None and self._fed_from_elsewhere(topic):
            raise ClusterChangedError(
                f"{self.location}: was fed from another Kafka cluster than {topic}, and the "
                "offsets of one cluster mean nothing in another. Nothing was read. If this cluster "
                "is right, take its topic over with `pixstream offsets set … --new-topic`; "
                "event_id keeps out what the table holds already"
            )
        if known not in {None, topic_id}:
            raise TopicChangedError(
                f"{self.location}: topic {topic} has the id {topic_id}, the table was fed from "
                f"{known}: the topic was deleted and made again, and its offsets start over. "
                "Nothing was read. If the new topic is right, take it over with `pixstream offsets "
                "set … --new-topic`; event_id keeps out what the table holds already"
            )

    def decide(self, offsets: Mapping[str, int], topic: str, topic_id: str) -> None:
        """Remember what a person decided, in one commit: these offsets, also lower ones.

        Args:
            offsets: next offset by application id.
            topic: what the table remembers its topic by.
            topic_id: Kafka's id of the topic from now on.

        Raises:
            DestinationError: not committed, and waiting does not help.
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
        """Whether the same consumer was fed from the same topic of some other cluster."""
        mine = _without_cluster(topic)
        known = self.handle.metadata().configuration
        ties = [key.removeprefix(TOPIC_ID) for key in known if key.startswith(TOPIC_ID)]
        return any(_without_cluster(tie) == mine for tie in ties)

    def _remember(self, topic: str, topic_id: str, offsets: Mapping[str, int]) -> None:
        """Commit a property and application transactions, on the snapshot in hand only."""
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
    """CONSUMER/TOPIC of what a table remembers a topic by."""
    return topic.partition("/")[2]
