"""What hurts the users of comparable pipelines does not happen here: one test a pain."""

from typing import Any

import pytest

from pixstream.errors import DestinationError, TopicChangedError
from pixstream.kafka.ports import TopicIdPartition, TopicPartition
from tests.loops import consume_world as consuming

pytestmark = pytest.mark.usefixtures("ticks")

GOOD, BAD = ("recebimentos", "good"), ("recebimentos", "bad")


@pytest.fixture
def world() -> consuming.World:
    return consuming.World()


def steps(world: consuming.World, rounds: int = 4) -> None:
    for _ in range(rounds):
        for process in world.alive:
            process.step()
        world.check()


@pytest.mark.parametrize("point", ["letters:after", "table:before", "table:after", "group:after"])
def test_a_rebalance_in_the_middle_of_a_batch_neither_doubles_nor_loses(
    world: consuming.World, point: str
) -> None:
    """A second member joins, and the first is thrown out, while its batch is on its way: sinks of
    other pipelines wrote whole files twice, or lost what a zombie had in hand.
    """
    world.start(0).step()
    world.produce([GOOD, BAD, ("estornos", "good")] * 4)
    world.usurp_at(point)
    steps(world)
    world.start(0)
    steps(world)
    world.settle()


def test_members_that_come_and_go_neither_double_nor_lose(world: consuming.World) -> None:
    """Workers join and leave in the middle of a run, gently and by force, several times."""
    for turn in range(6):
        world.produce([GOOD, BAD, ("recebimentos", "refused"), ("estornos", "good")] * 2)
        if turn % 2:
            world.evict(turn % 4 // 2)
        else:
            world.start(turn % 4 // 2)
        steps(world, 2)
    world.settle()


def test_a_permanent_rejection_is_a_letter_and_no_silent_loss(world: consuming.World) -> None:
    """An HTTP sink answered 401 and 403, and its records were acknowledged and gone."""
    world.produce([GOOD, ("recebimentos", "refused"), GOOD])
    world.start(0)
    steps(world)
    assert sum(world.rows().values()) == 2
    assert len(world.letters()) == 1
    world.settle()


def test_a_destination_that_fails_for_good_stops_with_nothing_committed(
    world: consuming.World,
) -> None:
    """Checkpoints ran ahead of the acknowledgement, so that a restart skipped what had failed."""

    def refuse(_: Any) -> None:
        raise DestinationError("not allowed there")

    world.traps["table:before"] = [refuse]
    world.produce([GOOD] * 3)
    process = world.start(0)
    process.step()
    process.step()
    assert isinstance(process.error, DestinationError)
    assert world.kafka.committed[consuming.GROUP] == {}
    assert world.offsets() == {}
    world.settle()


@pytest.mark.parametrize("count", [1, 2, 7])
def test_a_poison_pill_neither_halts_the_others_nor_hides_anywhere_in_the_batch(
    world: consuming.World, count: int
) -> None:
    """One record that could not be read stopped the task, and with it every partition."""
    world.produce([BAD] * count + [GOOD] * 3 + [BAD] * count + [("estornos", "good")])
    process = world.start(0)
    steps(world, 6)
    assert process.error is None
    assert sum(world.rows().values()) == 4
    assert len(world.letters()) == 2 * count


def test_poison_as_the_last_record_advances_and_is_one_letter_for_ever(
    world: consuming.World,
) -> None:
    """A bad tail never moved the table's offset, and became dead letters again at every start."""
    world.produce([GOOD, BAD])
    for _ in range(3):
        world.end()
        world.start(0)
        steps(world)
    entries = [e for e in world.kafka.topic("pix.dlq").partitions[0].entries if e.record]
    assert len(entries) == 1
    world.settle()


def test_dead_letters_cover_what_the_destination_refuses_with_all_that_it_takes_to_replay(
    world: consuming.World,
) -> None:
    """Dead letter queues held only what the converter could not read, without where it was from."""
    world.produce([("recebimentos", "refused")])
    world.start(0)
    steps(world)
    (entry,) = [e for e in world.kafka.topic("pix.dlq").partitions[0].entries if e.record]
    assert entry.record is not None
    head = dict(entry.record.headers)
    assert head["stage"] == b"write"
    assert head["message"] == b"the destination never takes it"
    assert head["origin-topic"] == b"pix.recebimentos"
    assert {"origin-topic-id", "origin-partition", "origin-offset", "consumer"} <= head.keys()


@pytest.mark.parametrize("point", ["table:before", "table:after", "group:before", "group:after"])
def test_kafka_never_knows_an_offset_before_the_destination_has_its_rows(
    world: consuming.World, point: str
) -> None:
    """Offsets were committed to Kafka before the destination had the records."""
    process = world.start(0)
    process.step()
    world.produce([GOOD, BAD] * 3)
    world.kill_at(point)
    process.step()
    process.step()
    assert process.dead
    known = {(p.topic, p.partition): at for p, at in world.offsets().items()}
    for place, offset in world.kafka.committed[consuming.GROUP].items():
        assert offset <= known[place]
    world.settle()


def test_closing_commits_nothing_that_was_not_written(world: consuming.World) -> None:
    """A clean shutdown committed the position of records that were still in the buffer."""
    world.produce([GOOD] * 4)
    process = world.start(0)
    process.fill()
    process.fill()
    assert process.loop.member.buffer
    process.do(process.loop.close)
    assert world.kafka.committed[consuming.GROUP] == {}
    world.settle()


def test_a_topic_created_anew_is_never_skipped_because_its_offsets_are_low(
    world: consuming.World,
) -> None:
    """Offsets below the stored ones were skipped at debug level after a topic was made again."""
    world.produce([("estornos", "good")] * 6)
    world.start(0)
    steps(world)
    world.end()
    world.recreate("estornos")
    world.produce([("estornos", "good")] * 2)
    process = world.start(0)
    process.step()
    assert isinstance(process.error, TopicChangedError)
    world.settle()


def test_a_member_that_waits_polls_on_so_that_it_is_not_thrown_out(world: consuming.World) -> None:
    """A flush or a back-off longer than max.poll.interval made the group rebalance for ever."""
    world.produce([GOOD] * 3)
    process = world.start(0)
    process.fill()
    world.fail("write", 4)
    polls: list[float] = []
    inbox: Any = process.loop.member.inbox
    poll = inbox._inbox.poll

    def counted(room: int, timeout: float) -> Any:
        polls.append(timeout)
        return poll(room, timeout)

    inbox._inbox.poll = counted
    process.loop.member.retries._backoff.next = lambda: 0.01  # type: ignore[method-assign]
    process.loop.member.bring(process.loop._take)
    assert len(polls) > 4 * 10
    assert max(polls) <= 0.1
    assert process.loop.counts["retries"] == 4


def test_replaying_a_commit_that_the_table_has_already_changes_nothing(
    world: consuming.World,
) -> None:
    """After a crash between the table's commit and Kafka's, the batch came twice."""
    world.start(0)
    steps(world)
    world.produce([GOOD, BAD, ("recebimentos", "refused")])
    world.kill_at("table:after")
    steps(world)
    assert not world.alive
    before = world.rows(), world.letters()
    world.end()
    world.start(0)
    steps(world)
    assert (world.rows(), world.letters()) == before
    world.settle()


def test_an_idle_topic_has_no_lag_in_spite_of_transaction_markers(world: consuming.World) -> None:
    """Markers and aborted records occupy offsets: groups showed a lag that nobody could read."""
    world.produce([GOOD] * 3)
    world.produce([GOOD] * 2, commit=False)
    world.start(0)
    steps(world)
    ends = world.kafka.client().admin().end_offsets(["pix.recebimentos", "pix.estornos"])
    assert world.kafka.committed[consuming.GROUP] == {
        TopicPartition(p.topic, p.partition): end for p, end in ends.items()
    }
    assert world.offsets() == dict(ends)


def test_a_topic_that_was_idle_for_longer_than_its_retention_is_no_alarm(
    world: consuming.World,
) -> None:
    """All records were read, only markers followed; then retention emptied the partition."""
    world.produce([("estornos", "good")] * 3)
    process = world.start(0)
    steps(world)
    world.end()
    topic = world.kafka.topic("pix.estornos")
    place = TopicIdPartition("pix.estornos", topic.topic_id, 0)
    topic.partitions[0].begin = topic.partitions[0].stable_end()
    process = world.start(0)
    process.step()
    assert process.error is None
    assert world.offsets()[place] == topic.partitions[0].begin
