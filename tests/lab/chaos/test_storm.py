"""When the storm strikes, and when it leaves processes alone."""

import time
from typing import Any

import pytest

from pixstream.lab.chaos.storm import Storm, Weather


class Struck(Storm):
    """Counts in place of striking."""

    def _kill_producer(self) -> None:
        self.kills["producers"] += 1

    def _rotate(self) -> None:
        self.faults["rotations"] += 1


@pytest.mark.parametrize(("spare", "killed", "spared"), [(False, 10, 0), (True, 0, 10)])
def test_processes_are_spared_while_nothing_gets_done_and_the_rest_is_not(
    *, spare: bool, killed: int, spared: int
) -> None:
    nothing: Any = None
    rates = {"kill_producer": 1200.0, "rotate": 600.0}
    weather = Weather(facts=1, seconds=0.5, seed=7, rates=rates)
    storm = Struck(nothing, nothing, nothing, weather, lambda: spare)
    storm.start()
    deadline = time.monotonic() + 20.0
    while not storm.over():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert (storm.kills["producers"], storm.spared) == (killed, spared)
    assert storm.faults["rotations"] == 5
