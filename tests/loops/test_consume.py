"""The consume loop through outages, an open breaker, records for others, and offsets gone wrong."""

import datetime as dt
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pixstream.dead_letters import REPLAY_FOR
from pixstream.errors import DestinationError, KafkaError, TopicChangedError, Transient
from pixstream.kafka.names import EVENT_TOPICS, transactional_id
from pixstream.kafka.ports import TopicIdPartition, TopicPartition
from pixstream.loops import offsets
from tests.loops import consume_world as consuming

pytestmark = pytest.mark.usefixtures("ticks")

GOOD = ("recebimentos", "good")


@pytest.fixture
def world() -> consuming.World:
    return consuming.World()


def rows(world: consuming.World) -> int:
    return int(sum(world.rows().values()))


# --- freshness and clocks ----------------------------------------------------------------------


@pytest.fixture
def clock(world: consuming.World, ticks: consuming.Ticks) -> consuming.Ticks:
    """The clock of the loop, in seconds; Kafka's writes the records' times, in milliseconds."""
    ticks.now = 1_800_000_000.0
    world.kafka.now = 1_800_000_000_000
    return ticks


def test_no_freshness_is_told_before_a_batch(world: consuming.World) -> None:
    assert "freshness_seconds" not in world.start(0).loop.counts


@pytest.mark.parametrize(
    ("passed", "told"),
    [
        pytest.param(7, 7, id="seven seconds old"),
        pytest.param(-36_000_000, 0, id="from a clock that ran a year ahead"),
        pytest.param(3600, 3600, id="our clock leapt an hour"),
    ],
)
def test_freshness_is_the_record_s_age_in_kafka_never_negative_and_heals(
    world: consuming.World, clock: consuming.Ticks, passed: int, told: int
) -> None:
    process = world.start(0)
    world.produce([GOOD] * 2)
    clock.now += passed
    process.step()
    assert process.loop.counts["freshness_seconds"] == pytest.approx(told, abs=1)
    world.kafka.now += passed * 1000
    world.produce([GOOD])
    process.step()
    assert process.loop.counts["freshness_seconds"] < 1


@pytest.mark.parametrize("year", [1000, 1970, 9000])
def test_freshness_knows_nothing_of_event_times(
    world: consuming.World, clock: consuming.Ticks, monkeypatch: pytest.MonkeyPatch, year: int
) -> None:
    monkeypatch.setattr(consuming, "NOW", dt.datetime(year, 11, 24, 12, tzinfo=dt.UTC))
    process = world.start(0)
    world.produce([GOOD] * 2)
    clock.now += 7
    process.step()
    assert rows(world) == 2
    assert process.loop.counts["freshness_seconds"] == pytest.approx(7, abs=1)


def test_a_record_without_a_time_makes_no_batch_half_a_century_old(
    world: consuming.World, clock: consuming.Ticks
) -> None:
    process = world.start(0)
    now, world.kafka.now = world.kafka.now, -1
    world.produce([GOOD])
    process.step()
    assert rows(world) == 1
    assert "freshness_seconds" not in process.loop.counts
    world.produce([GOOD])
    world.kafka.now = now
    world.produce([GOOD])
    clock.now += 7
    process.step()
    assert rows(world) == 3
    assert process.loop.counts["freshness_seconds"] == pytest.approx(7, abs=1)


# --- outages -----------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", ["poll", "positions", "group_commit"])
def test_a_broker_that_is_away_is_waited_for_and_the_member_stays(
    world: consuming.World, operation: str
) -> None:
    world.produce([GOOD] * 4)
    process = world.start(0)
    process.step()
    inbox = process.loop.member.inbox
    world.produce([GOOD] * 3)
    for _ in range(3):
        world.kafka.fail(operation, Transient("no broker answers"))
    process.step()
    assert process.error is None
    assert process.loop.member.inbox is inbox
    assert process.loop.counts["retries"] >= 1
    assert process.loop.state == "ready"
    process.step()
    assert rows(world) == 7
    world.settle()


def test_while_it_waits_its_state_says_so_and_the_buffer_stays(world: consuming.World) -> None:
    process = world.start(0)
    world.produce([GOOD] * 3)
    process.fill()
    process.fill()
    states: list[str] = []
    loop = process.loop
    keep_alive = loop.member._keep_alive

    def watching() -> bool:
        states.append(loop.state)
        assert len(loop.member.buffer) == 3
        return bool(keep_alive())

    loop.member._keep_alive = watching  # type: ignore[method-assign]
    loop.member.retries._backoff.next = lambda: 0.01  # type: ignore[method-assign]
    world.kafka.fail("positions", Transient("no broker answers"))
    loop.member.bring(loop._take)
    assert set(states) == {"waiting"}
    assert loop.state == "ready"
    assert rows(world) == 3


def test_rows_are_not_written_again_because_the_group_could_not_be_told(
    world: consuming.World, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []
    take = consuming.Store.take

    def counting(store: Any, batch: Any, left_out: set[int]) -> None:
        written.append(batch.table.num_rows)
        take(store, batch, left_out)

    monkeypatch.setattr(consuming.Store, "take", counting)
    world.produce([GOOD] * 3)
    process = world.start(0)
    world.kafka.fail("group_commit", Transient("the group is just being rebalanced"))
    process.step()
    process.step()
    assert sum(written) == 3
    assert world.kafka.committed[consuming.GROUP]


def test_a_letter_of_which_nobody_knows_whether_it_is_committed_ends_the_process(
    world: consuming.World,
) -> None:
    world.produce([("recebimentos", "bad"), GOOD])
    process = world.start(0)
    world.kafka.fail("commit", KafkaError("Kafka did not say whether it is done"))
    process.step()
    process.step()
    assert isinstance(process.error, KafkaError)
    assert rows(world) == 0
    world.settle()


def test_a_writer_of_letters_that_can_begin_nothing_more_is_replaced_by_a_new_one(
    world: consuming.World, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = world.start(0)
    own_id = transactional_id(consuming.NAME, 0)
    tries: list[int] = []

    def begin() -> None:
        tries.append(1)
        assert len(tries) < 30, "the writer is never replaced"
        raise Transient("what was left open is not ended yet")

    stuck = world.kafka.open[own_id]
    monkeypatch.setattr(stuck, "begin", begin)
    world.produce([("recebimentos", "bad"), GOOD])
    process.step()
    process.step()
    assert len(world.letters()) == rows(world) == 1
    assert len(tries) == 1
    assert world.kafka.open[own_id] is not stuck
    assert process.error is None


def test_partitions_that_arrive_while_waiting_are_paused_and_kept_unread(
    world: consuming.World,
) -> None:
    first, second = world.start(0), world.start(1)
    for process in (first, second, first, second):
        process.step()
    assert len(second.loop.member.standing) == 1
    world.produce([GOOD, ("estornos", "good")] * 4)
    world.fail("write", 2)
    grown: list[tuple[int, int]] = []
    keep_alive = first.loop.member._keep_alive

    def evicting() -> bool:
        world.evict(1)
        answered = bool(keep_alive())
        grown.append((len(first.loop.member.standing), len(first.loop.member.buffer)))
        return answered

    first.loop.member._keep_alive = evicting  # type: ignore[method-assign]
    first.loop.member.retries._backoff.next = lambda: 0.01  # type: ignore[method-assign]
    first.step()
    assert grown[-1][0] == 3
    assert grown[0][1] == grown[-1][1]
    second.dead = True
    first.step()
    first.step()
    assert rows(world) == 8


def test_a_destination_that_cannot_say_where_to_start_is_asked_again_with_backoff(
    world: consuming.World,
) -> None:
    asked: list[float] = []
    known = world.store.known

    def silent(partitions: Any) -> Any:
        asked.append(1)
        if len(asked) < 4:
            raise Transient("the destination does not answer")
        return known(partitions)

    world.store.known = silent  # type: ignore[method-assign]
    world.produce([GOOD] * 3)
    process = world.start(0)
    for _ in range(3):
        process.step()
    assert process.error is None
    assert rows(world) == 3
    assert process.loop.counts["retries"] >= 1


def test_stopping_during_an_outage_ends_with_nothing_committed(world: consuming.World) -> None:
    world.produce([GOOD] * 3)
    process = world.start(0)
    for _ in range(9):
        world.kafka.fail("positions", Transient("no broker answers"))
    process.stop.set()
    process.do(process.loop.member.fill)
    process.do(lambda: process.loop.member.bring(process.loop._take))
    assert process.error is None
    assert rows(world) == 0
    assert world.kafka.committed[consuming.GROUP] == {}


# --- the breaker -------------------------------------------------------------------------------


def test_a_destination_that_keeps_failing_is_left_alone_then_tried_once(
    world: consuming.World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "pixstream.breaker")
    world.produce([GOOD] * 3)
    process = world.start(0)
    loop = process.loop
    states: list[str] = []
    write, wait = loop._consumer.write, loop.member.wait

    def seen(batch: Any, reject: Any) -> None:
        states.append(f"call in {loop.state}")
        write(batch, reject)

    def waited(error: Any, **options: Any) -> bool:
        done = bool(wait(error, **options))
        states.append(loop.state)
        return done

    loop._consumer.write, loop.member.wait = seen, waited  # type: ignore[method-assign]
    world.fail("write", 4)
    process.step()
    process.step()
    assert states[:9] == [
        *("call in ready", "waiting", "call in waiting", "waiting", "call in waiting"),
        *("breaker_open", "call in breaker_half_open", "breaker_open"),
        "call in breaker_half_open",
    ]
    assert loop.state == "ready"
    assert (loop.counts["destination_failures"], loop.counts["breaker_opened"]) == (0, 2)
    assert rows(world) == 3
    said = " ".join(record.getMessage() for record in caplog.records)
    for word in ("breaker open", "half open", "breaker closed"):
        assert word in said


def test_the_breaker_does_not_count_what_kafka_fails_at(world: consuming.World) -> None:
    world.produce([("recebimentos", "refused")])
    process = world.start(0)
    for _ in range(5):
        world.kafka.fail("begin", Transient("no broker answers"))
    process.step()
    process.step()
    assert process.loop.counts["breaker_opened"] == 0
    assert process.loop.counts["retries"] == 5
    assert len(world.letters()) == 1


def test_a_refused_record_costs_only_itself(world: consuming.World) -> None:
    world.produce([GOOD, ("recebimentos", "refused"), GOOD, ("estornos", "refused")])
    process = world.start(0)
    for _ in range(3):
        process.step()
    assert rows(world) == 2
    assert len(world.letters()) == 2
    assert process.loop.counts["destination_failures"] == 0
    world.settle()


# --- replayed for one consumer alone -----------------------------------------------------------


def test_a_record_replayed_for_another_consumer_is_skipped_whole(world: consuming.World) -> None:
    world.produce([("recebimentos", "other"), ("recebimentos", "mine"), ("estornos", "other")])
    process = world.start(0)
    for _ in range(3):
        process.step()
    assert rows(world) == 1
    assert process.loop.counts["not_for_us"] == 2
    assert process.loop.counts["letters"] == 0
    world.settle()


def test_what_is_not_for_us_is_never_decoded(world: consuming.World) -> None:
    kafka = world.kafka
    outbox = kafka.client().outbox("replay")
    outbox.begin()
    header = [(REPLAY_FOR, b"somebody")]
    outbox.send(EVENT_TOPICS["recebimentos"], b"bad 1", b"no event at all", header)
    outbox.commit()
    process = world.start(0)
    process.step()
    process.step()
    assert world.letters() == set()
    assert process.loop.counts["not_for_us"] == 1
    world.check()


# --- offsets gone wrong ------------------------------------------------------------------------


def stopped_with(process: Any, step: Callable[[], None]) -> str:
    step()
    assert isinstance(process.error, TopicChangedError), process.error
    return str(process.error)


def run(world: consuming.World, records: int = 6) -> Any:
    world.produce([GOOD, ("estornos", "good")] * (records // 2))
    process = world.start(0)
    for _ in range(3):
        process.step()
    return process


def test_a_topic_created_anew_while_it_is_read_names_the_command(world: consuming.World) -> None:
    process = run(world)
    world.recreate("estornos")
    said = stopped_with(process, process.step)
    assert "pix.estornos-0" in said
    assert "pixstream offsets set table --topic pix.estornos --to earliest --new-topic" in said
    world.settle()


def test_a_topic_created_anew_after_its_partitions_were_revoked_names_the_command(
    world: consuming.World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library revokes them when the topic is deleted, and may not see the new one for a while."""
    process = run(world)
    inbox = process.loop.member.inbox._inbox
    inbox._revoke(set(inbox.owned))
    monkeypatch.setattr(inbox, "_rebalance", lambda _: None)
    world.recreate("estornos")
    said = stopped_with(process, process.step)
    assert "pixstream offsets set table --topic pix.estornos --to earliest --new-topic" in said
    monkeypatch.undo()
    world.settle()


def test_a_topic_created_anew_while_nobody_looked_names_the_command(world: consuming.World) -> None:
    run(world)
    world.end()
    world.recreate("estornos")
    process = world.start(0)
    said = stopped_with(process, process.step)
    assert "pixstream offsets set table --topic pix.estornos --to earliest --new-topic" in said


def test_records_that_expired_unread_name_the_command(world: consuming.World) -> None:
    process = run(world)
    world.produce([("estornos", "good")] * 5)
    world.expire("estornos", 0, 1.0)
    said = stopped_with(process, process.step)
    assert "has expired: retention deleted" in said
    assert "pixstream offsets set table --topic pix.estornos --partition 0 --to earliest" in said
    world.settle()


def test_an_offset_beyond_the_end_names_the_command(world: consuming.World) -> None:
    run(world)
    world.end()
    (log,) = world.kafka.topic("pix.estornos").partitions
    del log.entries[2:]
    process = world.start(0)
    said = stopped_with(process, process.step)
    assert "is beyond the end 2" in said
    assert "--topic pix.estornos --partition 0 --to earliest --allow-rewind" in said


def test_a_table_that_is_gone_names_the_command(world: consuming.World) -> None:
    run(world)
    world.end()
    world.store.next.clear()
    process = world.start(0)
    said = stopped_with(process, process.step)
    assert "the destination has no offset for it" in said
    assert "--to earliest --allow-rewind" in said


def test_a_partition_without_offset_whose_records_expired_names_the_command(
    world: consuming.World,
) -> None:
    run(world)
    world.end()
    unknown = TopicPartition("pix.recebimentos", 1)
    topic = world.kafka.topic("pix.recebimentos")
    world.produce([GOOD] * 12)
    world.store.next.pop(TopicIdPartition(unknown.topic, topic.topic_id, 1))
    del world.kafka.committed[consuming.GROUP][unknown]
    topic.partitions[1].begin = 1
    process = world.start(0)
    said = stopped_with(process, process.step)
    assert "no offset is known, but other partitions have one" in said
    assert "--topic pix.recebimentos --partition 1 --to earliest" in said


def test_a_partition_that_came_later_is_read_from_its_beginning_whatever_start_says(
    world: consuming.World,
) -> None:
    run(world)
    world.end()
    world.kafka.client().admin().add_partitions("pix.estornos", 2)
    make = world.consumer

    def latest() -> Any:
        made = make()
        made.start = "latest"
        return made

    world.consumer = latest  # type: ignore[method-assign]
    while not world.kafka.topic("pix.estornos").partitions[1].entries:
        world.produce([("estornos", "good")])
    process = world.start(0)
    for _ in range(9):
        process.step()
    world.check()
    world._check_complete()


def test_a_group_that_is_ahead_of_a_restored_table_goes_back_with_it(
    world: consuming.World, caplog: pytest.LogCaptureFixture
) -> None:
    run(world)
    backup = dict(world.store.next), world.store.rows.copy()
    world.produce([GOOD] * 4)
    for process in world.alive:
        process.step()
        process.step()
    world.end()
    world.store.next, world.store.rows = backup
    world.seen.clear()
    process = world.start(0)
    process.step()
    assert "as after a restore" in caplog.text
    process.step()
    world.settle()


def test_a_member_that_slept_while_a_table_was_set_back_leaves_nothing_unread(
    tmp_path: Path,
) -> None:
    world = consuming.World(tmp_path)
    world.produce([GOOD] * 4)
    sleeper = world.start(0)
    for _ in range(3):
        sleeper.step()
    world.produce([GOOD] * 4)

    def set_back(_: Any) -> None:
        world.kafka.groups[consuming.GROUP].clear()
        admin = world.kafka.client().admin()
        changes = offsets.plan(
            offsets.show(world.consumer(), admin), admin, "earliest", allow_rewind=True
        )
        offsets.apply(world.consumer(), admin, changes)
        world.seen.clear()

    world.traps["table:before"] = [set_back]
    sleeper.step()
    sleeper.step()
    assert isinstance(sleeper.error, DestinationError)
    assert "its offset was reset while this process was suspended" in str(sleeper.error)
    assert set(world.offsets().values()) == {0}
    assert rows(world) == 4
    world.settle()


def test_a_group_that_forgot_is_told_again_without_a_record(world: consuming.World) -> None:
    run(world)
    world.end()
    world.kafka.committed.clear()
    world.start(0).step()
    standing = offsets.show(world.consumer(), world.kafka.client().admin())
    assert [s.lag for s in standing] == [0, 0, 0]
    assert [s.committed for s in standing] == [s.remembered for s in standing]


def test_an_error_that_kafka_cannot_explain_still_says_where_to_look(
    world: consuming.World,
) -> None:
    process = run(world)
    said = str(
        process.loop.member._assignment.explained(TopicChangedError("something changed"), {})
    )
    assert said == "something changed (`pixstream offsets show table` shows where)"
