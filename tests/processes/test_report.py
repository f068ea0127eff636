import os
from collections import Counter

import msgspec
import pytest

from pixstream.processes.lifeline import Stop
from pixstream.processes.report import Report, Reporter


class Loop:
    """A loop in a state of the test's choice."""

    def __init__(self, state: str) -> None:
        self.state = state
        self.counts: Counter[str] = Counter(read=3)

    def run(self) -> None:
        """Nothing."""


def told(reporter: Reporter, pipe: int) -> Report:
    reporter.report()
    return msgspec.json.decode(os.read(pipe, 65536), type=Report)


@pytest.mark.parametrize(
    ("state", "waits", "shown"),
    [
        ("ready", False, "ready"),
        ("ready", True, "waiting"),
        ("starting", True, "starting"),
        ("breaker_open", True, "breaker_open"),
    ],
)
def test_a_loop_of_which_a_part_waits_is_not_told_to_be_ready(
    state: str, *, waits: bool, shown: str
) -> None:
    read_end, write_end = os.pipe()
    try:
        reporter = Reporter(write_end, Stop())
        assert told(reporter, read_end).state == "starting"
        reporter.follow(Loop(state), waits=lambda: waits)
        report = told(reporter, read_end)
    finally:
        os.close(read_end)
        os.close(write_end)
    assert (report.state, report.counts) == (shown, {"read": 3})
