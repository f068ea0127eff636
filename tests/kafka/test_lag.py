"""The lag of consumer groups, from offsets alone and from a real broker."""

from __future__ import annotations

import secrets
from contextlib import closing
from typing import TYPE_CHECKING, cast

import pytest
from confluent_kafka import Producer

from pixstream import kafka
from pixstream.errors import Transient
from pixstream.kafka import lag as lag_module
from pixstream.kafka.lag import PartitionLag, lag, of_topic, totals
from pixstream.kafka.ports import (
    Admin,
    Client,
    Listener,
    TopicIdPartition,
    TopicPartition,
    TopicSpec,
)
from pixstream.kafka.settings import KafkaSettings
from pixstream.testing.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


class Offsets:
    """Offsets as an `Admin` would tell them."""

    def __init__(self, committed: Mapping[str, Mapping[TopicPartition, int]]) -> None:
        self._committed = committed
        self.asked: list[str] = []

    def group_offsets(self, group: str) -> Mapping[TopicPartition, int]:
        self.asked.append("committed")
        return self._committed[group]

    def beginning_offsets(self, topics: Collection[str]) -> Mapping[TopicIdPartition, int]:
        self.asked.append("beginning")
        return dict.fromkeys(self._partitions(topics), 10)

    def end_offsets(self, topics: Collection[str]) -> Mapping[TopicIdPartition, int]:
        self.asked.append("end")
        return {p: 100 + p.partition for p in self._partitions(topics)}

    def _partitions(self, topics: Collection[str]) -> list[TopicIdPartition]:
        return [TopicIdPartition(t, f"id-{t}", p) for t in sorted(topics) for p in (1, 0)]


def measured(committed: Mapping[TopicPartition, int]) -> dict[int, PartitionLag]:
    admin = cast("Admin", Offsets({"g": committed}))
    return {p.partition: p for p in lag(admin, {"g": ["pix.a"]})}


def test_lag_is_the_end_without_what_the_group_committed() -> None:
    result = measured({TopicPartition("pix.a", 0): 40, TopicPartition("pix.a", 1): 101})
    assert result[0] == PartitionLag("g", "pix.a", 0, committed=40, beginning=10, end=100)
    assert (result[0].lag, result[0].alarm) == (60, "")
    assert (result[1].lag, result[1].alarm) == (0, "")


def test_without_a_committed_offset_everything_that_is_there_counts() -> None:
    assert (measured({})[1].lag, measured({})[1].alarm) == (91, "")


def test_offsets_that_expired_unread_and_a_recreated_topic_are_named() -> None:
    result = measured({TopicPartition("pix.a", 0): 4, TopicPartition("pix.a", 1): 500})
    assert (result[0].lag, result[0].alarm) == (96, "6 offsets expired unread")
    assert result[1].lag == 0
    assert "recreated" in result[1].alarm


def test_each_group_has_its_own_topics_and_its_total() -> None:
    committed = {"lake": {TopicPartition("pix.a", 0): 100}, "screen": {}}
    admin = cast("Admin", Offsets(committed))
    result = lag(admin, {"lake": ["pix.a"], "screen": ["pix.a", "pix.b"]})
    assert [(p.group, p.topic, p.partition) for p in result] == [
        ("lake", "pix.a", 0),
        ("lake", "pix.a", 1),
        ("screen", "pix.a", 0),
        ("screen", "pix.a", 1),
        ("screen", "pix.b", 0),
        ("screen", "pix.b", 1),
    ]
    assert totals(result) == {"lake": 91, "screen": 362}


def test_committed_offsets_are_asked_before_the_end() -> None:
    offsets = Offsets({"g": {}})
    lag(cast("Admin", offsets), {"g": ["pix.a"]})
    assert offsets.asked == ["committed", "beginning", "end"]


def test_a_coordinator_that_is_still_loading_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    admin = Offsets({"g": {}})
    answers = iter([Transient("loading"), Transient("loading"), None])

    def group_offsets(group: str) -> Mapping[TopicPartition, int]:
        answer = next(answers)
        if answer is not None:
            raise answer
        return Offsets.group_offsets(admin, group)

    monkeypatch.setattr(admin, "group_offsets", group_offsets)
    monkeypatch.setattr(lag_module, "_PAUSE_SECONDS", 0.0)
    assert len(lag(cast("Admin", admin), {"g": ["pix.a"]})) == 2
    answers = iter([Transient("no broker")])
    monkeypatch.setattr(lag_module, "_COORDINATOR_SECONDS", 0.0)
    with pytest.raises(Transient, match="no broker"):
        lag(cast("Admin", admin), {"g": ["pix.a"]})


def test_of_a_topic_only_its_readers_are_asked() -> None:
    groups = {"lake": ["pix.a"], "screen": ["pix.b"]}
    admin = Offsets({"lake": {}})
    assert of_topic(cast("Admin", admin), groups, "pix.a") == {"lake": 181}
    assert of_topic(cast("Admin", admin), groups, "pix.c") == {}


def produce_and_abort(address: str, topic: str, records: int) -> None:
    """Leave the records of an aborted transaction in the topic: flushed before the abort."""
    name = {"bootstrap.servers": address, "transactional.id": f"abort-{topic}"}
    with closing(Producer(name)) as producer:
        producer.init_transactions(30)
        producer.begin_transaction()
        for number in range(records):
            producer.produce(topic, b"{}", b"%d" % number)
        producer.flush(30)
        producer.abort_transaction(30)


def settled(admin: Admin, topic: str, end: int) -> PartitionLag:
    """The lag once Kafka has written the markers of both transactions, shortly after their end."""
    (partition,) = wait_for(lambda: [p for p in lag(admin, {topic: [topic]}) if p.end == end])
    return partition


def read_to(client: Client, group: str, topic: str, end: int) -> None:
    """Read until the position is `end`, then commit it."""

    def assigned(
        partitions: Collection[TopicIdPartition], committed: Mapping[TopicIdPartition, int]
    ) -> Mapping[TopicIdPartition, int]:
        return {p: committed.get(p, 0) for p in partitions}

    listener = Listener(assigned, lambda _: None)

    def arrived() -> bool:
        inbox.poll(100, 0.1)
        return set(inbox.positions().values()) == {end}

    member = client.inbox(group=group, topics=[topic], member="0", listener=listener)
    with closing(member) as inbox:
        wait_for(arrived, inbox.positions, every=0)
        inbox.commit(inbox.positions())


@pytest.mark.broker
@pytest.mark.parametrize("library", ["confluent", "kafka-python"])
def test_a_real_group_is_behind_until_it_has_read_past_aborted_transactions(
    broker: str, library: str
) -> None:
    topic = f"lag-{secrets.token_hex(4)}"
    settings = KafkaSettings(bootstrap_servers=broker, client=library)  # type: ignore[arg-type]
    client = kafka.connect(settings)
    with closing(client.admin()) as admin:
        admin.create(TopicSpec(topic, 1, 1, {}))
        assert [p.lag for p in lag(admin, {topic: [topic]})] == [0]
        with closing(client.outbox(f"pixstream/{topic}/0")) as outbox:
            outbox.begin()
            for number in range(5):
                outbox.send(topic, b"%d" % number, b"{}", [])
            outbox.commit()
        produce_and_abort(broker, topic, 3)
        before = settled(admin, topic, 5 + 1 + 3 + 1)
        assert (before.committed, before.lag) == (None, before.end)
        read_to(client, topic, topic, before.end)
        (after,) = lag(admin, {topic: [topic]})
        assert (after.committed, after.lag, after.alarm) == (before.end, 0, "")
