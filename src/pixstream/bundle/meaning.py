"""Resolves `{{…}}` references in one run of a job on this machine."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pixstream.bundle import references
from pixstream.bundle.results import TaskResult
from pixstream.bundle.values import as_text
from pixstream.errors import ConfigError

if TYPE_CHECKING:
    from pixstream.bundle.references import Reference

_TIMES = (("job", "start_time"), ("job", "trigger", "time"))


@dataclasses.dataclass(kw_only=True, slots=True)
class ReferenceValues:
    """The values that references can use in one run.

    Attributes:
        job: key of the job.
        started: UTC; also the time of the trigger, and in milliseconds the id of the run.
        trigger: `onetime`, or `run_job_task` for a job that a task of another started.
        parameters: of the job.
        tasks: the results of the tasks so far.
    """

    job: str
    started: dt.datetime
    trigger: str
    parameters: Mapping[str, str] = dataclasses.field(default_factory=dict)
    tasks: dict[str, TaskResult] = dataclasses.field(default_factory=dict)

    def fill(self, text: str, *, task: str = "", attempt: int = 1) -> str:
        """The text with every reference replaced.

        Raises:
            ConfigError: one means nothing here.
        """
        return references.replace(text, lambda one: self._value(one, task, attempt))

    def _value(self, reference: Reference, task: str, attempt: int) -> str:
        steps = reference.steps
        for head in _TIMES:
            if steps[: len(head)] == head and steps[len(head) :] and steps[-1] in references.TIMES:
                return references.time_part(self.started, steps[-1])
        run_id = references.time_part(self.started, "timestamp_ms")
        simple = {
            ("job", "name"): self.job,
            ("job", "run_id"): run_id,
            ("job", "repair_count"): "0",
            ("job", "trigger", "type"): self.trigger,
            ("task", "name"): task,
            ("task", "run_id"): run_id,
            ("task", "execution_count"): str(attempt),
        }
        if steps in simple:
            return simple[steps]
        if steps[:2] == ("job", "parameters") and steps[2:] and steps[2] in self.parameters:
            return self.parameters[steps[2]]
        if steps[:1] == ("tasks",) and steps[1:] and steps[1] in self.tasks:
            return self._of_task(reference, self.tasks[steps[1]])
        raise ConfigError(f"{{{{{reference.text}}}}} means nothing here: pixstream jobs check")

    def _of_task(self, reference: Reference, result: TaskResult) -> str:
        what = reference.steps[2:]
        if what == ("result_state",):
            return result.state
        if what == ("execution_count",):
            return str(result.attempts)
        if what[:1] == ("values",) and what[1:] and what[1] in result.values:
            return as_text(result.values[what[1]])
        given = ", ".join(result.values) or "none"
        raise ConfigError(
            f"{{{{{reference.text}}}}} has no value: {result.task} ended with {result.state}; "
            f"values that it set: {given}"
        )
