"""The oracle is no decoration: each kind of bug, planted on purpose, is caught by it."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from pixstream.event.model import Refusal
from pixstream.kafka.ports import Transaction
from pixstream.loops import ownership
from pixstream.loops.batches import Batch
from pixstream.loops.ownership import Ownership
from pixstream.loops.produce import ProduceLoop
from pixstream.plugins.producer import LearnsOfDelivery, Position, Reading, Stream
from tests.loops import produce_world as kit

SEARCH = settings(
    max_examples=500,
    stateful_step_count=60,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    print_blob=False,
)


class SkipsAPosition(ProduceLoop):
    """Commits a position that is ahead of its event."""

    def _answering_for(self, batch: Batch) -> Any:
        positions = batch.positions

        def ahead() -> dict[Stream, Position]:
            last = batch.readings[-1]
            return positions() | {last.stream: str(int(last.position or 0) + 1)}

        batch.positions = ahead  # type: ignore[method-assign]
        return super()._answering_for(batch)


class AnswersBeforeTheCommit(ProduceLoop):
    """Tells the producer that Kafka holds what Kafka does not hold yet: 200 before the commit."""

    def _answering_for(self, batch: Batch) -> Any:
        positions = batch.positions

        def answered() -> dict[Stream, Position]:
            assert isinstance(self._producer, LearnsOfDelivery)
            for reading in batch.readings:
                self._producer.delivered(reading)
            return positions()

        batch.positions = answered  # type: ignore[method-assign]
        return super()._answering_for(batch)


class DropsARefusal(ProduceLoop):
    """Leaves out what could not be read: its position moves, and nobody learns of it."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        send = self._sending.send

        def drop(reading: Reading, transaction: Transaction) -> int:
            return 0 if isinstance(reading.content, Refusal) else send(reading, transaction)

        self._sending.send = drop  # type: ignore[method-assign]


def _takes_without_asking(self: Ownership) -> Mapping[Stream, Position]:
    """Reads positions without fencing the processes of another layout."""
    return ownership._load(self._client, self._component, self._vault).positions


@pytest.mark.parametrize(
    ("bug", "caught"),
    [
        (SkipsAPosition, "content and positions disagree"),
        (AnswersBeforeTheCommit, "delivered before it is committed"),
        (DropsARefusal, "content and positions disagree|delivered before it is committed"),
    ],
)
def test_a_planted_bug_is_caught_by_the_machine(bug: type[ProduceLoop], caught: str) -> None:
    class Planted(kit.ProduceMachine):
        loop_kind = bug

    with pytest.raises(AssertionError, match=caught):
        run_state_machine_as_test(Planted, settings=SEARCH)


def test_streams_that_move_without_fencing_are_caught_by_the_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Ownership, "claim", _takes_without_asking)
    monkeypatch.setattr(Ownership, "positions", _takes_without_asking)
    caught = "content and positions disagree|delivered before it is committed"
    with pytest.raises(AssertionError, match=caught):
        run_state_machine_as_test(kit.ProduceMachine, settings=SEARCH)
