"""What the double offers beyond the ports; that it keeps their promises is in test_contract."""

from collections.abc import Collection, Mapping

import pytest

from pixstream.errors import FencedError, KafkaError, TopicChangedError, Transient
from pixstream.kafka.memory import MemoryInbox, MemoryKafka
from pixstream.kafka.ports import Listener, TopicIdPartition, TopicSpec

FROM_THE_START = Listener(lambda new, _: dict.fromkeys(new, 0), lambda _: None)


@pytest.fixture
def kafka() -> MemoryKafka:
    kafka = MemoryKafka()
    kafka.client().admin().create(TopicSpec("t", 2, 1, {}))
    outbox = kafka.client().outbox("id")
    outbox.begin()
    for number in range(6):
        outbox.send("t", b"%d" % number, b"%d" % number, [])
    outbox.commit()
    return kafka


def member(kafka: MemoryKafka, name: str) -> MemoryInbox:
    return kafka.client().inbox(group="g", topics=["t"], member=name, listener=FROM_THE_START)


@pytest.mark.parametrize("operation", ["outbox", "begin", "send", "commit", "poll", "load"])
def test_the_next_call_fails_as_asked_and_the_one_after_works(
    kafka: MemoryKafka, operation: str
) -> None:
    kafka.fail(operation, Transient("asked for"))
    client, inbox = kafka.client(), member(kafka, "one")

    def everything() -> None:
        outbox = client.outbox("id")
        outbox.begin()
        outbox.send("t", b"k", b"v", [])
        outbox.commit()
        inbox.poll(10, 0)
        client.load("t", "")

    with pytest.raises(Transient, match="asked for"):
        everything()
    everything()
    failed_inside = operation in ("send", "commit")
    assert [r.value for r in client.scan("t")].count(b"v") == (
        1 if failed_inside or operation in ("outbox", "begin") else 2
    )


@pytest.mark.parametrize("operation", ["positions", "group_commit"])
def test_what_a_member_asks_fails_as_asked_too(kafka: MemoryKafka, operation: str) -> None:
    inbox = member(kafka, "one")
    inbox.poll(10, 0)
    kafka.fail(operation, Transient("asked for"))
    with pytest.raises(Transient, match="asked for"):
        inbox.commit(inbox.positions())
    inbox.commit(inbox.positions())
    assert len(kafka.committed["g"]) == 2


def test_what_an_evicted_member_commits_does_not_count(kafka: MemoryKafka) -> None:
    inbox = member(kafka, "one")
    inbox.poll(10, 0)
    kafka.evict("g", "one")
    inbox.commit(inbox.positions())
    assert kafka.committed["g"] == {}


def test_a_listener_that_cannot_answer_leaves_the_other_partitions_readable(
    kafka: MemoryKafka,
) -> None:
    def answer(new: Collection[TopicIdPartition], _: object) -> Mapping[TopicIdPartition, int]:
        if kafka.topic("t").partitions[2:]:
            raise Transient("the table does not answer now")
        return dict.fromkeys(new, 0)

    inbox = kafka.client().inbox(
        group="g", topics=["t"], member="one", listener=Listener(answer, lambda _: None)
    )
    assert len(inbox.poll(2, 0)) == 2
    kafka.client().admin().add_partitions("t", 3)
    assert len(inbox.poll(10, 0)) == 4
    with pytest.raises(Transient, match="the table"):
        inbox.poll(10, 0)


def test_expired_records_are_missed(kafka: MemoryKafka) -> None:
    kafka.expire("t", 0, 1)
    with pytest.raises(TopicChangedError, match="partition 0: offset 0"):
        member(kafka, "one").poll(10, 0)


def test_an_evicted_members_partitions_go_to_the_others(kafka: MemoryKafka) -> None:
    one, two = member(kafka, "one"), member(kafka, "two")
    one.poll(10, 0)
    two.poll(10, 0)
    assert len(one.owned) == len(two.owned) == 1
    kafka.evict("g", "one")
    one.owned.clear()
    two.poll(10, 0)
    assert len(two.owned) == 2


def test_a_second_member_of_the_same_name_fences_the_first(kafka: MemoryKafka) -> None:
    first = member(kafka, "one")
    second = member(kafka, "one")
    second.poll(10, 0)
    with pytest.raises(FencedError, match="FENCED_INSTANCE_ID"):
        first.poll(10, 0)


def test_a_record_outside_a_transaction_is_refused(kafka: MemoryKafka) -> None:
    with pytest.raises(KafkaError, match="no transaction is open"):
        kafka.client().outbox("other").send("t", b"k", b"v", [])


def test_a_transaction_left_open_is_not_waited_for(kafka: MemoryKafka) -> None:
    outbox = kafka.client().outbox("other")
    outbox.begin()
    outbox.send("t", b"k", b"v", [])
    with pytest.raises(Transient, match="left open"):
        kafka.client().load("t", "")
