"""What every client library keeps of the ports' promises, on a real broker (and in memory)."""

import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import closing, suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal, cast

import pytest

from pixstream.errors import FencedError, KafkaError, TopicChangedError, Transient
from pixstream.kafka import connect
from pixstream.kafka.lag import patiently
from pixstream.kafka.memory import MemoryKafka
from pixstream.kafka.partitioner import partition_of
from pixstream.kafka.ports import (
    Client,
    Inbox,
    Listener,
    Outbox,
    Record,
    Span,
    TopicIdPartition,
    TopicPartition,
    TopicSpec,
)
from pixstream.kafka.prefixed import PrefixedClient
from pixstream.kafka.settings import KafkaSettings, Sasl, Tls
from pixstream.lab.broker.embedded import EmbeddedBroker
from pixstream.testing.waiting import wait_for

if TYPE_CHECKING:
    from pixstream.kafka.confluent.admin import ConfluentAdmin
    from pixstream.kafka.kafka_python.admin import KafkaPythonAdmin

Library = Literal["confluent", "kafka-python"]
LIBRARIES: list[Library] = ["confluent", "kafka-python"]
REAL = [pytest.param(name, marks=pytest.mark.broker) for name in LIBRARIES]


def settings(library: str, broker: str, **others: object) -> KafkaSettings:
    chosen: dict[str, object] = {
        "client": library,
        "bootstrap_servers": broker,
        "linger_ms": 5,
        "session_timeout_ms": 20_000,
        "request_timeout_ms": 10_000,
    }
    return KafkaSettings(**{**chosen, **others})  # type: ignore[arg-type]


PREFIX = "acme."


@pytest.fixture(params=["memory", "prefixed", *REAL])
def client(request: pytest.FixtureRequest) -> Client:
    if request.param == "memory":
        return MemoryKafka().client()
    if request.param == "prefixed":
        return PrefixedClient(MemoryKafka().client(), PREFIX)
    return connect(settings(request.param, request.getfixturevalue("broker")))


@pytest.fixture(params=REAL)
def real(request: pytest.FixtureRequest, broker: str) -> Client:
    return connect(settings(request.param, broker))


class Member:
    """A member of a group that starts where nothing was committed at 0, and remembers all."""

    def __init__(
        self,
        client: Client,
        topic: str,
        *,
        group: str,
        name: str = "one",
        start: Callable[[TopicIdPartition], int] = lambda _: 0,
    ) -> None:
        self.records: list[Record] = []
        self.assigned: list[TopicIdPartition] = []
        self.committed: dict[TopicIdPartition, int] = {}
        self.revoked: list[TopicPartition] = []
        self.owned: set[TopicPartition] = set()
        self._start = start
        listener = Listener(self._on_assigned, self._on_revoked)
        self.inbox = client.inbox(group=group, topics=[topic], member=name, listener=listener)

    def _on_assigned(
        self, new: Collection[TopicIdPartition], committed: Mapping[TopicIdPartition, int]
    ) -> Mapping[TopicIdPartition, int]:
        self.assigned += new
        self.committed |= committed
        self.owned |= {TopicPartition(p.topic, p.partition) for p in new}
        return {p: committed.get(p, self._start(p)) for p in new}

    def _on_revoked(self, gone: Collection[TopicPartition]) -> None:
        self.revoked += gone
        self.owned -= set(gone)

    def poll(self, seconds: float = 0.1) -> None:
        for record in self.inbox.poll(500, seconds):
            assert TopicPartition(record.topic, record.partition) in self.owned
            self.records.append(record)

    @property
    def values(self) -> list[bytes | None]:
        return [record.value for record in self.records]


def until(done: Callable[[], bool], *members: Member) -> None:
    """Poll the members until it is so; several at the same time, as processes would."""
    stop = threading.Event()

    def keep_polling(member: Member) -> None:
        while not stop.is_set():
            member.poll()

    with ThreadPoolExecutor(len(members)) as pool:
        polling = [pool.submit(keep_polling, member) for member in members if len(members) > 1]

        def polled() -> bool:
            if done():
                return True
            if polling:
                wait(polling, 0.05, FIRST_EXCEPTION)
                assert not any(poll.done() for poll in polling), [
                    p.exception(0) for p in polling if p.done()
                ]
            else:
                members[0].poll()
            return False

        try:
            wait_for(polled, lambda: [(len(m.records), m.owned) for m in members], every=0)
        finally:
            stop.set()
    for poll in polling:
        poll.result()


def create(client: Client, partitions: int = 1, **config: str) -> str:
    topic = f"contract-{uuid.uuid4().hex[:12]}"
    names = {name.replace("_", "."): value for name, value in config.items()}
    with closing(client.admin()) as admin:
        admin.create(TopicSpec(topic, partitions, 1, names))
    return topic


def produce(outbox: Outbox, topic: str, *values: bytes, commit: bool = True) -> None:
    outbox.begin()
    for value in values:
        outbox.send(topic, value[:20], value, [])
    if commit:
        outbox.commit()
    else:
        outbox.abort()


def send_and_commit(outbox: Outbox, *records: tuple[str, bytes]) -> None:
    for topic, value in records:
        outbox.send(topic, b"k", value, [])
    outbox.commit()


def wait_until_kafka_holds(client: Client, topic: str, end: int) -> None:
    """Wait until records of an open transaction lie in Kafka."""
    admin = cast("ConfluentAdmin | KafkaPythonAdmin", client.admin())
    with closing(admin):
        wait_for(lambda: sum(admin.uncommitted_ends(topic).values()) >= end)


def wait_for_end(client: Client, topic: str, end: int) -> None:
    """Wait until Kafka has written the marker of a committed transaction."""
    with closing(client.admin()) as admin:
        wait_for(lambda: sum(admin.end_offsets([topic]).values()) == end)


def write(client: Client, topic: str, *values: bytes) -> None:
    with closing(client.outbox(f"write-{uuid.uuid4().hex}")) as outbox:
        produce(outbox, topic, *values)


def group() -> str:
    return f"group-{uuid.uuid4().hex[:12]}"


# --- writing -----------------------------------------------------------------------------------


def test_a_committed_transaction_is_seen_whole_with_key_headers_and_time(client: Client) -> None:
    topic = create(client)
    with closing(client.outbox("whole-" + topic)) as outbox:
        outbox.begin()
        outbox.send(topic, b"key", b"value", [("schema_version", b"1"), ("empty", b"")])
        outbox.send(topic, b"gone", None, [])
        outbox.commit()
    first, second = client.scan(topic)
    assert first._replace(timestamp=0, headers=list(first.headers)) == Record(
        topic, 0, 0, 0, b"key", b"value", [("schema_version", b"1"), ("empty", b"")]
    )
    assert (second.offset, second.key, second.value, list(second.headers)) == (1, b"gone", None, [])
    assert second.timestamp >= first.timestamp


def test_nothing_is_seen_before_the_commit_or_after_an_abort(client: Client) -> None:
    topic = create(client)
    with (
        closing(client.outbox("abort-" + topic)) as outbox,
        closing(Member(client, topic, group=group()).inbox) as inbox,
    ):
        outbox.begin()
        outbox.send(topic, b"k", b"open", [])
        polled = [*inbox.poll(10, 0.2), *inbox.poll(10, 0.2)]
        outbox.abort()
        produce(outbox, topic, b"aborted too", commit=False)
        produce(outbox, topic, b"committed")
        assert polled == []
        assert [record.value for record in client.scan(topic)] == [b"committed"]


def test_closing_an_outbox_aborts_its_open_transaction(client: Client) -> None:
    topic = create(client)
    outbox = client.outbox("closed-" + topic)
    outbox.begin()
    outbox.send(topic, b"k", b"never", [])
    outbox.close()
    write(client, topic, b"seen")
    assert [record.value for record in client.scan(topic)] == [b"seen"]


def test_one_outbox_writes_many_transactions_and_empty_ones(client: Client) -> None:
    topic = create(client, partitions=3)
    with closing(client.outbox("many-" + topic)) as outbox:
        for number in range(10):
            produce(outbox, topic, *(f"{number}-{i}".encode() for i in range(7)))
            produce(outbox, topic)
    assert len(list(client.scan(topic))) == 70


def test_a_committed_transaction_knows_where_its_records_are(client: Client) -> None:
    topic = create(client, partitions=3)
    with closing(client.outbox("spans-" + topic)) as outbox:
        produce(outbox, topic, *(f"before {number}".encode() for number in range(10)))
        produce(outbox, topic, b"aborted", commit=False)
        produce(outbox, topic, *(f"after {number}".encode() for number in range(30)))
        spans = outbox.spans()
        stored: dict[TopicPartition, list[int]] = {}
        for record in client.scan(topic):
            if (record.value or b"").startswith(b"after"):
                place = TopicPartition(record.topic, record.partition)
                stored.setdefault(place, []).append(record.offset)
        assert len(stored) > 1
        assert spans == {
            place: Span(min(offsets), max(offsets), len(offsets))
            for place, offsets in stored.items()
        }
        produce(outbox, topic)
        assert outbox.spans() == {}


def test_a_span_without_an_offset_that_kafka_did_not_say_keeps_the_others() -> None:
    assert Span(-1, -1, 1).and_at(5) == Span(5, 5, 2)
    assert Span(4, 5, 2).and_at(-1) == Span(4, 5, 3)
    assert Span(4, 5, 2).and_at(2) == Span(2, 5, 3)


def test_a_newer_owner_fences_the_older_one_and_aborts_what_it_left_open(client: Client) -> None:
    topic = create(client)
    name = "fenced-" + topic
    old = client.outbox(name)
    produce(old, topic, b"before")
    old.begin()
    old.send(topic, b"k", b"lost", [])
    with closing(client.outbox(name)) as new:
        with pytest.raises(FencedError, match=name):
            old.commit()
        with pytest.raises(FencedError, match=name):
            produce(old, topic, b"lost too")
        old.close()
        produce(new, topic, b"after")
    assert [record.value for record in client.scan(topic)] == [b"before", b"after"]


def test_an_older_owner_with_records_under_way_cannot_bring_itself_back(real: Client) -> None:
    topic = create(real)
    name = "zombie-" + topic
    old = real.outbox(name)
    old.begin()
    old.send(topic, b"k", b"lost", [])
    wait_until_kafka_holds(real, topic, 1)
    with closing(real.outbox(name)) as new:
        new.begin()
        with pytest.raises(FencedError):
            send_and_commit(old, *((topic, b"%d" % number) for number in range(100)))
        old.close()
        new.send(topic, b"k", b"mine", [])
        new.commit()
    assert [record.value for record in real.scan(topic)] == [b"mine"]


def test_a_record_larger_than_the_topic_takes_is_refused_and_the_outbox_goes_on(
    client: Client,
) -> None:
    topic = create(client, max_message_bytes="20000")
    with closing(client.outbox("large-" + topic)) as outbox:
        outbox.begin()
        outbox.send(topic, b"k", b"aborted", [])
        with pytest.raises(KafkaError, match=rf"topic (acme\.)?{topic}: .*MSG_SIZE_TOO_LARGE"):
            outbox.send(topic, b"k", os.urandom(20_001), [])
        outbox.abort()
        produce(outbox, topic, b"fits")
        with closing(client.admin()) as admin:
            admin.configure(topic, {"max.message.bytes": "40000"})
        produce(outbox, topic, os.urandom(20_001))
    assert [len(record.value or b"") for record in client.scan(topic)] == [4, 20_001]


def test_a_topic_that_does_not_exist_is_refused_by_name_and_the_outbox_goes_on(
    client: Client,
) -> None:
    topic = create(client)
    with closing(client.outbox("unknown-" + topic)) as outbox:
        outbox.begin()
        with pytest.raises(KafkaError, match=r"no-such-topic: .*pixstream topics apply"):
            outbox.send("no-such-topic", b"k", b"v", [])
        produce(outbox, topic, b"fine")
    assert [record.value for record in client.scan(topic)] == [b"fine"]


def test_a_topic_deleted_under_an_outbox_fails_the_transaction_whole(real: Client) -> None:
    kept, gone = create(real), create(real)
    with closing(real.outbox("gone-" + kept)) as outbox, closing(real.admin()) as admin:
        produce(outbox, gone, b"x")
        admin.delete(gone)
        outbox.begin()
        with pytest.raises((KafkaError, Transient)):
            send_and_commit(outbox, (kept, b"with it"), (gone, b"not taken"))
    with closing(real.outbox("gone-" + kept)) as outbox, pytest.raises(KafkaError):
        produce(outbox, gone, b"x")
    assert list(real.scan(kept)) == []


@pytest.mark.parametrize("codec", ["none", "gzip", "lz4", "zstd"])
@pytest.mark.parametrize("library", REAL)
def test_every_codec_is_read_by_the_other_library(
    library: Library, codec: str, broker: str
) -> None:
    (other,) = set(LIBRARIES) - {library}
    values = [f"{i} pix pix pix pix".encode() * 20 for i in range(50)]
    writer = connect(settings(library, broker, compression=codec))
    topic = create(writer)
    write(writer, topic, *values)
    assert [r.value for r in connect(settings(other, broker)).scan(topic)] == values


@pytest.mark.broker
@pytest.mark.skipif(find_spec("snappy") is not None, reason="kafka-python has snappy here")
def test_a_codec_without_its_package_is_named(broker: str) -> None:
    with pytest.raises(KafkaError, match=r"kafka-python cannot compress with snappy.*lz4"):
        connect(settings("kafka-python", broker, compression="snappy")).outbox("snappy")


@pytest.mark.broker
def test_both_libraries_put_a_key_into_the_same_partition(broker: str) -> None:
    placed: dict[str, dict[bytes | None, int]] = {}
    for library in LIBRARIES:
        client = connect(settings(library, broker))
        topic = create(client, partitions=7)
        write(client, topic, *(f"E2E{i:029}".encode() for i in range(100)))
        placed[library] = {record.key: record.partition for record in client.scan(topic)}
    assert placed["confluent"] == placed["kafka-python"]
    assert all(
        partition == partition_of(key or b"", 7) for key, partition in placed["confluent"].items()
    )


def test_a_letter_of_12_mib_passes(real: Client) -> None:
    topic = create(real, max_message_bytes=str(14 * 2**20))
    letters = [os.urandom(12 * 2**20 - 20), b"small", os.urandom(12 * 2**20 - 20)]
    member = Member(real, topic, group=group())
    with closing(member.inbox), closing(real.outbox("letter-" + topic)) as outbox:
        for letter in letters:
            produce(outbox, topic, letter)
        until(lambda: len(member.records) == 3, member)
    assert member.values == letters


def test_more_than_the_clients_queue_is_sent_without_loss(real: Client) -> None:
    topic = create(real, partitions=4)
    values = [os.urandom(60_000) for _ in range(1500)]  # 90 MB
    write(real, topic, *values)
    assert sorted(r.value or b"" for r in real.scan(topic)) == sorted(values)


# --- reading -----------------------------------------------------------------------------------


def test_positions_pass_markers_so_that_an_idle_topic_has_no_lag(client: Client) -> None:
    topic = create(client, partitions=2)
    member = Member(client, topic, group=group())
    with (
        closing(member.inbox) as inbox,
        closing(client.admin()) as admin,
        closing(client.outbox("lag-" + topic)) as outbox,
    ):
        until(lambda: len(member.owned) == 2, member)
        assert set(inbox.positions().values()) == {0}
        produce(outbox, topic, b"a", b"b", b"c", b"d")
        produce(outbox, topic, b"e", b"f", b"g", commit=False)
        until(lambda: inbox.positions() == admin.end_offsets([topic]), member)
        assert sum(inbox.positions().values()) > len(member.records) == 4


def test_the_last_stable_offset_is_the_end(real: Client) -> None:
    topic = create(real)
    with (
        closing(real.admin()) as admin,
        closing(real.outbox("stable-" + topic)) as outbox,
        closing(real.outbox("open-" + topic)) as other,
    ):
        produce(outbox, topic, b"a")
        wait_for_end(real, topic, 2)
        (before,) = admin.end_offsets([topic]).values()
        other.begin()
        other.send(topic, b"k", b"open", [])
        wait_until_kafka_holds(real, topic, 3)
        produce(outbox, topic, b"b")
        (meanwhile,) = admin.end_offsets([topic]).values()
        other.commit()
        wait_for_end(real, topic, 6)
    assert (before, meanwhile) == (2, 2)


def test_the_listeners_offsets_are_where_reading_starts(client: Client) -> None:
    topic = create(client)
    write(client, topic, *(b"%d" % i for i in range(10)))
    member = Member(client, topic, group=group(), start=lambda _: 7)
    with closing(member.inbox):
        until(lambda: len(member.records) == 3, member)
    assert [record.offset for record in member.records] == [7, 8, 9]
    assert member.committed == {}


def test_an_error_of_the_listener_is_raised_by_poll_and_nothing_is_read(client: Client) -> None:
    topic = create(client)
    write(client, topic, b"never read")

    def refuse(_: TopicIdPartition) -> int:
        raise TopicChangedError("the table remembers another topic")

    with closing(Member(client, topic, group=group(), start=refuse).inbox) as inbox:
        for _ in range(2):
            with pytest.raises(TopicChangedError, match="another topic"):
                poll_for(inbox)


def test_a_listener_that_cannot_answer_now_is_asked_again(client: Client) -> None:
    topic = create(client)
    write(client, topic, b"a", b"b")
    asked: list[TopicIdPartition] = []

    def answer_the_third_time(partition: TopicIdPartition) -> int:
        asked.append(partition)
        if len(asked) < 3:
            raise Transient("the table does not answer now")
        return 1

    member = Member(client, topic, group=group(), start=answer_the_third_time)
    with closing(member.inbox) as inbox:
        for _ in range(2):
            with pytest.raises(Transient, match="the table"):
                poll_for(inbox)
        assert inbox.positions() == {}
        until(lambda: len(member.records) == 1, member)
        assert set(inbox.positions()) == set(asked)
    assert member.values == [b"b"]


def poll_for(inbox: Inbox) -> Sequence[Record]:
    return wait_for(lambda: inbox.poll(100, 0.1), every=0)


def test_a_poll_gives_at_most_what_was_asked_for_and_at_once(client: Client) -> None:
    topic = create(client)
    write(client, topic, *(b"%d" % i for i in range(10)))
    with closing(Member(client, topic, group=group()).inbox) as inbox:
        assert len(poll_for(inbox)) <= 100
        for partition in inbox.positions():
            inbox.seek({partition: 2})
        began = time.monotonic()
        first = inbox.poll(3, 20.0)
        assert time.monotonic() - began < 10
        assert 0 < len(first) <= 3
        assert [record.offset for record in first] == list(range(2, 2 + len(first)))


def test_seek_goes_back_and_positions_follow(client: Client) -> None:
    topic = create(client)
    write(client, topic, *(b"%d" % i for i in range(5)))
    member = Member(client, topic, group=group())
    with closing(member.inbox) as inbox:
        until(lambda: len(member.records) == 5, member)
        (partition,) = inbox.positions()
        inbox.seek({partition: 3})
        assert inbox.positions() == {partition: 3}
        until(lambda: len(member.records) == 7, member)
        inbox.seek({partition._replace(partition=9): 1})
    assert [record.offset for record in member.records] == [0, 1, 2, 3, 4, 3, 4]


def test_paused_nothing_comes_and_nothing_is_skipped(client: Client) -> None:
    topic = create(client, partitions=2)
    member = Member(client, topic, group=group())
    with closing(member.inbox) as inbox, closing(client.outbox("pause-" + topic)) as outbox:
        produce(outbox, topic, *(b"%d" % i for i in range(20)))
        until(lambda: len(member.records) == 20, member)
        inbox.pause()
        before = inbox.positions()
        produce(outbox, topic, *(b"%d" % i for i in range(20, 40)))
        for _ in range(5):
            member.poll(0.2)
        assert len(member.records) == 20
        assert inbox.positions() == before
        inbox.resume()
        until(lambda: len(member.records) == 40, member)
    assert {int(value or b"") for value in member.values} == set(range(40))


def test_committed_offsets_are_the_groups_and_come_back_to_the_listener(client: Client) -> None:
    topic, name = create(client), group()
    write(client, topic, b"a", b"b", b"c")
    member = Member(client, topic, group=name)
    with closing(client.admin()) as admin:
        until(lambda: len(member.records) == 3, member)
        (partition,) = member.inbox.positions()
        member.inbox.commit({partition: 2, partition._replace(partition=5): 9})
        member.inbox.commit({})
        assert admin.group_offsets(name) == {TopicPartition(topic, 0): 2}
        assert admin.group_offsets("nobody-" + name) == {}
        member.inbox.close()
        again = Member(client, topic, group=name)
        with closing(again.inbox):
            until(lambda: len(again.records) == 1, again)
    assert again.committed == {partition: 2}
    assert again.values == [b"c"]


def test_a_closed_member_that_comes_back_gets_its_partitions_and_nobody_is_disturbed(
    real: Client,
) -> None:
    topic, name = create(real, partitions=4), group()
    one = Member(real, topic, group=name, name="one")
    two = Member(real, topic, group=name, name="two")
    until(lambda: len(one.owned) == len(two.owned) == 2, one, two)
    owned, before = set(one.owned), (len(two.assigned), len(two.revoked))
    one.inbox.close()
    back = Member(real, topic, group=name, name="one")
    with closing(back.inbox), closing(two.inbox):
        until(lambda: back.owned == owned, back, two)
        write(real, topic, *(b"%d" % i for i in range(40)))
        until(lambda: len(back.records) + len(two.records) == 40, back, two)
    assert (len(two.assigned), len(two.revoked)) == before


def test_a_second_member_takes_its_share_after_the_first_let_go(client: Client) -> None:
    topic, name = create(client, partitions=4), group()
    first = Member(client, topic, group=name, name="first")
    with closing(first.inbox), closing(client.outbox("share-" + topic)) as outbox:
        produce(outbox, topic, *(b"%d" % i for i in range(50)))
        until(lambda: len(first.records) == 50, first)
        first.inbox.commit(first.inbox.positions())
        second = Member(client, topic, group=name, name="second")
        with closing(second.inbox):
            until(lambda: len(second.owned) == 2, first, second)
            assert first.owned.isdisjoint(second.owned)
            assert set(first.revoked) >= second.owned
            produce(outbox, topic, *(b"%d" % i for i in range(50, 150)))
            until(lambda: len(first.records) + len(second.records) == 150, first, second)
    numbers = [int(value or b"") for value in [*first.values, *second.values]]
    assert sorted(numbers) == list(range(150))


@pytest.mark.broker
def test_a_partition_that_went_away_while_paused_is_read_when_it_comes_back(
    library: Library, broker: str
) -> None:
    real = connect(settings(library, broker, session_timeout_ms=6000))
    topic, name = create(real, partitions=2), group()
    first = Member(real, topic, group=name, name="first")
    until(lambda: len(first.owned) == 2, first)
    with closing(first.inbox):
        first.inbox.pause()
        second = Member(real, topic, group=name, name="second")
        until(lambda: len(second.owned) == 1, first, second)
        first.inbox.resume()
        second.inbox.close()  # its place is kept until its session expires
        until(lambda: len(first.owned) == 2, first)
        write(real, topic, *(b"%d" % i for i in range(20)))
        until(lambda: len(first.records) == 20, first)


def test_offsets_can_be_committed_while_partitions_are_taken_away(real: Client) -> None:
    topic, name = create(real, partitions=2), group()
    first = Member(real, topic, group=name, name="first")
    until(lambda: len(first.owned) == 2, first)
    write(real, topic, *(b"%d" % i for i in range(20)))
    until(lambda: len(first.records) == 20, first)
    positions = first.inbox.positions()
    revoke = first._on_revoked

    def commit_first(gone: Collection[TopicPartition]) -> None:
        first.inbox.commit(positions)
        revoke(gone)

    first._on_revoked = commit_first  # type: ignore[method-assign]
    first.inbox._listener = Listener(first._on_assigned, commit_first)  # type: ignore[attr-defined]
    second = Member(real, topic, group=name, name="second")
    with closing(first.inbox), closing(second.inbox):
        until(lambda: len(second.owned) == 1, first, second)
        write(real, topic, b"20", b"21", b"22", b"23")
        until(lambda: len(first.records) + len(second.records) == 24, first, second)
    assert set(second.committed.values()) <= set(positions.values())
    assert len(second.committed) == 1


def test_partitions_added_later_are_read_from_where_the_listener_says(client: Client) -> None:
    topic = create(client)
    write(client, topic, b"0")
    member = Member(client, topic, group=group())
    until(lambda: len(member.records) == 1, member)
    member.inbox.close()
    with closing(client.admin()) as admin:
        admin.add_partitions(topic, 3)
        assert admin.topics()[topic].partitions == 3
        with pytest.raises(KafkaError, match="only grow"):
            admin.add_partitions(topic, 2)
    write(client, topic, *(b"%d" % i for i in range(1, 30)))
    again = Member(client, topic, group=group())
    with closing(again.inbox):
        until(lambda: len(again.records) == 30, again)
    assert {p.partition for p in again.assigned} == {0, 1, 2}


@pytest.mark.parametrize("offset", [-1, 99])
def test_an_offset_that_is_not_there_is_never_skipped(client: Client, offset: int) -> None:
    del offset
    topic = create(client)
    write(client, topic, b"a", b"b")
    with closing(Member(client, topic, group=group(), start=lambda _: 99).inbox) as inbox:
        for _ in range(2):
            with pytest.raises(TopicChangedError, match=rf"{topic}.*99.*pixstream offsets set"):
                poll_for(inbox)


def test_a_topic_created_anew_has_another_id_and_stops_its_readers(client: Client) -> None:
    topic = create(client)
    member = Member(client, topic, group=group())
    write(client, topic, b"old", b"old", b"old")
    until(lambda: len(member.records) == 3, member)
    (before,) = member.inbox.positions()
    with closing(client.admin()) as admin, closing(member.inbox) as inbox:
        assert before.topic_id == admin.topics()[topic].topic_id
        admin.delete(topic)
        admin.create(TopicSpec(topic, 1, 1, {}))
        assert admin.topics()[topic].topic_id != before.topic_id
        assert {p.topic_id for p in admin.end_offsets([topic])} != {before.topic_id}
        write(client, topic, *(b"new" for _ in range(20)))
        with pytest.raises(TopicChangedError, match=topic):
            until(lambda: not inbox.positions(), member)


def test_a_topic_created_anew_is_noticed_by_a_member_whose_partitions_are_gone(
    client: Client,
) -> None:
    """A library may revoke a deleted topic's partitions and not see the new topic for minutes."""
    topic, name = create(client), group()
    first = Member(client, topic, group=name, name="b")
    write(client, topic, b"old")
    until(lambda: len(first.records) == 1, first)
    second = Member(
        client, topic, group=name, name="a"
    )  # the first by name gets the only partition
    with closing(client.admin()) as admin, closing(first.inbox) as inbox, closing(second.inbox):
        until(lambda: bool(second.owned) and not first.owned, first, second)
        assert inbox.positions() == {}
        admin.delete(topic)
        admin.create(TopicSpec(topic, 1, 1, {}))
        with pytest.raises(TopicChangedError, match=topic):
            inbox.positions()


def test_a_group_cannot_read_a_topic_that_does_not_exist(client: Client) -> None:
    with pytest.raises(KafkaError, match=r"nowhere: .*pixstream topics apply"):
        Member(client, "nowhere", group=group())


# --- offsets in a transaction -----------------------------------------------------------------


def group_offset(client: Client, name: str, topic: str) -> int | None:
    with closing(client.admin()) as admin:
        return patiently(lambda: admin.group_offsets(name)).get(TopicPartition(topic, 0))


def test_offsets_move_with_the_commit_of_a_transaction_and_only_with_it(client: Client) -> None:
    topic, out, name = create(client), create(client), group()
    write(client, topic, b"a", b"b")
    member = Member(client, topic, group=name)
    with closing(member.inbox) as inbox, closing(client.outbox("move-" + topic)) as outbox:
        until(lambda: len(member.records) == 2, member)
        (place,) = inbox.positions()
        outbox.begin()
        outbox.send(out, b"k", b"given up", [])
        outbox.send_offsets({place: 1}, inbox.membership())
        outbox.abort()
        assert group_offset(client, name, topic) is None
        outbox.begin()
        outbox.send(out, b"k", b"kept", [])
        outbox.send_offsets({place: 2}, inbox.membership())
        outbox.commit()
    back = Member(client, topic, group=name)
    with closing(back.inbox):
        until(lambda: bool(back.assigned), back)
    assert back.committed == {place: 2}
    assert [record.value for record in client.scan(out)] == [b"kept"]


def test_a_replaced_member_moves_no_offset_and_nothing_of_its_transaction_is_seen(
    client: Client,
) -> None:
    topic, out, name = create(client), create(client), group()
    write(client, topic, b"a")
    old = Member(client, topic, group=name)
    with closing(client.outbox("old-" + topic)) as outbox:
        until(lambda: bool(old.records), old)
        (place,) = old.assigned
        membership = old.inbox.membership()
        outbox.begin()
        outbox.send(out, b"k", b"lost", [])
        new = Member(client, topic, group=name)
        with closing(new.inbox):
            until(lambda: bool(new.assigned), new)
            with pytest.raises((FencedError, Transient)):
                outbox.send_offsets({place: 1}, membership)
            old.inbox.close()
            assert group_offset(client, name, topic) is None
    write(client, out, b"and it goes on")
    assert [record.value for record in client.scan(out)] == [b"and it goes on"]


def test_a_member_of_a_former_generation_moves_no_offset(client: Client) -> None:
    topic, name = create(client, partitions=2), group()
    first = Member(client, topic, group=name, name="first")
    with closing(first.inbox) as inbox, closing(client.outbox("former-" + topic)) as outbox:
        until(lambda: len(first.owned) == 2, first)
        former, places = inbox.membership(), dict.fromkeys(inbox.positions(), 0)
        second = Member(client, topic, group=name, name="second")
        with closing(second.inbox):
            until(lambda: len(first.owned) == len(second.owned) == 1, first, second)
            outbox.begin()
            with pytest.raises(Transient):
                outbox.send_offsets(places, former)
            produce(outbox, topic, b"and it goes on")
            outbox.begin()
            outbox.send_offsets(dict.fromkeys(inbox.positions(), 0), inbox.membership())
            outbox.commit()


def test_where_a_transaction_moves_the_offset_a_new_owner_waits_for_its_end(
    client: Client,
) -> None:
    topic, name = create(client), group()
    write(client, topic, b"a", b"b")
    old = Member(client, topic, group=name)
    outbox = client.outbox("pending-" + topic)
    until(lambda: len(old.records) == 2, old)
    (place,) = old.assigned
    outbox.begin()
    outbox.send_offsets({place: 2}, old.inbox.membership())
    new = Member(client, topic, group=name)
    with closing(new.inbox):
        with pytest.raises(Transient):
            until(lambda: bool(new.assigned), new)
        outbox.commit()
        outbox.close()
        old.inbox.close()
        until(lambda: bool(new.assigned), new)
    assert new.committed == {place: 2}


# --- reading to the end without a group --------------------------------------------------------


def test_load_gives_the_last_committed_value_per_key(client: Client) -> None:
    topic = create(client, partitions=2, cleanup_policy="compact")
    with closing(client.outbox("load-" + topic)) as outbox:
        outbox.begin()
        for key, value in [("a/1", b"1"), ("a/2", b"2"), ("b/1", b"3"), ("a/1", b"4")]:
            outbox.send(topic, key.encode(), value, [])
        outbox.commit()
        outbox.begin()
        outbox.send(topic, b"a/3", b"5", [])
        outbox.send(topic, b"a/2", None, [])
        outbox.commit()
        outbox.begin()
        outbox.send(topic, b"a/1", b"aborted", [])
        outbox.abort()
        assert client.load(topic, "a/") == {"a/1": b"4", "a/3": b"5"}
        assert client.load(topic, "") == {"a/1": b"4", "a/3": b"5", "b/1": b"3"}


def test_an_empty_topic_loads_as_nothing_and_an_unknown_one_is_an_error(client: Client) -> None:
    topic = create(client, cleanup_policy="compact")
    assert client.load(topic, "") == {}
    assert list(client.scan(topic)) == []
    with pytest.raises(KafkaError, match="nowhere"):
        client.load("nowhere", "")


def test_load_waits_for_what_is_committed_behind_an_open_transaction(real: Client) -> None:
    topic = create(real, cleanup_policy="compact")
    with (
        closing(real.outbox("slow-" + topic)) as slow,
        closing(real.outbox("quick-" + topic)) as quick,
    ):
        slow.begin()
        slow.send(topic, b"slow", b"1", [])
        wait_until_kafka_holds(real, topic, 1)
        produce(quick, topic, b"quick")
        ends = threading.Timer(1.0, slow.commit)
        ends.start()
        assert real.load(topic, "") == {"slow": b"1", "quick": b"quick"}
        ends.join()


def test_a_range_of_offsets_is_read_without_what_is_before_and_after_it(client: Client) -> None:
    topic = create(client, partitions=2)
    with closing(client.outbox("between-" + topic)) as outbox:
        for number in range(8):
            outbox.begin()
            outbox.send(topic, b"one", b"%d" % number, [("n", b"1")])
            outbox.send(topic, b"other", b"%d" % number, [])
            outbox.commit() if number != 4 else outbox.abort()
    everything = list(client.scan(topic))
    ones = [record for record in everything if record.key == b"one"]
    place = ones[0].partition
    here = [record for record in everything if record.partition == place]
    first, stop = ones[2].offset, ones[5].offset
    wanted = [record for record in here if first <= record.offset < stop]
    assert [*client.between(topic, {place: (first, stop)})] == wanted
    assert [*client.between(topic, {place: (first, stop)}, {b"one"})] == ones[2:5]
    everywhere = {0: (0, 10**9), 1: (0, 10**9)}
    found = client.between(topic, everywhere, {b"one", b"other"})
    assert sorted(found) == sorted(everything)
    assert [*client.between(topic, everywhere, set())] == []
    assert [*client.between(topic, {place: (stop, first)})] == []
    assert [*client.between(topic, {})] == []


def test_a_range_of_what_is_not_there_is_refused(client: Client) -> None:
    topic = create(client, partitions=2)
    with pytest.raises(KafkaError, match=f"{topic} has no partition 2: it has 2"):
        list(client.between(topic, {2: (0, 1)}))
    with pytest.raises(KafkaError, match="nowhere"):
        list(client.between("nowhere", {0: (0, 1)}))


def test_a_range_stops_before_an_open_transaction(real: Client) -> None:
    topic = create(real)
    write(real, topic, b"committed")
    with closing(real.outbox("open-" + topic)) as outbox:
        outbox.begin()
        outbox.send(topic, b"k", b"open", [])
        wait_until_kafka_holds(real, topic, 3)
        found = list(real.between(topic, {0: (0, 100)}))
        assert [record.value for record in found] == [b"committed"]
        outbox.abort()


# --- administration ----------------------------------------------------------------------------


def test_topics_show_what_was_set_and_nothing_else(client: Client) -> None:
    topic = create(client, partitions=3, retention_ms="86400000")
    with closing(client.admin()) as admin:
        state = admin.topics()[topic]
        assert (state.name, state.partitions, state.replication) == (topic, 3, 1)
        assert state.config == {"retention.ms": "86400000"}
        admin.configure(topic, {"cleanup.policy": "compact"})
        assert admin.topics()[topic].config == {
            "retention.ms": "86400000",
            "cleanup.policy": "compact",
        }
        assert not any(name.startswith("__") for name in admin.topics())
        admin.delete(topic)
        assert topic not in admin.topics()


def test_what_the_broker_refuses_is_said_in_our_words(client: Client) -> None:
    topic = create(client)
    with closing(client.admin()) as admin:
        with pytest.raises(KafkaError, match=f"{topic}.*already exists"):
            admin.create(TopicSpec(topic, 1, 1, {}))
        for refused in (
            lambda: admin.delete("nowhere"),
            lambda: admin.add_partitions("nowhere", 3),
            lambda: admin.configure("nowhere", {"retention.ms": "1"}),
            lambda: admin.end_offsets(["nowhere"]),
        ):
            with pytest.raises(KafkaError, match=r"nowhere.*pixstream topics apply"):
                refused()


@pytest.mark.parametrize("library", REAL)
def test_settings_that_kafka_does_not_know_are_refused(library: Library, broker: str) -> None:
    with closing(connect(settings(library, broker)).admin()) as admin:
        with pytest.raises(KafkaError, match=r"nope.*INVALID_CONFIG"):
            admin.create(TopicSpec("refused", 1, 1, {"nope": "1"}))
        with pytest.raises(KafkaError, match="fewer brokers"):
            admin.create(TopicSpec("refused", 1, 3, {}))


def test_beginning_and_end_of_an_untouched_topic(client: Client) -> None:
    topic = create(client, partitions=2)
    with closing(client.admin()) as admin:
        ends = admin.end_offsets([topic])
        assert ends == admin.beginning_offsets([topic])
        assert {(p.topic, p.partition, offset) for p, offset in ends.items()} == {
            (topic, 0, 0),
            (topic, 1, 0),
        }
        assert admin.end_offsets([]) == {}


@pytest.mark.broker
def test_both_libraries_name_clusters_and_topics_alike(broker: str) -> None:
    admins = [connect(settings(library, broker)).admin() for library in LIBRARIES]
    for number in range(20):  # so many that some id holds each character of its alphabet
        create(connect(settings("confluent", broker)), 1 + number % 2, retention_ms="5000")
    one, other = admins
    assert one.cluster_id() == other.cluster_id()
    assert one.topics() == other.topics()
    for admin in admins:
        admin.close()


def test_offsets_of_a_time_are_those_of_the_first_record_from_then_on(client: Client) -> None:
    topic = create(client, partitions=2)
    with closing(client.outbox("times-" + topic)) as outbox, closing(client.admin()) as admin:
        for value in (b"a", b"b", b"c"):
            outbox.begin()
            outbox.send(topic, b"the same key", value, [])
            outbox.commit()
            time.sleep(0.02)  # so that each has a time of its own
        records = list(client.scan(topic))
        number = records[0].partition
        at = {p.partition: o for p, o in admin.offsets_at([topic], records[1].timestamp).items()}
        assert at[number] == (records[1].offset if records[1].timestamp else 0)
        assert at[1 - number] == 0
        assert admin.offsets_at([topic], 0) == admin.beginning_offsets([topic])
        wait_for_end(client, topic, records[2].offset + 2)
        late = records[2].timestamp + 3_600_000
        assert admin.offsets_at([topic], late) == admin.end_offsets([topic])
        assert admin.offsets_at([], late) == {}


def test_offsets_of_a_group_are_set_while_nobody_is_in_it_and_only_then(client: Client) -> None:
    topic, name = create(client, partitions=2), group()
    write(client, topic, *(b"%d" % i for i in range(20)))
    with closing(client.admin()) as admin:
        admin.set_group_offsets(name, {TopicPartition(topic, 0): 3, TopicPartition(topic, 1): 0})
        assert patiently(lambda: admin.group_members(name)) == []
        admin.set_group_offsets(name, {TopicPartition(topic, 0): 1})
        admin.set_group_offsets(name, {})
        wanted = {TopicPartition(topic, 0): 1, TopicPartition(topic, 1): 0}
        assert admin.group_offsets(name) == wanted
        member = Member(client, topic, group=name, name="static-member")
        with closing(member.inbox):
            until(lambda: len(member.owned) == 2, member)
            assert {p.partition: at for p, at in member.committed.items()} == {0: 1, 1: 0}
            assert admin.group_members(name) == ["static-member"]
            with pytest.raises(KafkaError, match=rf"{name}.*the group has members"):
                admin.set_group_offsets(name, {TopicPartition(topic, 0): 0})
            assert admin.group_offsets(name) == wanted
        assert admin.group_members(name) == ["static-member"]  # until its session expires
        with pytest.raises(KafkaError, match=r"pixstream topics apply"):
            admin.set_group_offsets("other-" + name, {TopicPartition("nowhere", 0): 0})


def test_what_a_group_committed_of_a_topic_goes_with_the_topic(client: Client) -> None:
    topic, name = create(client), group()
    with closing(client.admin()) as admin:
        admin.set_group_offsets(name, {TopicPartition(topic, 0): 0})
        admin.delete(topic)
        admin.create(TopicSpec(topic, 1, 1, {}))
        wait_for(lambda: not admin.group_offsets(name))


# --- reaching the broker -----------------------------------------------------------------------


@pytest.fixture(params=LIBRARIES)
def library(request: pytest.FixtureRequest) -> Library:
    return cast("Library", request.param)


def test_nobody_listens_and_that_is_said_soon(library: Library, unused_port: int) -> None:
    client = connect(settings(library, f"127.0.0.1:{unused_port}"))
    began = time.monotonic()
    with (
        closing(client.admin()) as admin,
        pytest.raises(KafkaError, match=f"no broker answers at 127.0.0.1:{unused_port}"),
    ):
        admin.cluster_id()
    listener = Listener(lambda _new, _old: {}, lambda _gone: None)
    for attempt in (
        lambda: client.outbox("nobody"),
        lambda: client.inbox(group="g", topics=["t"], member="m", listener=listener),
        lambda: client.load("t", ""),
        lambda: client.admin().topics(),
    ):
        with pytest.raises(Transient, match=f"no broker answers at 127.0.0.1:{unused_port}"):
            attempt()
    assert time.monotonic() - began < 10


@pytest.fixture
def unused_port() -> Iterator[int]:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        yield held.getsockname()[1]


@pytest.mark.broker
def test_user_and_password_let_in_and_wrong_ones_are_named(
    library: Library, secure_broker: Mapping[str, str]
) -> None:
    good = Sasl(
        mechanism="PLAIN",
        username=secure_broker["username"],
        password=secure_broker["password"],
    )
    bad = Sasl(mechanism="PLAIN", username=secure_broker["username"], password="not-this-one")
    address = secure_broker["SASL_PLAINTEXT"]
    secure = {"security_protocol": "SASL_PLAINTEXT"}
    with closing(connect(settings(library, address, sasl=good, **secure)).admin()) as admin:
        assert len(admin.cluster_id()) == 22
    refused = connect(settings(library, address, sasl=bad, request_timeout_ms=3000, **secure))
    with (
        closing(refused.admin()) as admin,
        pytest.raises(KafkaError, match="rejects the user name or password") as raised,
    ):
        admin.cluster_id()
    assert "not-this-one" not in str(raised.value)
    with pytest.raises(KafkaError, match="rejects the user name or password"):
        refused.outbox("nobody")


@pytest.mark.broker
@pytest.mark.parametrize("protocol", ["SSL", "SASL_SSL"])
def test_tls_with_pem_files(
    library: Library, protocol: str, secure_broker: Mapping[str, str]
) -> None:
    tls = {
        "security_protocol": protocol,
        "sasl": Sasl(
            mechanism="PLAIN",
            username=secure_broker["username"],
            password=secure_broker["password"],
        ),
    }
    address = secure_broker[protocol]
    trusting = settings(library, address, tls=Tls(ca_file=secure_broker["ca_file"]), **tls)
    with closing(connect(trusting).admin()) as admin:
        assert len(admin.cluster_id()) == 22
    strange = connect(settings(library, address, **tls))
    with (
        closing(strange.admin()) as admin,
        pytest.raises(KafkaError, match=f"TLS with {address} fails"),
    ):
        admin.cluster_id()
    with (
        closing(connect(settings(library, address, tls=Tls(ca_file="no.pem"), **tls)).admin()) as a,
        pytest.raises(KafkaError, match=r"kafka\.tls.*no\.pem"),
    ):
        a.cluster_id()


@pytest.mark.broker
def test_a_user_without_permission_reads_what_is_missing(
    library: Library, secure_broker: Mapping[str, str]
) -> None:
    root = connect(settings(library, secure_broker["PLAINTEXT"]))
    topic = create(root)
    user = connect(
        settings(
            library,
            secure_broker["SASL_PLAINTEXT"],
            security_protocol="SASL_PLAINTEXT",
            sasl=Sasl(
                mechanism="PLAIN",
                username=secure_broker["username"],
                password=secure_broker["password"],
            ),
        )
    )
    with pytest.raises(KafkaError, match=r"pixstream topics acls.*AUTHORIZATION_FAILED"):
        user.outbox("not-allowed")
    with pytest.raises(KafkaError, match=f"{topic}.*pixstream topics"):
        Member(user, topic, group=group())


@pytest.mark.broker
def test_a_broker_that_goes_away_is_waited_for_and_nothing_is_lost(
    library: Library, broker_control: EmbeddedBroker
) -> None:
    impatient = {"request_timeout_ms": 4000, "transaction_timeout_ms": 4000}
    client = connect(settings(library, broker_control.start(), **impatient))
    topic, name = create(client), group()
    member = Member(client, topic, group=name)
    with closing(client.outbox("away-" + topic)) as outbox:
        produce(outbox, topic, b"before")
        until(lambda: len(member.records) == 1, member)
        broker_control.stop()
        began = time.monotonic()
        with pytest.raises(Transient, match="tried again"):
            produce(outbox, topic, b"meanwhile")
        assert time.monotonic() - began < 40
        broker_control.start()
    produce_until_it_works(client, "away-" + topic, topic, b"after")
    try:
        until_read_on(member, b"after")
    except FencedError:  # by its own former self: it has to start again, as its process would
        member.inbox.close()
        member = Member(client, topic, group=name)
        until_read_on(member, b"after")
    member.inbox.close()
    # Nothing was committed, so a member whose session expired meanwhile reads from the start again.
    assert list(dict.fromkeys(member.values)) == [b"before", b"after"]
    assert [record.value for record in client.scan(topic)] == [b"before", b"after"]


def until_read_on(member: Member, value: bytes) -> None:
    def read() -> bool:
        with suppress(Transient):
            member.poll()
        return value in member.values

    wait_for(read, every=0)


def produce_until_it_works(client: Client, name: str, topic: str, value: bytes) -> None:
    def works() -> bool:
        try:
            with closing(client.outbox(name)) as outbox:
                produce(outbox, topic, value)
        except Transient:
            return False
        return True

    wait_for(works, every=0)


@pytest.mark.broker
def test_a_broker_that_goes_away_between_two_questions_of_an_inbox_is_waited_for(
    broker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = connect(settings("kafka-python", broker))
    topic = create(client)
    import kafka  # not before: it warns where our client silences it

    def gone(*_: object) -> None:
        raise kafka.errors.KafkaConnectionError("gone")

    monkeypatch.setattr(kafka.KafkaConsumer, "partitions_for_topic", gone)
    with pytest.raises(Transient):
        Member(client, topic, group=group())
