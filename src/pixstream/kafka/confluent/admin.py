"""Topics and offsets through confluent-kafka's admin client."""

from __future__ import annotations

import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING, TypeVar

from confluent_kafka import (
    OFFSET_INVALID,
    Consumer,
    IsolationLevel,
    KafkaException,
    TopicCollection,
)
from confluent_kafka import KafkaError as Fault
from confluent_kafka import TopicPartition as Partition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # it exports them all
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ConfigSource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    TopicDescription,
)

from pixstream.errors import KafkaError, Transient
from pixstream.kafka import faults
from pixstream.kafka.confluent.link import (
    LOGIN_REFUSED,
    cause,
    connection,
    translate,
)
from pixstream.kafka.ports import TopicIdPartition, TopicPartition, TopicSpec, TopicState
from pixstream.kafka.reachability import no_kafka, reach
from pixstream.kafka.record_limits import largest_request

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from concurrent.futures import Future

    from confluent_kafka import Uuid

    from pixstream.kafka.settings import KafkaSettings

_URL_SAFE = str.maketrans("+/", "-_")
_CONNECT_SECONDS = 10.0
_VISIBLE_SECONDS = 60.0
_PAUSE_SECONDS = 0.05
_EARLIEST = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
_LATEST = OffsetSpec.latest()  # type: ignore[no-untyped-call]
T = TypeVar("T")


class ConfluentAdmin:
    """`kafka.Admin`, and the requests that the other ports need themselves."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._seconds = settings.request_timeout_ms / 1000
        self._cluster_id: str | None = None
        self._login_refused = False
        self._library: AdminClient | None = None

    def connect(self) -> str:
        """Make sure that Kafka has answered once; return the cluster id.

        Raises:
            Transient: no server accepts a connection.
            KafkaError: TLS, user name or password is wrong, or the server is not Kafka.
        """
        if self._cluster_id is None:
            reach(self._settings)
            self._library = AdminClient(connection(self._settings) | {"error_cb": self._on_error})
            self._cluster_id = self._ask(self._library)
        return self._cluster_id

    def _ask(self, library: AdminClient) -> str:
        """Return the cluster id from metadata.

        `describe_cluster` would abort the process if a broker freezes. Each request waits longer
        than the one before; between them the library reports a rejected login.
        """
        deadline, patience = time.monotonic() + min(self._seconds, _CONNECT_SECONDS), _PAUSE_SECONDS
        while True:
            left = deadline - time.monotonic()
            found: str | None = None
            with suppress(KafkaException):
                found = library.list_topics(timeout=min(patience, max(left, 0.1))).cluster_id
            if found:  # never an empty id: tables store it
                return found
            library.poll(_PAUSE_SECONDS)
            if self._login_refused or left <= 0:
                raise no_kafka(self._settings)
            patience *= 2

    def cluster_id(self) -> str:
        """See `kafka.Admin`."""
        try:
            return self.connect()
        except Transient as error:
            raise KafkaError(str(error)) from error

    def topics(self) -> Mapping[str, TopicState]:
        """See `kafka.Admin`."""
        try:
            names = self._client.list_topics(timeout=self._seconds).topics
        except KafkaException as error:
            raise translate("the topics could not be listed", cause(error)) from error
        described = self._describe(names)
        try:
            configs = self._configs(described)
        except KafkaException as error:
            raise translate("settings of topics could not be read", cause(error)) from error
        return {
            name: TopicState(
                name,
                _text(topic.topic_id),
                len(topic.partitions),
                len(topic.partitions[0].replicas),
                {
                    key: entry.value or ""
                    for key, entry in configs[name].items()
                    if ConfigSource(entry.source) is ConfigSource.DYNAMIC_TOPIC_CONFIG
                },
            )
            for name, topic in described.items()
            if not topic.is_internal
        }

    def create(self, spec: TopicSpec) -> None:
        """See `kafka.Admin`; returns once the topic is visible."""
        topic = NewTopic(spec.name, spec.partitions, spec.replication, config=dict(spec.config))
        asked = self._client.create_topics([topic], request_timeout=self._seconds)
        self._result(asked[spec.name], faults.creating(spec))
        self._wait(spec.name, spec.partitions)

    def configure(self, topic: str, config: Mapping[str, str]) -> None:
        """See `kafka.Admin`."""
        entries = [
            ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
            for name, value in config.items()
        ]
        resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=entries)
        asked = self._client.incremental_alter_configs([resource], request_timeout=self._seconds)
        self._result(asked[resource], f"topic {topic}: {', '.join(config)} could not be set")

    def add_partitions(self, topic: str, total: int) -> None:
        """See `kafka.Admin`; returns once the partitions are visible."""
        asked = self._client.create_partitions([NewPartitions(topic, total)])
        self._result(asked[topic], f"topic {topic} could not get {total} partitions")
        self._wait(topic, total)

    def delete(self, topic: str) -> None:
        """See `kafka.Admin`; returns once the topic is no longer visible."""
        asked = self._client.delete_topics([topic], request_timeout=self._seconds)
        self._result(asked[topic], f"topic {topic} could not be deleted")
        self._wait(topic, 0)

    def end_offsets(self, topics: Collection[str]) -> Mapping[TopicIdPartition, int]:
        """See `kafka.Admin`."""
        return self._offsets(topics, _LATEST, IsolationLevel.READ_COMMITTED)

    def beginning_offsets(self, topics: Collection[str]) -> Mapping[TopicIdPartition, int]:
        """See `kafka.Admin`."""
        return self._offsets(topics, _EARLIEST, IsolationLevel.READ_COMMITTED)

    def offsets_at(
        self, topics: Collection[str], milliseconds: int
    ) -> Mapping[TopicIdPartition, int]:
        """See `kafka.Admin`."""
        spec = OffsetSpec.for_timestamp(milliseconds)
        found = self._offsets(topics, spec, IsolationLevel.READ_COMMITTED)
        ends = self.end_offsets(topics)
        return {p: offset if offset >= 0 else ends[p] for p, offset in found.items()}

    def uncommitted_ends(self, topic: str) -> Mapping[TopicIdPartition, int]:
        """Return the end offset of each partition, including open transactions."""
        return self._offsets([topic], _LATEST, IsolationLevel.READ_UNCOMMITTED)

    def group_offsets(self, group: str) -> Mapping[TopicPartition, int]:
        """See `kafka.Admin`.

        A consumer that does not join the group asks: the library's own admin request crashes the
        process if the group coordinator has moved or is just starting.
        """
        what = f"the offsets of group {group} could not be read"
        try:
            known = self._client.list_topics(timeout=self._seconds).topics
            asked = [
                Partition(name, number) for name, t in known.items() for number in t.partitions
            ]
            with closing(Consumer(connection(self._settings) | {"group.id": group})) as consumer:
                found = consumer.committed(asked, self._seconds)
        except KafkaException as error:
            raise translate(what, cause(error)) from error
        for partition in found:
            if partition.error is not None:
                raise translate(what, partition.error)
        return {TopicPartition(str(p.topic), p.partition): p.offset for p in found if p.offset >= 0}

    def group_members(self, group: str) -> Sequence[str]:
        """See `kafka.Admin`."""
        asked = self._client.describe_consumer_groups([group], request_timeout=self._seconds)
        found = self._result(asked[group], f"group {group} could not be described")
        return sorted(member.group_instance_id or member.member_id for member in found.members)

    def set_group_offsets(self, group: str, offsets: Mapping[TopicPartition, int]) -> None:
        """See `kafka.Admin`; a consumer that does not join commits, see `group_offsets`."""
        what = f"the offsets of group {group} could not be set"
        wanted = [Partition(p.topic, p.partition, offset) for p, offset in offsets.items()]
        if not wanted:
            return
        config = connection(self._settings) | {"group.id": group, "enable.auto.commit": False}
        try:
            with closing(Consumer(config)) as consumer:
                # It raises where no coordinator answers; a commit alone would wait for one.
                consumer.committed(wanted, self._seconds)
                results = consumer.commit(offsets=wanted, asynchronous=False) or []
            refused = [result.error for result in results if result.error is not None]
        except KafkaException as error:
            refused = [cause(error)]
        for fault in refused:
            if fault.code() in faults.LOST_MEMBERSHIP:
                raise faults.group_is_alive(what, fault.name())
            raise translate(what, fault)

    def topic_ids(self, topics: Collection[str]) -> Mapping[str, str]:
        """Return the current id of each topic.

        Raises:
            KafkaError: one of the topics does not exist.
        """
        return {name: _text(topic.topic_id) for name, topic in self._describe(topics).items()}

    def max_message_bytes(self, topic: str) -> int:
        """Return the largest batch that the topic accepts; our own limit if we may not ask."""
        self._describe([topic])
        largest = largest_request(self._settings)
        try:
            entry = self._configs([topic])[topic]["max.message.bytes"]
        except KafkaException as error:
            if cause(error).code() == Fault.TOPIC_AUTHORIZATION_FAILED:
                return largest
            raise translate(f"topic {topic} could not be described", cause(error)) from error
        return min(largest, int(entry.value or largest))

    def close(self) -> None:
        """See `kafka.Admin`."""
        self._library = self._cluster_id = None

    @property
    def _client(self) -> AdminClient:
        self.connect()
        assert self._library is not None  # noqa: S101  for the type checker
        return self._library

    def _on_error(self, error: Fault) -> None:
        self._login_refused |= error.code() == LOGIN_REFUSED

    def _result(self, asked: Future[T], what: str) -> T:
        self._client.poll(0)  # delivers the library's log messages
        try:
            return asked.result()
        except KafkaException as error:
            raise translate(what, cause(error)) from error

    def _describe(self, topics: Collection[str]) -> dict[str, TopicDescription]:
        if not topics:
            return {}
        asked = self._client.describe_topics(
            TopicCollection(list(topics)), request_timeout=self._seconds
        )
        return {name: self._result(answer, f"topic {name}") for name, answer in asked.items()}

    def _configs(self, topics: Collection[str]) -> dict[str, dict[str, ConfigEntry]]:
        if not topics:
            return {}
        resources = [ConfigResource(ConfigResource.Type.TOPIC, name) for name in topics]
        asked = self._client.describe_configs(resources, request_timeout=self._seconds)
        return {resource.name: answer.result() for resource, answer in asked.items()}

    def _offsets(
        self, topics: Collection[str], spec: OffsetSpec, isolation: IsolationLevel
    ) -> dict[TopicIdPartition, int]:
        described = self._describe(topics)
        asked = {
            (name, part.id): Partition(name, part.id)
            for name, topic in described.items()
            for part in topic.partitions
        }
        if not asked:
            return {}
        answers = self._client.list_offsets(
            dict.fromkeys(asked.values(), spec),
            isolation_level=isolation,
            request_timeout=self._seconds,
        )
        found: dict[TopicIdPartition, int] = {}
        for p, answer in answers.items():
            what = f"topic {p.topic}: its offsets could not be read"
            offset = self._result(answer, what).offset
            if offset == OFFSET_INVALID:
                # librdkafka 2.16 reports success when the connection breaks while it waits.
                raise Transient(f"{what}: the connection to Kafka broke; it will be tried again")
            found[TopicIdPartition(p.topic, _text(described[p.topic].topic_id), p.partition)] = (
                offset
            )
        return found

    def _wait(self, topic: str, partitions: int) -> None:
        """Wait until the topic is visible with its partitions; 0: until it is gone."""
        deadline = time.monotonic() + _VISIBLE_SECONDS
        while time.monotonic() < deadline:
            try:
                seen = self._describe([topic])[topic].partitions
            except (KafkaError, Transient):
                seen = []
            if len(seen) == partitions and all(part.leader for part in seen):
                return
            time.sleep(_PAUSE_SECONDS)
        raise Transient(f"topic {topic}: Kafka accepted the change, but it is not visible yet")


def _text(topic_id: Uuid) -> str:
    """Return a topic id as Kafka itself writes it; the library uses base64's other alphabet."""
    return str(topic_id).translate(_URL_SAFE)
