"""One call of a task's function."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, Any

import click
import pytest

from pixstream.bundle.calling import AttemptResult, call
from pixstream.errors import DestinationError

if TYPE_CHECKING:
    from collections.abc import Callable


def ended(function: Callable[[], Any], *arguments: str) -> AttemptResult:
    return call(lambda: function, ["task", *arguments])


def test_a_function_reads_its_arguments_and_leaves_no_trace_of_them() -> None:
    former = sys.argv
    seen: list[list[str]] = []
    assert ended(lambda: seen.append(sys.argv), "--date", "x").ok
    assert seen == [["task", "--date", "x"]]
    assert sys.argv is former


def test_a_click_command_is_a_function_like_any_other() -> None:
    seen: list[int] = []

    @click.command()
    @click.option("--days", type=int)
    def command(days: int) -> None:
        seen.append(days)

    assert ended(command, "--days", "7") == AttemptResult(ok=True)
    assert ended(command, "--nonsense").why == "exit code 2"
    assert seen == [7]


@pytest.mark.parametrize(
    ("code", "ending"),
    [
        (0, AttemptResult(ok=True)),
        (None, AttemptResult(ok=True)),
        (3, AttemptResult(ok=False, why="exit code 3")),
        ("no table", AttemptResult(ok=False, why="no table")),
    ],
)
def test_an_exit_with_anything_but_0_is_a_failure(code: Any, ending: AttemptResult) -> None:
    assert ended(lambda: sys.exit(code)) == ending


def test_an_error_of_our_own_has_no_trace_and_any_other_has_one() -> None:
    def ours() -> None:
        raise DestinationError("table gold: gone")

    def other() -> None:
        raise KeyError("payload 123")

    assert ended(ours) == AttemptResult(ok=False, why="table gold: gone")
    ending = ended(other)
    assert ending.why.startswith("KeyError in test_calling.py:")
    assert "123" not in ending.why
    assert "Traceback" in ending.trace


def test_what_cannot_be_imported_is_a_failure() -> None:
    def load() -> Callable[[], Any]:
        raise ModuleNotFoundError("pyspark")

    assert call(load, ["task"]).why.startswith("ModuleNotFoundError")


def test_an_interruption_is_known_also_where_click_makes_an_exit_of_it() -> None:
    def interrupted() -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.raise_signal(signal.SIGINT)

    assert ended(interrupted) == AttemptResult(ok=False, why="interrupted", interrupted=True)
    ending = ended(click.command()(interrupted))
    assert ending == AttemptResult(ok=False, why="exit code 1 after Ctrl-C", interrupted=True)


def test_signal_handlers_that_a_task_sets_end_with_it() -> None:
    former = signal.getsignal(signal.SIGINT)
    assert ended(lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)).ok
    assert signal.getsignal(signal.SIGINT) is former
