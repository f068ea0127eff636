"""When a task runs after what came of others, and what a condition says."""

from __future__ import annotations

import pytest

from pixstream.bundle.results import JobResult, State, TaskResult, compared, verdict

S, F, X, U, C, N = (
    State.SUCCESS,
    State.FAILED,
    State.EXCLUDED,
    State.UPSTREAM_FAILED,
    State.CANCELED,
    State.NOT_RUN_HERE,
)


@pytest.mark.parametrize(
    ("run_if", "before", "expected"),
    [
        ("ALL_SUCCESS", [], None),
        ("ALL_FAILED", [], None),
        ("ALL_SUCCESS", [S, S], None),
        ("ALL_SUCCESS", [S, F], U),
        ("ALL_SUCCESS", [S, U], U),
        ("ALL_SUCCESS", [S, C], U),
        ("ALL_SUCCESS", [S, X], X),
        ("ALL_SUCCESS", [F, X], U),
        ("ALL_DONE", [F, X], None),
        ("ALL_DONE", [S, S], None),
        ("ALL_DONE", [X, X], X),
        ("NONE_FAILED", [S, X], None),
        ("NONE_FAILED", [S, F], U),
        ("NONE_FAILED", [X, F], U),
        ("NONE_FAILED", [X, X], X),
        ("AT_LEAST_ONE_SUCCESS", [S, F], None),
        ("AT_LEAST_ONE_SUCCESS", [S, X], None),
        ("AT_LEAST_ONE_SUCCESS", [F, U], U),
        ("AT_LEAST_ONE_SUCCESS", [F, X], U),
        ("ALL_FAILED", [F, U], None),
        ("ALL_FAILED", [F, S], X),
        ("ALL_FAILED", [F, X], X),
        ("AT_LEAST_ONE_FAILED", [F, S], None),
        ("AT_LEAST_ONE_FAILED", [S, S], X),
        ("AT_LEAST_ONE_FAILED", [S, X], X),
        ("ALL_SUCCESS", [S, N], N),
        ("ALL_DONE", [F, N], N),
        ("AT_LEAST_ONE_SUCCESS", [S, N], N),
    ],
)
def test_run_if_decides(run_if: str, before: list[State], expected: State | None) -> None:
    assert verdict(run_if, before) is expected


@pytest.mark.parametrize(
    ("left", "operator", "right", "outcome"),
    [
        ("12.0", "EQUAL_TO", "12", False),
        ("a", "EQUAL_TO", "a", True),
        ("a", "NOT_EQUAL", "b", True),
        ("12.0", "GREATER_THAN_OR_EQUAL", "12", True),
        ("10", "GREATER_THAN", "9", True),
        ("0.9", "LESS_THAN", "0.91", True),
        ("1", "LESS_THAN_OR_EQUAL", "0", False),
    ],
)
def test_equality_compares_texts_and_order_numbers(
    left: str, operator: str, right: str, *, outcome: bool
) -> None:
    assert compared(left, operator, right) is outcome


def test_order_of_texts_is_refused() -> None:
    with pytest.raises(ValueError, match="many"):
        compared("many", "GREATER_THAN", "3")


@pytest.mark.parametrize(
    ("states", "state"),
    [
        ([S, X], S),
        ([S, F, U], State.FAILED),
        ([S, C, F], C),
        ([X, X], X),
        ([N, X], N),
        ([S, N], S),
    ],
)
def test_the_state_of_a_job_is_that_of_its_tasks(states: list[State], state: State) -> None:
    tasks = tuple(TaskResult(job="j", task=str(n), state=one) for n, one in enumerate(states))
    result = JobResult(job="j", tasks=tasks, seconds=1.0)
    assert result.state is state
    assert result.failed is (state in (State.FAILED, State.CANCELED))
