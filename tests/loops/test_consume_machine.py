"""Whatever happens to a consumer, in any order, each committed record ends up where it belongs."""

import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.loops import consume_world as consuming

pytestmark = pytest.mark.usefixtures("ticks")


def test_whatever_happens_each_record_is_in_the_table_once_or_a_letter() -> None:
    run_state_machine_as_test(
        consuming.ConsumeMachine, settings=settings(max_examples=120, stateful_step_count=40)
    )


def test_whatever_happens_real_tables_hold_each_event_once(tmp_path: Path) -> None:
    numbers = itertools.count()

    class OverDelta(consuming.ConsumeMachine):
        def make(self) -> Any:
            return consuming.World(tmp_path / str(next(numbers)))

    run_state_machine_as_test(OverDelta, settings=settings(max_examples=6, stateful_step_count=20))
