"""Whatever happens to a producer's processes, in any order, Kafka holds each item exactly once."""

from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.loops import produce_world as kit


def test_whatever_happens_every_item_is_committed_once_and_positions_tell_where() -> None:
    run_state_machine_as_test(
        kit.ProduceMachine, settings=settings(max_examples=60, stateful_step_count=60)
    )
