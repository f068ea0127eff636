"""The oracle is no decoration: each kind of bug, planted on purpose, is caught by it."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from pixstream.columns.batch import EventBatch
from pixstream.columns.decoding import decode
from pixstream.consumers.delta_lake.consumer import DeltaLake
from pixstream.errors import Transient
from pixstream.kafka.ports import TopicIdPartition
from pixstream.lake.append import TableAppender
from pixstream.lake.table import LakeTable
from pixstream.loops.consume import ConsumeLoop
from pixstream.loops.segments import Segment
from tests.loops import consume_world as consuming

pytestmark = pytest.mark.usefixtures("ticks")

SEARCH = settings(
    max_examples=500,
    stateful_step_count=40,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    print_blob=False,
)


class TableBeforeLetters(ConsumeLoop):
    """Commits the table before the letters of the same batch are durable."""

    def _take(self, segment: Segment) -> None:
        batch = self._decoder.decode(segment, self.member.cluster_id, self.member.standing)
        self._write(batch)
        self._post(batch.letters)
        self.member.drop(batch.taken)
        self.member.inbox.commit(segment.next_offsets)
        self.member.settle(segment.next_offsets)


class GroupBeforeTable(ConsumeLoop):
    """Lets offsets go in Kafka before the table has their rows."""

    def _take(self, segment: Segment) -> None:
        self.member.inbox.commit(segment.next_offsets)
        super()._take(segment)


class DropsARejection(ConsumeLoop):
    """Forgets what the destination refuses."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._decoder.rejected = lambda *_: []  # type: ignore[method-assign]


class TakesWhatIsForAnother(ConsumeLoop):
    """Writes what was replayed for another consumer alone."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._decoder._for_another = lambda record: False  # type: ignore[method-assign]  # noqa: ARG005


class ForgetsTheBufferOfAnOutage(ConsumeLoop):
    """Drops what it holds when Kafka does not answer, and goes on after it."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        wait = self.member.wait

        def forget(error: Transient, *, until_polled: bool = False) -> bool:
            self.member.buffer.clear()
            return wait(error, until_polled=until_polled)

        self.member.wait = forget  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("bug", "caught"),
    [
        (TableBeforeLetters, "a letter is missing"),
        (GroupBeforeTable, "the group is ahead of the destination"),
        (DropsARejection, "a letter is missing"),
        (TakesWhatIsForAnother, "an unknown row|an unknown letter"),
        (ForgetsTheBufferOfAnOutage, "a row is missing|a letter is missing"),
    ],
)
def test_a_planted_bug_of_the_loop_is_caught_by_the_machine(
    bug: type[ConsumeLoop], caught: str
) -> None:
    class Planted(consuming.ConsumeMachine):
        loop_kind = bug

    with pytest.raises(AssertionError, match=caught):
        run_state_machine_as_test(Planted, settings=SEARCH)


def test_a_table_that_accepts_a_lower_version_is_caught_by_the_machine() -> None:
    class AcceptsLower(consuming.Store):
        def accepts(self, partition: TopicIdPartition, offset: int) -> bool:
            del partition, offset
            return True

    class Planted(consuming.ConsumeMachine):
        store_kind = AcceptsLower

    with pytest.raises(AssertionError, match=r"an offset went back|the group is ahead"):
        run_state_machine_as_test(Planted, settings=SEARCH)


def told_stale_offsets(place: Path) -> Any:
    """Real tables that are told lower offsets than they know, as by a process that slept."""
    world = consuming.World(place)
    world.produce([("recebimentos", "good")] * 3)
    process = world.start(0)
    process.step()
    process.step()
    world.check()
    stale = dict.fromkeys(world.offsets(), 0)
    assert stale
    batch = EventBatch(decode([]).table, stale, world.kafka.cluster)
    DeltaLake.write(world.consumer(), batch, lambda *_: None)
    return world


def test_a_real_table_never_goes_back(tmp_path: Path) -> None:
    world = told_stale_offsets(tmp_path)
    world.check()
    world.settle()


def test_a_real_table_that_accepts_a_lower_version_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = TableAppender._plan

    def forgetful(self: TableAppender, *arguments: Any) -> Any:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(LakeTable, "offset", lambda *_: None)
            return plan(self, *arguments)

    monkeypatch.setattr(TableAppender, "_plan", forgetful)
    world = told_stale_offsets(tmp_path)
    with pytest.raises(AssertionError, match=r"an offset went back|the group is ahead"):
        world.check()
