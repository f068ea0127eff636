"""Topics and offsets through kafka-python's admin client."""

from __future__ import annotations

import base64
import re
import time
import uuid
from typing import TYPE_CHECKING, Any

from kafka.admin import AlterConfigOp, ConfigResource, ConfigResourceType, OffsetSpec
from kafka.errors import KafkaError as Fault
from kafka.errors import NoError, TopicAuthorizationFailedError, for_code
from kafka.structs import OffsetAndMetadata

from kafka import KafkaAdminClient
from kafka import TopicPartition as Partition
from pixstream.errors import KafkaError, Transient
from pixstream.kafka import faults
from pixstream.kafka.kafka_python.link import build, connection, translate
from pixstream.kafka.ports import TopicIdPartition, TopicPartition, TopicSpec, TopicState
from pixstream.kafka.reachability import no_kafka, reach
from pixstream.kafka.record_limits import largest_request

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from pixstream.kafka.settings import KafkaSettings

# How the library reports a rejected change of settings.
_REFUSAL = re.compile(r"\[Error (-?\d+)\]")
_VISIBLE_SECONDS = 60.0
_PAUSE_SECONDS = 0.05
_EARLIEST, _LATEST = OffsetSpec.EARLIEST, OffsetSpec.LATEST


class KafkaPythonAdmin:
    """`kafka.Admin`, and the requests that the other ports need themselves."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._connected: Any = None

    def connect(self) -> str:
        """Make sure that Kafka answers; return the cluster id.

        Raises:
            Transient: no server accepts a connection.
            KafkaError: TLS, user name or password is wrong, or the server is not Kafka.
        """
        found = self._ask("the cluster could not be described", lambda c: c.describe_cluster())
        return str(found["cluster_id"])

    def cluster_id(self) -> str:
        """See `kafka.Admin`."""
        try:
            return self.connect()
        except Transient as error:
            raise KafkaError(str(error)) from error

    def topics(self) -> Mapping[str, TopicState]:
        """See `kafka.Admin`."""
        described = self._ask("the topics could not be listed", lambda c: c.describe_topics())
        found = {t["name"]: t for t in described if not t["is_internal"] and not t["error_code"]}
        configs = self._configs(found, "modified")
        return {
            name: TopicState(
                name,
                _text(topic["topic_id"]),
                len(topic["partitions"]),
                len(topic["partitions"][0]["replica_nodes"]),
                {
                    key: entry["value"] or ""
                    for key, entry in configs[name].items()
                    if entry["config_source"] == "DYNAMIC_TOPIC_CONFIG"
                },
            )
            for name, topic in found.items()
        }

    def create(self, spec: TopicSpec) -> None:
        """See `kafka.Admin`; returns once the topic is visible."""
        topic = {
            "num_partitions": spec.partitions,
            "replication_factor": spec.replication,
            "configs": dict(spec.config),
        }
        self._ask(faults.creating(spec), lambda c: c.create_topics({spec.name: topic}))
        self._wait(spec.name, spec.partitions)

    def configure(self, topic: str, config: Mapping[str, str]) -> None:
        """See `kafka.Admin`."""
        changes = {name: (AlterConfigOp.SET, value) for name, value in config.items()}
        resource = ConfigResource(ConfigResourceType.TOPIC, topic, configs=changes)
        what = f"topic {topic}: {', '.join(config)} could not be set"
        answer = self._ask(
            what,
            lambda c: c.alter_configs([resource], raise_on_unknown=False, incremental=True),
        )["topic"][topic]
        refusal = _REFUSAL.match(str(answer))
        if refusal:
            raise translate(what, for_code(int(refusal[1]))())

    def add_partitions(self, topic: str, total: int) -> None:
        """See `kafka.Admin`; returns once the partitions are visible."""
        what = f"topic {topic} could not get {total} partitions"
        self._ask(what, lambda c: c.create_partitions({topic: total}))
        self._wait(topic, total)

    def delete(self, topic: str) -> None:
        """See `kafka.Admin`; returns once the topic is no longer visible."""
        self._ask(f"topic {topic} could not be deleted", lambda c: c.delete_topics([topic]))
        self._wait(topic, 0)

    def end_offsets(self, topics: Collection[str]) -> Mapping[TopicIdPartition, int]:
        """See `kafka.Admin`."""
        return self._offsets(topics, _LATEST, "read_committed")

    def beginning_offsets(self, topics: Collection[str]) -> Mapping[TopicIdPartition, int]:
        """See `kafka.Admin`."""
        return self._offsets(topics, _EARLIEST, "read_committed")

    def offsets_at(
        self, topics: Collection[str], milliseconds: int
    ) -> Mapping[TopicIdPartition, int]:
        """See `kafka.Admin`."""
        found = self._offsets(topics, milliseconds, "read_committed")
        ends = self.end_offsets(topics)
        return {p: offset if offset >= 0 else ends[p] for p, offset in found.items()}

    def uncommitted_ends(self, topic: str) -> Mapping[TopicIdPartition, int]:
        """Return the end offset of each partition, including open transactions."""
        return self._offsets([topic], _LATEST, "read_uncommitted")

    def group_offsets(self, group: str) -> Mapping[TopicPartition, int]:
        """See `kafka.Admin`."""
        what = f"the offsets of group {group} could not be read"
        found = self._ask(what, lambda c: c.list_group_offsets([group]))[group]
        return {TopicPartition(*p): found[p].offset for p in found if found[p].offset >= 0}

    def group_members(self, group: str) -> Sequence[str]:
        """See `kafka.Admin`."""
        what = f"group {group} could not be described"
        found = self._ask(what, lambda c: c.describe_groups([group]))[group]
        members = found["members"]
        return sorted(member["group_instance_id"] or member["member_id"] for member in members)

    def set_group_offsets(self, group: str, offsets: Mapping[TopicPartition, int]) -> None:
        """See `kafka.Admin`."""
        what = f"the offsets of group {group} could not be set"
        wanted = {Partition(*p): OffsetAndMetadata(at, "", -1) for p, at in offsets.items()}
        answers = self._ask(what, lambda c: c.alter_group_offsets(group, wanted))
        for refusal in answers.values():
            if refusal.errno in faults.LOST_MEMBERSHIP:
                raise faults.group_is_alive(what, refusal.message)
            if refusal is not NoError:
                raise translate(what, refusal())

    def topic_ids(self, topics: Collection[str]) -> Mapping[str, str]:
        """Return the current id of each topic.

        Raises:
            KafkaError: one of the topics does not exist.
        """
        return {name: _text(topic["topic_id"]) for name, topic in self._describe(topics).items()}

    def max_message_bytes(self, topic: str) -> int:
        """Return the largest batch that the topic accepts; our own limit if we may not ask."""
        self._describe([topic])
        largest = largest_request(self._settings)
        try:
            # If we may not ask, the library raises an error or returns no settings at all.
            entry = self._configs([topic], "all")[topic].get("max.message.bytes")
        except TopicAuthorizationFailedError:
            entry = None
        return largest if entry is None else min(largest, int(entry["value"]))

    def close(self) -> None:
        """See `kafka.Admin`."""
        if self._connected is not None:
            self._connected.close()

    def _ask(self, what: str, call: Callable[[Any], Any]) -> Any:
        """Call the library and translate its errors; the first call connects."""
        if self._connected is None:
            reach(self._settings)
            try:
                self._connected, _ = build(KafkaAdminClient, connection(self._settings))
            except Fault as error:
                raise no_kafka(self._settings) from error
        try:
            return call(self._connected)
        except Fault as error:
            raise translate(what, error) from error

    def _describe(self, topics: Collection[str]) -> dict[str, Any]:
        if not topics:
            return {}
        names = sorted(topics)
        found = self._ask("topics could not be described", lambda c: c.describe_topics(names))
        for topic in found:
            if topic["error_code"]:
                raise translate(f"topic {topic['name']}", for_code(topic["error_code"])())
        return {topic["name"]: topic for topic in found}

    def _configs(self, topics: Collection[str], which: str) -> dict[str, dict[str, Any]]:
        if not topics:
            return {}
        asked = [ConfigResource(ConfigResourceType.TOPIC, topic) for topic in topics]
        what = "the settings of topics could not be read"
        found = self._ask(what, lambda c: c.describe_configs(asked, config_filter=which))
        settings: dict[str, dict[str, Any]] = found["topic"]
        return settings

    def _offsets(
        self, topics: Collection[str], spec: Any, isolation: str
    ) -> dict[TopicIdPartition, int]:
        described = self._describe(topics)
        asked = {
            Partition(name, part["partition_index"]): spec
            for name, topic in described.items()
            for part in topic["partitions"]
        }
        if not asked:
            return {}
        found = self._ask(
            "offsets could not be read",
            lambda c: c.list_partition_offsets(asked, isolation_level=isolation),
        )
        ids = {name: _text(topic["topic_id"]) for name, topic in described.items()}
        return {
            TopicIdPartition(p.topic, ids[p.topic], p.partition): found[p].offset for p in found
        }

    def _wait(self, topic: str, partitions: int) -> None:
        """Wait until the topic is visible with its partitions; 0: until it is gone."""
        deadline = time.monotonic() + _VISIBLE_SECONDS
        while time.monotonic() < deadline:
            try:
                seen = self._describe([topic])[topic]["partitions"]
            except (KafkaError, Transient):
                seen = []
            if len(seen) == partitions and all(part["leader_id"] >= 0 for part in seen):
                return
            time.sleep(_PAUSE_SECONDS)
        raise Transient(f"topic {topic}: Kafka accepted the change, but it is not visible yet")


def _text(topic_id: str) -> str:
    """Return a topic id as Kafka itself writes it; the library returns a UUID."""
    return base64.urlsafe_b64encode(uuid.UUID(topic_id).bytes).rstrip(b"=").decode()
