"""Commits that another job was faster than."""

from collections.abc import Callable

import pytest

pytest.importorskip("delta", reason="needs the extra spark")

from delta.exceptions import ConcurrentAppendException

from pixstream.errors import Transient
from pixstream.spark import conflicts


def failing(times: int, error: Exception) -> tuple[Callable[[], str], list[int]]:
    """Work that fails so many times first, and the calls it has had."""
    calls: list[int] = []

    def work() -> str:
        calls.append(len(calls))
        if len(calls) <= times:
            raise error
        return "done"

    return work, calls


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conflicts, "_LONGEST_SECONDS", 0.001)


@pytest.mark.parametrize("error", [ConcurrentAppendException("x"), Transient("x")])
def test_it_is_done_again_until_nobody_is_faster(error: Exception) -> None:
    work, calls = failing(3, error)
    assert conflicts.again(work, "the repair") == "done"
    assert len(calls) == 4


def test_after_some_times_it_says_so() -> None:
    work, calls = failing(100, ConcurrentAppendException("x"))
    with pytest.raises(
        Transient, match=r"^the repair: conflicted with the commits of other jobs 6 times"
    ):
        conflicts.again(work, "the repair")
    assert len(calls) == 6


def test_another_error_is_nobody_else_s_doing() -> None:
    work, calls = failing(1, ValueError("x"))
    with pytest.raises(ValueError, match="x"):
        conflicts.again(work, "the repair")
    assert len(calls) == 1
