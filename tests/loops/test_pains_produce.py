"""What others suffer from on the way into Kafka, each pain by its name, and that we do not."""

import datetime as dt
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pixstream import dead_letters
from pixstream.errors import FencedError, KafkaError, PixstreamError, Transient
from pixstream.event.model import Draft, Flag, PixEvent
from pixstream.kafka.names import DLQ, EVENT_TOPICS, POSITIONS
from pixstream.plugins.component import BatchLimits
from pixstream.plugins.producer import Reading
from tests.loops import produce_world as kit


def test_zombie_owner_wakes_up_after_its_successor_has_worked(world: kit.World) -> None:
    for _ in range(3):
        world.source.append("a")
    zombie = world.start(1, 0)
    world.run_until(zombie, "commit")
    successor = world.start(1, 0)
    world.run_until(successor, "idle")
    world.source.append("a")
    world.run_until(zombie, "never")
    assert isinstance(zombie.error, FencedError)
    assert zombie.producer.heard == []
    for _ in range(2):
        world.run_until(successor, "idle")
    world.check()
    assert world.names() == world.source.all()


def test_two_coordinators_at_once_never_both_commit(world: kit.World) -> None:
    first = world.start(1, 0)
    world.run_until(first, "idle")
    first.kill()
    for _ in range(6):
        world.source.append("a")
    both = [world.start(1, 0), world.start(1, 0)]
    for _ in range(40):
        for process in both:
            process.step()
            world.check()
    assert sum(process.ended for process in both) == 1
    world.settle(1)


def test_checkpoint_ahead_of_the_acknowledgement(world: kit.World) -> None:
    """A position is never committed without what stands before it, whatever refuses to be sent."""
    for _ in range(3):
        world.source.append("a")
    world.start(1, 0)
    world.run_until(world.processes[0], "send")
    world.kafka.fail("send", KafkaError("this user may not do that with the topic"))
    world.run_until(world.processes[0], "never")
    assert isinstance(world.processes[0].error, KafkaError)
    assert world.positions() == {}
    assert world.processes[0].producer.heard == []
    world.settle(1)


def test_broker_bounce_with_acknowledgements_on(world: kit.World) -> None:
    for _ in range(7):
        world.source.append("a")
    process = world.start(1, 0)
    world.run_until(process, "commit")
    for operation in ("commit", "load", "begin", "outbox", "send", "commit"):
        world.kafka.fail(operation, Transient("no broker answers"))
    for _ in range(12):
        world.run_until(process, "idle")
        world.check()
    assert world.names() == world.source.all()
    assert Counter(r.position for r in process.producer.heard) == Counter(map(str, range(1, 8)))


@pytest.mark.parametrize("place", [0, 2, 4])
def test_poison_pill_halts_nothing_wherever_it_stands(world: kit.World, place: int) -> None:
    names = [world.source.append("a", broken=number == place) for number in range(5)]
    process = world.start(1, 0)
    for _ in range(3):
        world.run_until(process, "idle")
    world.check()
    assert world.names() == Counter(names)
    (letter,) = world.committed(DLQ)
    assert dict(letter.headers)["position"] == str(place + 1).encode()
    world.settle(1)
    assert len(world.committed(DLQ)) == 1


def test_dead_letter_lacks_context(world: kit.World) -> None:
    world.source.append("a")
    name = world.source.append("a", broken=True)
    process = world.start(1, 0)
    for _ in range(2):
        world.run_until(process, "idle")
    (letter,) = dead_letters.views(world.committed(DLQ))
    told = {
        field: letter.headers[field]
        for field in ("stage", "reason", "message", "source", "stream", "position")
    }
    assert told == {
        "stage": "read",
        "reason": "malformed_json",
        "message": name,
        "source": "scripted",
        "stream": "a",
        "position": "2",
    }


def test_memory_grows_with_the_backlog(tmp_path: Path) -> None:
    """However much waits, no more is in hand than one batch."""
    kafka, stop = kit.new_kafka(), threading.Event()
    source = kit.Source()
    for _ in range(2000):
        source.append("a")
    producer = kit.Scripted(batch=BatchLimits(rows=50))
    in_hand = most = 0

    def gate(place: str) -> None:
        nonlocal in_hand, most
        in_hand += place == "read"
        most = max(most, in_hand)
        if place == "idle":
            stop.set()

    def delivered(reading: Reading) -> None:
        nonlocal in_hand
        del reading
        in_hand -= 1

    producer.attach(source, gate)
    producer.on_delivered = delivered
    kit.loop_of(producer, kafka.client(), tmp_path, stop).run()
    assert kit.held(kafka.client(), "scripted") == source.all()
    assert most <= 51


def test_one_future_timestamp_makes_later_events_late(tmp_path: Path) -> None:
    kafka, stop = kit.new_kafka(), threading.Event()
    now = dt.datetime.now(dt.UTC)
    times = [now, now + dt.timedelta(hours=2), now, dt.datetime(2099, 1, 1, tzinfo=dt.UTC), now]

    class Skewed(kit.Scripted):
        def read(self, since: Any) -> Any:
            for number in range(int(since.get("a", 0)), len(times)):
                draft = Draft(
                    message="api_pix.pix",
                    end_to_end_id=f"E99999004{now:%Y%m%d%H%M}{number:011}",
                    amount="1.00",
                    event_time=times[number].isoformat(),
                )
                yield Reading(stream="a", position=str(number + 1), content=draft)
            stop.set()
            yield None

    producer = Skewed()
    producer.attach(kit.Source())
    kit.loop_of(producer, kafka.client(), tmp_path, stop).run()
    records = [r for topic in EVENT_TOPICS.values() for r in kafka.client().scan(topic)]
    events = [msgspec.json.decode(r.value or b"", type=PixEvent) for r in records]
    events.sort(key=lambda event: str(event.end_to_end_id))
    assert [e.event_time for e in events] == times
    assert [Flag.TIME_FUTURE in e.flags for e in events] == [False, True, False, True, False]
    assert all(abs(e.ingested_at - now) < dt.timedelta(minutes=1) for e in events)
    assert kit.standing(kafka.client(), "scripted") == {"a": len(times)}


def test_commit_on_close(world: kit.World) -> None:
    """Whatever ends a process in the middle of a transaction, closing does not commit it."""
    for _ in range(3):
        world.source.append("a")
    process = world.start(1, 0)
    world.run_until(process, "send")
    process.step()
    world.source.transient = 1  # before the next item
    process.stop.set()
    world.run_until(process, "never")
    assert process.ended
    assert process.error is None
    assert world.names() == Counter()
    assert world.positions() == {}
    world.settle(1)


def test_a_producer_stops_silently(world: kit.World) -> None:
    """A loop that cannot go on ends with an error that says what, for its supervisor to see."""
    world.source.append("a")
    process = world.start(1, 0)
    world.run_until(process, "outbox")
    world.kafka.fail("outbox", KafkaError("the broker refuses user or password"))
    world.run_until(process, "never")
    assert isinstance(process.error, PixstreamError)
    assert "refuses user or password" in str(process.error)
    assert world.committed(POSITIONS) == []
