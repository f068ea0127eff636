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

from pixstream.errors import DestinationError, TopicChangedError
from pixstream.lake import durability, failures, files, opening
from pixstream.lake.schema import PARTITION_COLUMN

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
        self._arrow = pa.schema(self.handle.schema().to_arrow())

    @property
    def version(self) -> int:
        """Version of the snapshot in hand."""
        return self.handle.version()

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
        told = {durability.ACTIONS: len(actions) + len(transactions)}
        self.handle.create_write_transaction(
            list(actions),
            "append",
            self._arrow,
            partition_by=[PARTITION_COLUMN],
            commit_properties=CommitProperties(
                custom_metadata=told, app_transactions=transactions, max_commit_retries=0
            ),
            post_commithook_properties=NO_HOOKS,
        )
        self._own = self.version + 1
        self._offsets.update(offsets or {})

    def sync(self) -> None:
        """Wait until the log is on the disk up to the snapshot in hand.

        Raises:
            OSError: the disk failed.
        """
        if self._disk is not None:
            durability.sync_log(self._disk, range(self._synced + 1, self.version + 1))
        self._synced = self.version

    def checkpoint(self) -> None:
        """Sum the log up in a checkpoint, drop expired entries, and read from it from now on."""
        self.handle.create_checkpoint()
        if self._disk is not None:
            durability.sync_checkpoint(self._disk, self.version)
        self.handle.cleanup_metadata()
        self.handle = DeltaTable(self.location.uri, storage_options=self.location.options)
        self._offsets.clear()

    def remember(self, topic: str, topic_id: str) -> None:
        """Tie the table to this incarnation of a topic, or find it tied to another.

        Args:
            topic: what to remember it by: cluster, consumer and topic.
            topic_id: Kafka's id of the topic.

        Raises:
            TopicChangedError: the table was fed from a topic that is gone.
        """
        known = self._known(topic)
        if known is None:
            try:
                self._remember(topic, topic_id)
            except (OSError, DeltaError) as error:
                self.refresh()
                if self._known(topic) is None:
                    raise failures.explain(error, f"{self.location}: cannot commit") from None
            known = self._known(topic)
        if known != topic_id:
            raise TopicChangedError(
                f"{self.location}: topic {topic} has the id {topic_id}, the table was fed from "
                f"{known}: the topic was deleted and made again, and its offsets start over. "
                "Nothing was read. If the new topic is right, give this consumer another name in "
                "the YAML: it starts over, and event_id keeps out what the table holds already"
            )

    def _known(self, topic: str) -> str | None:
        return self.handle.metadata().configuration.get(TOPIC_ID + topic)

    def _remember(self, topic: str, topic_id: str) -> None:
        self.handle.alter.set_table_properties(
            {TOPIC_ID + topic: topic_id},
            raise_if_not_exists=False,
            post_commithook_properties=NO_HOOKS,
        )
        self.refresh()
        self.sync()
