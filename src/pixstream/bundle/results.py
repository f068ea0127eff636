"""The results of tasks and jobs, and whether a task runs after the results of others."""

from __future__ import annotations

import dataclasses
import enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection


class State(enum.StrEnum):
    """How a task or a job ended; all states but the last are Databricks' own.

    NOT_RUN_HERE: only a workspace runs it (a notebook, for instance), or it depends on such a
    task, directly or not: what it builds on does not exist here.
    """

    SUCCESS = "success"
    FAILED = "failed"
    EXCLUDED = "excluded"
    UPSTREAM_FAILED = "upstream_failed"
    CANCELED = "canceled"
    NOT_RUN_HERE = "not_run_here"


BAD = frozenset((State.FAILED, State.UPSTREAM_FAILED, State.CANCELED))
"""States that count as failure, for a job and for what depends on a task."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class TaskResult:
    """The result of a task.

    Attributes:
        attempts: how many times it was started.
        seconds: from its first start to its end, waits included.
        note: why it failed or did not run, on one line; empty where there is nothing to say.
        facts: what it reported.
        values: what it gave to later tasks.
        outcome: of a condition.
    """

    job: str
    task: str
    state: State
    attempts: int = 0
    seconds: float = 0.0
    note: str = ""
    facts: dict[str, Any] = dataclasses.field(default_factory=dict)
    values: dict[str, Any] = dataclasses.field(default_factory=dict)
    outcome: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class JobResult:
    """The result of a job's run; `started_by` is the job and task that started it, if any."""

    job: str
    tasks: tuple[TaskResult, ...]
    seconds: float
    started_by: str = ""

    @property
    def state(self) -> State:
        """Failed or canceled as soon as one task is, otherwise success if one task succeeded."""
        states = {task.state for task in self.tasks}
        if State.CANCELED in states:
            return State.CANCELED
        if states & BAD:
            return State.FAILED
        order = (State.SUCCESS, State.NOT_RUN_HERE, State.EXCLUDED)
        return next((state for state in order if state in states), State.EXCLUDED)

    @property
    def failed(self) -> bool:
        """A task failed, or could not run because one did, or was canceled."""
        return self.state in BAD


def verdict(run_if: str, before: Collection[State]) -> State | None:
    """Return the state of a task that does not run, given its dependencies; None if it runs.

    Databricks' rules (its page on task dependencies), with one of our own: what depends on a task
    that is not run here is not run here either. A dependency whose condition had the other
    outcome counts as excluded. If all are excluded, so is the task, whatever its `run_if`.
    """
    if not before:
        return None
    if State.NOT_RUN_HERE in before:
        return State.NOT_RUN_HERE
    failed = [state in BAD for state in before]
    succeeded = [state is State.SUCCESS for state in before]
    if not any(failed) and not any(succeeded):
        return State.EXCLUDED
    runs = {
        "ALL_SUCCESS": all(succeeded),
        "ALL_DONE": True,
        "NONE_FAILED": not any(failed),
        "AT_LEAST_ONE_SUCCESS": any(succeeded),
        "ALL_FAILED": all(failed),
        "AT_LEAST_ONE_FAILED": any(failed),
    }
    if runs[run_if]:
        return None
    # A task that handles failures has nothing to do; one that builds on success lacks it.
    handles_failures = run_if in ("ALL_FAILED", "AT_LEAST_ONE_FAILED")
    return State.UPSTREAM_FAILED if any(failed) and not handles_failures else State.EXCLUDED


def compared(left: str, operator: str, right: str) -> bool:
    """The outcome of a condition: equality compares texts, order compares numbers.

    Raises:
        ValueError: an order operator got something that is not a number.
    """
    if operator in ("EQUAL_TO", "NOT_EQUAL"):
        return (left == right) is (operator == "EQUAL_TO")
    a, b = float(left), float(right)
    return {
        "GREATER_THAN": a > b,
        "GREATER_THAN_OR_EQUAL": a >= b,
        "LESS_THAN": a < b,
        "LESS_THAN_OR_EQUAL": a <= b,
    }[operator]
