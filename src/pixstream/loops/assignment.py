"""Where a reader starts in its assigned partitions, and why it cannot continue in one of them."""

from __future__ import annotations

import logging
import time
from contextlib import closing
from typing import TYPE_CHECKING

from pixstream.backoff import Backoff
from pixstream.errors import ClusterChangedError, KafkaError, TopicChangedError, Transient
from pixstream.kafka.lag import patiently
from pixstream.kafka.names import EVENT_TOPICS, group_id
from pixstream.loops.partition_state import AnomalyError, PartitionState
from pixstream.plugins.consumer import RemembersOffsets

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from pixstream.backoff import BackoffSettings
    from pixstream.kafka.ports import Admin, Client, TopicIdPartition
    from pixstream.plugins.reader import Reader

log = logging.getLogger("pixstream.loops")


class Start:
    """The start of a partition.

    Attributes:
        offset: the first offset to read.
        settled: the group, and the destination if it remembers offsets, already know this offset.
    """

    def __init__(self, state: PartitionState, cold: int) -> None:
        at = state.next
        self.offset = cold if at is None else at
        known = [state.committed, *([state.remembered] if state.remembers else [])]
        self.settled = all(offset == self.offset for offset in known)


class Assignment:
    """Asks the destination, the group and Kafka where to start.

    Args:
        reader: the plugin.
        client: Kafka; every query opens and closes an admin client.
        retry: back-off before the next query after one without an answer.
    """

    def __init__(self, reader: Reader, client: Client, retry: BackoffSettings) -> None:
        self._reader = reader
        self._client = client
        self._backoff = Backoff(retry)
        self._silent_until = 0.0
        self.remembers = remembers(reader)
        self.topics = [EVENT_TOPICS[category] for category in reader.categories]
        self.cluster_id = ""
        self._cold: Mapping[TopicIdPartition, int] = {}
        self._begun: set[str] = set()

    def look(self) -> None:
        """Record where a cold start would begin; call it before joining the group.

        A recreated topic is noticed here. The group may not show it: a leader that saw the topic
        missing assigns none of its partitions, and a static member that returns gets none back.

        Raises:
            AnomalyError: a topic was recreated; the message names the command that decides.
            KafkaError: Kafka does not answer, or a topic does not exist.
        """
        with closing(self._client.admin()) as admin:
            self.cluster_id = admin.cluster_id()
            latest = self._reader.start == "latest"
            ends = admin.end_offsets if latest else admin.beginning_offsets
            self._cold = ends(self.topics)
            group = group_id(self._reader.name)
            self._begun = {p.topic for p in patiently(lambda: admin.group_offsets(group))}
            try:
                found = standings(self._reader, admin, self.cluster_id, self._cold, {})
            except Transient:
                return  # `starts` asks again
        for state in found.values():
            if state.recreated:
                state.check()

    def starts(
        self,
        partitions: Collection[TopicIdPartition],
        committed: Mapping[TopicIdPartition, int],
    ) -> dict[TopicIdPartition, Start]:
        """Return each start: the destination's offset, else the group's, else the cold start.

        Raises:
            AnomalyError: reading cannot continue in a partition without an operator's decision.
            Transient: the destination or Kafka does not answer now, or did not a moment ago.
        """
        if time.monotonic() < self._silent_until:
            raise Transient(f"{self._reader.name}: start offsets of its partitions not known yet")
        try:
            with closing(self._client.admin()) as admin:
                found = standings(self._reader, admin, self.cluster_id, partitions, committed)
        except Transient:
            self._silent_until = time.monotonic() + self._backoff.next()
            raise
        self._backoff.reset()
        starts: dict[TopicIdPartition, Start] = {}
        for partition, known in found.items():
            state = known._replace(begun=known.topic in self._begun)
            state.check()
            starts[partition] = Start(state, self._cold_start(partition, state))
            self._log_start(state, starts[partition])
        return starts

    def explained(
        self, error: TopicChangedError, next_offsets: Mapping[TopicIdPartition, int]
    ) -> TopicChangedError:
        """Return the error with its partition and the command that decides, if Kafka shows it.

        Args:
            error: raised by the inbox.
            next_offsets: the next offset of each partition, after the last record read.
        """
        if isinstance(error, AnomalyError):
            return error
        try:
            with closing(self._client.admin()) as admin:
                kafka = _Kafka(admin, {p.topic for p in next_offsets})
                for partition, offset in next_offsets.items():
                    remembered = offset if self.remembers else None
                    kafka.state(self._reader, partition, remembered, offset).check()
        except AnomalyError as anomaly:
            return anomaly
        except (KafkaError, Transient) as silent:
            log.warning("%s: cannot find out what happened: %s", self._reader.name, silent)
        return AnomalyError(f"{error} (`pixstream offsets show {self._reader.name}` shows where)")

    def _cold_start(self, partition: TopicIdPartition, state: PartitionState) -> int:
        """Return the configured cold start; for a partition added later, its beginning."""
        if state.topic in self._begun:
            return state.beginning
        return self._cold.get(partition, state.beginning)

    def _log_start(self, state: PartitionState, start: Start) -> None:
        where = f"{state.topic}-{state.partition}"
        if state.next is None:
            log.info(
                "%s: cold start of %s at offset %d (start: %s)",
                state.consumer,
                where,
                start.offset,
                self._reader.start,
            )
        elif state.committed is not None and state.committed > start.offset:
            log.warning(
                "%s: %s: the group is at offset %d, the destination only at %d, as after a "
                "restore; reading continues at %d",
                state.consumer,
                where,
                state.committed,
                start.offset,
                start.offset,
            )


def remembers(reader: Reader) -> bool:
    """Return whether the destination of this reader remembers offsets itself."""
    return isinstance(reader, RemembersOffsets)


def standings(
    reader: Reader,
    admin: Admin,
    cluster_id: str,
    partitions: Collection[TopicIdPartition],
    committed: Mapping[TopicIdPartition, int],
) -> dict[TopicIdPartition, PartitionState]:
    """Return the state of these partitions; the caller sets `PartitionState.begun`.

    Raises:
        PixstreamError: the destination or Kafka does not answer, or refuses.
    """
    topics = {p.topic for p in partitions}
    known: dict[TopicIdPartition, int] = {}
    moved: dict[str, bool] = {}
    for topic in topics:
        try:
            if isinstance(reader, RemembersOffsets):
                known |= reader.offsets([p for p in partitions if p.topic == topic], cluster_id)
        except TopicChangedError as error:
            moved[topic] = isinstance(error, ClusterChangedError)
    kafka = _Kafka(admin, topics)
    found = {p: kafka.state(reader, p, known.get(p), committed.get(p)) for p in sorted(partitions)}
    return {
        p: s._replace(recreated=True, moved=moved[p.topic]) if p.topic in moved else s
        for p, s in found.items()
    }


class _Kafka:
    """Beginning offsets, end offsets and ids of topics at one moment.

    Kafka is queried last, after destination and group: what is written and committed in the
    meantime then never looks like an offset beyond the end.
    """

    def __init__(self, admin: Admin, topics: Iterable[str]) -> None:
        names = sorted(topics)
        self._beginnings = admin.beginning_offsets(names)
        self._ends = admin.end_offsets(names)

    def state(
        self,
        reader: Reader,
        partition: TopicIdPartition,
        remembered: int | None,
        committed: int | None,
    ) -> PartitionState:
        """Return the state; a partition that is unknown under its topic id was recreated."""
        return PartitionState(
            consumer=reader.name,
            topic=partition.topic,
            topic_id=partition.topic_id,
            partition=partition.partition,
            remembered=remembered,
            committed=committed,
            beginning=self._beginnings.get(partition, 0),
            end=self._ends.get(partition, 0),
            remembers=remembers(reader),
            recreated=partition not in self._ends,
        )
