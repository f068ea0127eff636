"""Fencing, changes of layout and commits without an answer on a real broker, with both clients."""

import gc
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Self, cast

import pytest

from pixstream.backoff import BackoffSettings
from pixstream.errors import FencedError, KafkaError, Transient
from pixstream.event.record import Headers
from pixstream.kafka import connect
from pixstream.kafka.ports import Client, Outbox
from pixstream.kafka.settings import KafkaSettings
from pixstream.kafka.topics.declared import DEFAULT_TOPICS, declared
from pixstream.lab.broker.embedded import EmbeddedBroker
from pixstream.loops.ownership import Ownership
from pixstream.plugins.component import BatchLimits
from pixstream.testing.waiting import wait_for
from tests.loops import produce_world as kit

pytestmark = pytest.mark.broker
DELIVERED_SECONDS = 0.5
NO_ANSWER_SECONDS = 15.0
"""More than the two timeouts together for which a commit is waited for."""
STREAMS = [f"account-{n}" for n in range(9)]


@pytest.fixture(params=["confluent", pytest.param("kafka-python", marks=pytest.mark.campaign)])
def client(request: pytest.FixtureRequest, broker: str) -> Client:
    made = connect(
        KafkaSettings(
            client=request.param,
            bootstrap_servers=broker,
            linger_ms=5,
            transaction_timeout_ms=8000,
            request_timeout_ms=4000,
        )
    )
    admin = made.admin()
    there = admin.topics()
    for spec in declared(DEFAULT_TOPICS):
        if spec.name not in there:
            admin.create(spec)
    admin.close()
    return made


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A component of its own for each test and client."""
    return f"scripted-{abs(hash(request.node.nodeid)):x}"


class Running:
    """A producer's process, as a thread; it can be held at any place of the source or of Kafka."""

    def __init__(self, client: Client, source: Any, name: str, place: tuple[int, int]) -> None:
        self.error: Exception | None = None
        self.stop = threading.Event()
        self.held_at = ""
        self.is_held = threading.Event()
        self.go_on = threading.Event()
        self.producer = kit.Scripted(replicas=place[0], batch=BatchLimits(rows=4))
        self.producer.name, self.producer.replica = name, place[1]
        self.producer.attach(source, self.gate)
        retry = BackoffSettings(min_seconds=0.2, max_seconds=2.0)
        self.loop = kit.loop_of(self.producer, client, Path("unused"), self.stop, retry=retry)
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.go_on.set()
        self._thread.join()

    def gate(self, place: str) -> None:
        if place == "idle":
            time.sleep(0.01)
        if place == self.held_at and self.producer.heard == []:
            self.is_held.set()
            self.go_on.wait()

    def _run(self) -> None:
        try:
            self.loop.run()
        except Exception as error:  # noqa: BLE001  what ends a process
            self.error = error

    @property
    def ended(self) -> bool:
        return not self._thread.is_alive()


def until(done: Callable[[], bool], *processes: Running) -> None:
    wait_for(done, lambda: [(p.loop.state, p.error, p.loop.counts) for p in processes])


def fill(source: Any, rounds: int) -> None:
    for _ in range(rounds):
        for stream in STREAMS:
            source.append(stream)


def check(client: Client, source: Any, name: str) -> None:
    """Everything is there, once, and the positions say so."""
    assert kit.held(client, name) == source.all()
    assert kit.standing(client, name) == kit.ends(source)


def test_an_owner_of_the_former_layout_in_mid_transaction_is_fenced_by_the_new_one(
    client: Client, name: str
) -> None:
    source = kit.Source()
    fill(source, 2)
    old = Running(client, source, name, (2, 0))
    sent = 0

    def hold_in_the_middle(place: str) -> None:
        nonlocal sent
        sent += place == "read"
        if sent == 3:
            old.is_held.set()
            old.go_on.wait()

    old.producer.gate = hold_in_the_middle
    with old:
        assert old.is_held.wait()
        new = [Running(client, source, name, (3, replica)) for replica in range(3)]
        with new[0], new[1], new[2]:
            until(lambda: sum(len(n.producer.heard) for n in new) == 18, *new)
            old.go_on.set()
            until(lambda: old.ended, old)
            assert isinstance(old.error, FencedError)
            assert old.producer.heard == []
        assert [one.error for one in new] == [None] * 3
    check(client, source, name)


def test_nothing_is_lost_or_doubled_from_1_to_3_to_2_replicas(client: Client, name: str) -> None:
    source = kit.Source()
    running: list[Running] = []

    def come_to_the_end(now: list[Running]) -> bool:
        ready = all(one.loop.state == "ready" for one in now)
        return ready and bool(kit.standing(client, name) == kit.ends(source))

    for replicas in (1, 3, 2):
        fill(source, 2)
        former, running = (
            running,
            [Running(client, source, name, (replicas, n)) for n in range(replicas)],
        )
        for one in running:
            one.__enter__()
        until(partial(come_to_the_end, running), *running)
        for one in former:  # alive until now, and fenced
            one.__exit__()
            assert len(one.producer.heard) <= len(source.all())
    for one in running:
        one.__exit__()
        assert one.error is None
    check(client, source, name)
    assert Ownership(client, name, 2, kit.VAULT).positions().keys() == set(STREAMS)


class Interrupted:
    """A client whose broker is struck while a commit is under way, as often as `strikes` says.

    A number: it is killed so many seconds after the commit began, and started again. "frozen": all
    records are in Kafka, then it is stopped for longer than an answer is waited for, and goes on.
    """

    def __init__(
        self, client: Client, control: EmbeddedBroker, strikes: Sequence[float | str]
    ) -> None:
        self.client, self.control, self.strikes = client, control, list(strikes)
        self.threads: list[threading.Thread] = []

    def outbox(self, transactional_id: str) -> Outbox:
        return _Interrupted(self.client.outbox(transactional_id), self)

    def load(self, topic: str, key_prefix: str) -> Mapping[str, bytes]:
        return self.client.load(topic, key_prefix)

    def strike(self) -> None:
        """Let the next strike take its course."""
        if not self.strikes:
            return
        how = self.strikes.pop(0)
        broker = self.control.status().pid
        assert broker is not None
        if how == "frozen":
            time.sleep(DELIVERED_SECONDS)
            os.kill(broker, signal.SIGSTOP)
            self.threads.append(
                threading.Timer(NO_ANSWER_SECONDS, os.kill, (broker, signal.SIGCONT))
            )
        else:
            self.threads.append(threading.Timer(float(how), self._kill))
        self.threads[-1].start()

    def _kill(self) -> None:
        self.control.kill()
        self.control.start()


class _Interrupted:
    """See `Interrupted`."""

    def __init__(self, outbox: Outbox, of: Interrupted) -> None:
        self._outbox, self._of = outbox, of
        self.begin, self.abort, self.close = outbox.begin, outbox.abort, outbox.close
        self.send_offsets, self.spans = outbox.send_offsets, outbox.spans

    def send(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers) -> None:
        self._outbox.send(topic, key, value, headers)

    def commit(self) -> None:
        self._of.strike()
        self._outbox.commit()


@pytest.fixture
def control(broker_control: EmbeddedBroker) -> Iterator[EmbeddedBroker]:
    """The session's broker, which runs again afterwards."""
    yield broker_control
    broker_control.start()
    gc.collect()


@pytest.mark.parametrize(
    "strikes", [[0.001, 0.006], ["frozen"]], ids=["killed", "frozen until nobody waits any more"]
)
def test_a_broker_that_is_gone_in_mid_commit_loses_and_doubles_nothing(
    client: Client, control: EmbeddedBroker, name: str, strikes: list[float | str]
) -> None:
    source = kit.Source()
    fill(source, 1)
    Ownership(client, name, 1, kit.VAULT).claim()
    struck, frozen = Interrupted(client, control, strikes), "frozen" in strikes
    ends: list[Exception | None] = []

    def arrived() -> bool:
        with suppress(Transient, KafkaError):
            return bool(kit.standing(client, name) == kit.ends(source))
        return False

    while not ends or ends[-1] is not None:  # as a supervisor does
        with Running(cast("Client", struck), source, name, (1, 0)) as one:
            until(lambda: one.ended or (not struck.strikes and arrived()), one)
        assert one.error is None or isinstance(one.error, KafkaError)
        ends.append(one.error)
        for thread in struck.threads:
            thread.join()
        fill(source, 1)
    with Running(client, source, name, (1, 0)) as last:
        until(lambda: last.ended or arrived(), last)
    assert last.error is None
    if frozen:
        assert ends[0] is not None, "without an answer the process must end"
    check(client, source, name)
