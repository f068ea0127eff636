"""The loop from a source to Kafka, where waiting and answers that never come are concerned."""

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from pixstream.backoff import BackoffSettings
from pixstream.errors import KafkaError, Transient
from pixstream.kafka.names import transactional_id
from pixstream.loops.produce import LISTENING_SECONDS, METRICS, WORD_SECONDS
from pixstream.plugins.component import BatchLimits
from pixstream.plugins.producer import Producer, Reading
from pixstream.producers.webhook.producer import Webhook
from tests.loops import produce_world as kit

if TYPE_CHECKING:
    from pixstream.kafka.ports import Client


def test_kafka_may_be_away_while_a_producer_starts(world: kit.World) -> None:
    world.source.append("a")
    process = world.start(1, 0)
    for operation in ("outbox", "outbox", "load", "outbox", "begin", "load", "commit"):
        world.kafka.fail(operation, Transient("no broker answers"))
    states = set()
    while process.at != "idle":
        states.add(process.loop.state)
        process.step()
    assert states == {"starting", "ready"}
    assert process.loop.counts["retries"] == 7
    world.settle(1)


def test_a_producer_is_ready_once_it_knows_its_positions_and_not_before(world: kit.World) -> None:
    world.source.append("a")
    process = world.start(1, 0)
    world.run_until(process, "outbox")
    world.kafka.fail("load", Transient("no broker answers"))
    world.run_until(process, "load")
    assert process.loop.state == "starting"
    world.run_until(process, "load")
    assert process.loop.state == "starting"
    world.run_until(process, "read")
    assert process.loop.state == "ready"


def test_later_it_waits_for_positions_as_it_does_for_its_source(world: kit.World) -> None:
    process = world.start(1, 0)
    world.run_until(process, "idle")
    name = world.source.append("a")
    world.source.transient = 1
    for _ in range(3):
        world.kafka.fail("load", Transient("no broker answers"))
    world.run_until(process, "load")
    assert process.loop.state == "waiting"
    world.run_until(process, "idle")
    world.run_until(process, "idle")
    assert process.loop.state == "ready"
    assert world.names() == {name: 1}
    assert process.loop.counts["retries"] == 4


class _Away:
    """Kafka that does not answer so many times, then asks the loop to stop."""

    def __init__(self, stop: threading.Event, failures: int) -> None:
        self._stop = stop
        self._left = failures

    def outbox(self, transactional_id: str) -> Any:
        del transactional_id
        self._left -= 1
        if not self._left:
            self._stop.set()
        raise Transient("no broker answers")


def test_the_same_failure_again_and_again_is_one_line_now_and_then(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop, now = threading.Event(), [0.0]
    monkeypatch.setattr("pixstream.loops.produce.time", SimpleNamespace(monotonic=lambda: now[0]))
    producer = kit.Scripted()
    producer.attach(kit.Source())
    kit.loop_of(producer, cast("Client", _Away(stop, 100)), tmp_path, stop).run()
    assert len(caplog.records) == 1
    now[0] += WORD_SECONDS
    stop.clear()
    loop = kit.loop_of(producer, cast("Client", _Away(stop, 2)), tmp_path, stop)
    caplog.clear()
    loop.run()
    now[0] += WORD_SECONDS
    loop._wait(Transient("no broker answers"))
    assert len(caplog.records) == 2
    assert "(2 failures since the last line)" in caplog.text


@pytest.mark.parametrize(("listens", "longest"), [(False, 30.0), (True, LISTENING_SECONDS)])
def test_a_source_to_which_others_send_asks_for_kafka_every_second(
    tmp_path: Path, *, listens: bool, longest: float
) -> None:
    stop = threading.Event()
    producer = Webhook(type="webhook") if listens else Producer(type="source")
    retry = BackoffSettings(min_seconds=20.0, max_seconds=30.0)
    loop = kit.loop_of(producer, cast("Client", None), tmp_path, stop, retry=retry)
    waits = [loop._backoff.next() for _ in range(200)]
    assert longest / 2 < max(waits) <= longest


def test_every_count_is_there_at_0_before_anything_is_read(world: kit.World) -> None:
    assert world.start(1, 0).loop.counts == dict.fromkeys(
        {metric.short for metric in METRICS if metric.kind == "counter"}, 0
    )


def test_stopping_ends_a_start_that_waits(tmp_path: Path) -> None:
    stop = threading.Event()

    class Away:
        def outbox(self, transactional_id: str) -> Any:
            del transactional_id
            stop.set()
            raise Transient("no broker answers")

    producer = kit.Scripted()
    producer.attach(kit.Source())
    loop = kit.loop_of(producer, cast("Client", Away()), tmp_path, stop)
    loop.run()
    assert loop.state == "starting"


@pytest.mark.parametrize("done", [True, False])
def test_a_commit_without_an_answer_ends_the_process_and_the_next_one_finds_out(
    world: kit.World,
    done: bool,  # noqa: FBT001  a parameter of the test
) -> None:
    for _ in range(3):
        world.source.append("a")
    process = world.start(1, 0)
    world.run_until(process, "commit")
    world.lost_answers.append(done)
    world.run_until(process, "never")
    assert isinstance(process.error, KafkaError)
    assert process.producer.heard == []
    assert len(process.producer.failures) == 3
    world.check()
    again = world.start(1, 0)
    world.run_until(again, "idle")
    assert len(again.producer.heard) == (0 if done else 3)
    world.check()
    assert world.names() == world.source.all()


def test_a_commit_without_an_answer_is_never_followed_by_a_read_in_the_same_process(
    world: kit.World,
) -> None:
    world.source.append("a")
    process = world.start(1, 0)
    world.run_until(process, "commit")
    world.lost_answers.append(True)
    places = []
    while not process.ended:
        process.step()
        places.append(process.at)
    assert not {"read", "load", "begin", "idle"} & set(places)


def test_readings_that_belong_together_share_a_transaction_beyond_every_limit(
    tmp_path: Path,
) -> None:
    kafka, stop = kit.new_kafka(), threading.Event()
    source = kit.Source()
    for _ in range(10):
        source.append("a")
    contents = [content for _, content in source.streams["a"]]

    class Bodies(kit.Scripted):
        def read(self, since: Any) -> Any:
            del since
            for number, content in enumerate(contents[:7]):
                yield Reading(stream="a", position=None, content=content, more=number < 6)
            for content in contents[7:]:
                yield Reading(stream="a", position=None, content=content)
            stop.set()
            yield None

    producer = Bodies(batch=BatchLimits(rows=2))
    producer.attach(source)
    seen: list[int] = []

    def note(reading: Reading) -> None:
        del reading
        seen.append(sum(kit.held(kafka.client(), "scripted").values()))

    producer.on_delivered = note
    kit.loop_of(producer, kafka.client(), tmp_path, stop).run()
    assert seen == [7] * 7 + [9, 9, 10]


def test_stopping_in_the_middle_of_readings_that_belong_together_keeps_them_together(
    tmp_path: Path,
) -> None:
    kafka, stop = kit.new_kafka(), threading.Event()
    source = kit.Source()
    for _ in range(4):
        source.append("a")

    class Body(kit.Scripted):
        def read(self, since: Any) -> Any:
            del since
            for number, (_, content) in enumerate(source.streams["a"]):
                stop.set()
                yield Reading(stream="a", position=None, content=content, more=number < 3)

    producer = Body()
    producer.attach(source)
    kit.loop_of(producer, kafka.client(), tmp_path, stop).run()
    assert kit.held(kafka.client(), "scripted") == source.all()


def test_a_writer_that_can_begin_no_transaction_is_replaced_by_a_new_one(world: kit.World) -> None:
    process = world.start(1, 0)
    world.run_until(process, "idle")
    epoch = world.kafka.epochs[transactional_id("scripted", 0, 1)]
    name = world.source.append("a")
    world.kafka.fail("begin", Transient("what was left open is not ended yet"))
    for _ in range(3):
        world.run_until(process, "idle")
    assert world.names() == {name: 1}
    assert world.kafka.epochs[transactional_id("scripted", 0, 1)] == epoch + 1
    assert not process.ended
