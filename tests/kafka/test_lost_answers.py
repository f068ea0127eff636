"""Kafka takes what a client sends, and the connection breaks before the client hears of it."""

import itertools
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from typing import TYPE_CHECKING, NamedTuple, cast

import pytest

from pixstream.errors import FencedError, KafkaError, PixstreamError, Transient
from pixstream.kafka import connect
from pixstream.kafka.ports import Client, Listener, Outbox, TopicPartition, TopicSpec
from pixstream.kafka.settings import KafkaSettings
from pixstream.kafka.transactions import Writer
from pixstream.lab.chaos.proxy import Proxy
from pixstream.testing.waiting import wait_for

if TYPE_CHECKING:
    from pixstream.kafka.confluent.admin import ConfluentAdmin
    from pixstream.kafka.kafka_python.admin import KafkaPythonAdmin

pytestmark = pytest.mark.broker

TRANSACTION_SECONDS = 4.0
GIVEN_UP = (Transient, FencedError)
"""After these a new writer takes over; Kafka fences whom it had to wait for for too long."""


class Line(NamedTuple):
    """A broker behind a proxy.

    Attributes:
        proxy: on the way of `client`.
        direct: reaches the broker past the proxy.
        client: the client under test.
        hasty: the same, waiting for no more than a second.
    """

    proxy: Proxy
    direct: Client
    client: Client
    hasty: Client


@pytest.fixture(params=["confluent", "kafka-python"])
def line(request: pytest.FixtureRequest, broker_behind_proxy: tuple[Proxy, str]) -> Iterator[Line]:
    proxy, address = broker_behind_proxy

    def reach(address: str, seconds: float = TRANSACTION_SECONDS) -> Client:
        milliseconds = round(seconds * 1000)
        return connect(
            KafkaSettings(
                client=request.param,
                bootstrap_servers=address,
                linger_ms=5,
                request_timeout_ms=milliseconds,
                transaction_timeout_ms=milliseconds,
            )
        )

    through = f"127.0.0.1:{proxy.port}"
    yield Line(proxy, reach(address), reach(through), reach(through, 1.0))
    proxy.silent = proxy.refusing = False
    proxy.fuse = None


@pytest.fixture
def topic(line: Line) -> str:
    name = f"lost-{uuid.uuid4().hex[:12]}"
    with closing(line.direct.admin()) as admin:
        admin.create(TopicSpec(name, 1, 1, {}))
    return name


def held(line: Line, topic: str) -> int:
    admin = cast("ConfluentAdmin | KafkaPythonAdmin", line.direct.admin())
    with closing(admin):
        return sum(admin.uncommitted_ends(topic).values())


def until(done: Callable[[], bool]) -> None:
    wait_for(done)


def send_unanswered(line: Line, outbox: Outbox, topic: str) -> None:
    """Let a transaction be open, and two of its records be in Kafka without the client's knowing.

    Nothing reaches Kafka after it.
    """
    before = held(line, topic)
    outbox.begin()
    outbox.send(topic, b"k", b"answered", ())
    until(lambda: held(line, topic) == before + 1)
    time.sleep(0.2)  # for the answer
    line.proxy.silent = True
    outbox.send(topic, b"k", b"unanswered 1", ())
    outbox.send(topic, b"k", b"unanswered 2", ())
    until(lambda: held(line, topic) == before + 3)
    line.proxy.refusing = True
    line.proxy.cut()
    line.proxy.silent = False


def open_line(line: Line, seconds: float) -> None:
    def restore() -> None:
        line.proxy.refusing = False

    threading.Timer(seconds, restore).start()


@pytest.mark.parametrize("seconds", [0.5, TRANSACTION_SECONDS + 3])
def test_what_follows_an_abort_is_not_taken_for_what_kafka_had_taken_before_it(
    line: Line, topic: str, seconds: float
) -> None:
    """Lost silently with librdkafka 2.16: the abort gave the sequence numbers to the next records.

    A broker that is away for longer than the transaction's timeout is the second case: records
    time out, and the transaction is aborted by the broker.
    """
    name = f"lost-answers-{topic}"
    outbox = line.client.outbox(name)
    outbox.begin()
    outbox.send(topic, b"k", b"first", ())
    outbox.commit()
    until(lambda: held(line, topic) == 2)  # with the commit's marker
    send_unanswered(line, outbox, topic)
    open_line(line, seconds)
    with suppress(*GIVEN_UP):
        outbox.abort()
    if seconds > TRANSACTION_SECONDS:  # records were given up: no transaction follows on it
        with pytest.raises(GIVEN_UP):
            outbox.begin()

    def committed() -> bool:
        nonlocal outbox
        try:
            outbox.begin()
            outbox.send(topic, b"k", b"again 1", ())
            outbox.send(topic, b"k", b"again 2", ())
            outbox.commit()
        except GIVEN_UP:
            outbox.close()
            outbox = wait_for(lambda: reopened(line, name), every=0.2)
            return False
        return True

    wait_for(committed)
    outbox.close()
    values = [record.value for record in line.direct.scan(topic)]
    assert values == [b"first", b"again 1", b"again 2"]


def reopened(line: Line, name: str) -> Outbox | None:
    """Another writer in its place, as every owner opens one; None: not yet."""
    with suppress(PixstreamError):
        return line.client.outbox(name)
    return None


def test_records_without_an_answer_are_repeated_and_are_there_once(line: Line, topic: str) -> None:
    with closing(line.client.outbox(f"lost-answers-{topic}")) as outbox:
        send_unanswered(line, outbox, topic)
        open_line(line, 0.5)
        outbox.commit()
    values = [record.value for record in line.direct.scan(topic)]
    assert values == [b"answered", b"unanswered 1", b"unanswered 2"]


def scan(client: Client, topic: str, _: str) -> object:
    return [record.value for record in client.scan(topic)]


def read_as_a_member(client: Client, topic: str, group: str) -> object:
    """From the committed offset on."""
    listener = Listener(lambda _, committed: committed, lambda _: None)
    with closing(
        client.inbox(group=group, topics=[topic], member="member", listener=listener)
    ) as inbox:
        found: list[bytes | None] = []
        while not found:
            found += [record.value for record in inbox.poll(100, 0.2)]
            inbox.positions()
    return found


def write(client: Client, topic: str, _: str) -> object:
    with closing(client.outbox(f"fuse-{topic}")) as outbox:
        outbox.begin()
        outbox.send(topic, b"k", b"3", ())
        outbox.commit()
    return None


def ask(client: Client, topic: str, group: str) -> object:
    with closing(client.admin()) as admin:
        (ends,) = admin.end_offsets([topic]).values()
        (begins,) = admin.beginning_offsets([topic]).values()
        (at,) = admin.offsets_at([topic], 0).values()
        (committed,) = admin.group_offsets(group).values()
        return begins, at, committed, ends, admin.topics()[topic].partitions


def commit_one(client: Client, topic: str, name: str) -> None:
    """Let a group have committed offset 1; a new broker has no coordinator for it yet."""

    def done() -> bool:
        with closing(client.admin()) as admin, suppress(Transient):
            admin.set_group_offsets(name, {TopicPartition(topic, 0): 1})
            return True
        return False

    wait_for(done, every=0.1)


@pytest.mark.parametrize(
    ("act", "right"),
    [
        (scan, [b"1", b"2"]),
        (read_as_a_member, [b"2"]),
        (write, None),
        (ask, (0, 0, 1, 3, 1)),
    ],
)
def test_wherever_kafka_goes_away_it_is_an_error_of_ours_and_never_a_wrong_answer(
    line: Line, topic: str, act: Callable[[Client, str, str], object], right: object
) -> None:
    """Cut after each answer of Kafka in turn, until one time nothing is cut.

    kafka-python's own error came out of a scan whose broker went away as it connected, and
    librdkafka's admin client said that a partition ended at -1001: a scan found nothing in it.
    """
    with closing(line.direct.outbox(f"fuse-{topic}")) as outbox:
        outbox.begin()
        for value in (b"1", b"2"):
            outbox.send(topic, b"k", value, ())
        outbox.commit()
    for answers in itertools.count(1):
        commit_one(line.direct, topic, f"{topic}-{answers}")
        line.proxy.fuse, line.proxy.refusing = answers, False
        try:
            assert act(line.hasty, topic, f"{topic}-{answers}") == right
        except (Transient, KafkaError):
            continue
        break
    assert answers > 3


class _Stuck:
    """A producer of the library that never returns from sending offsets."""

    def __init__(self, producer: object, released: threading.Event) -> None:
        self._producer, self._released = producer, released

    def __getattr__(self, name: str) -> object:
        return getattr(self._producer, name)

    def send_offsets_to_transaction(self, *_: object) -> None:
        self._released.wait()


def test_a_library_that_does_not_return_from_sending_offsets_is_replaced(
    line: Line, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """librdkafka 2.16 lost the request in a storm of broken connections, and waited for ever."""
    monkeypatch.setattr("pixstream.kafka.confluent.outbox._STUCK_SECONDS", 0.1)
    released, name = threading.Event(), f"stuck-{topic}"
    writer = Writer(line.hasty, name)
    commit_one(line.direct, topic, name)
    listener = Listener(lambda new, _: dict.fromkeys(new, 0), lambda _: None)
    with (
        closing(writer),
        closing(
            line.hasty.inbox(group=name, topics=[topic], member="a", listener=listener)
        ) as inbox,
    ):
        wait_for(lambda: inbox.poll(1, 0.1) is not None and inbox.positions())

        def moved() -> bool:
            with suppress(Transient), writer.transaction() as transaction:
                transaction.send_offsets(dict.fromkeys(inbox.positions(), 0), inbox.membership())
                return True
            return False

        wait_for(moved)
        producer = writer._outbox._producer  # type: ignore[union-attr]
        writer._outbox._producer = _Stuck(producer, released)  # type: ignore[union-attr]
        with pytest.raises(Transient), writer.transaction() as transaction:
            transaction.send_offsets(dict.fromkeys(inbox.positions(), 0), inbox.membership())
        wait_for(moved)
    released.set()
