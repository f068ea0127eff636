"""Runs a job's graph on this machine: one task after another, each after its dependencies.

As in a workspace, a failed task is retried up to `max_retries` times and stops only the tasks that
depend on it. Unlike in a workspace: tasks never run in parallel; waits before a retry are capped;
`timeout_seconds` ends nothing and is only reported; notebooks and other types of work do not run,
nor does what depends on them; after a stop signal no further task starts, not even those that
handle failures; and job parameters reach a task only through `{{job.parameters.x}}`.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import time
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeAlias

from pixstream.bundle import calling, entry_points, graph, values
from pixstream.bundle.arguments import refuse_unknown
from pixstream.bundle.calling import AttemptResult
from pixstream.bundle.definition import ConditionWork, JobWork, WheelWork
from pixstream.bundle.meaning import ReferenceValues
from pixstream.bundle.results import BAD, JobResult, State, TaskResult, compared, verdict
from pixstream.config.problems import nearest
from pixstream.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pixstream.bundle.arguments import LocalContext
    from pixstream.bundle.definition import Bundle, Dependency, Job, Task

Attempt: TypeAlias = tuple[AttemptResult, values.Collected]
"""How one attempt ended, and what it passed on."""

_LOOK_SECONDS = 0.1
"""How soon a stop signal ends a wait."""


class Watcher(Protocol):
    """An observer of a run's progress."""

    def job_started(self, job: Job, parameters: Mapping[str, str]) -> None:
        """A job begins."""

    def task_started(self, job: str, task: str, attempt: int, work: str) -> None:
        """A task begins; `work` is what it does, with its arguments."""

    def task_failed(
        self, job: str, task: str, ending: AttemptResult, wait: float, wanted: float
    ) -> None:
        """An attempt failed; the next follows in `wait` seconds, `wanted` by the bundle."""

    def task_ended(self, result: TaskResult, ending: AttemptResult | None) -> None:
        """A task came to its end, or is not run; `ending` is that of its last call, if any."""


class Runner:
    """A runner of one bundle's jobs, with their `results` in the order in which they ended.

    Args:
        bundle: the bundle.
        here: options of the root command.
        watcher: notified of every step.
        stopping: whether to stop after the running task.
        max_wait: the longest wait before a retry, in seconds.
    """

    def __init__(
        self,
        bundle: Bundle,
        here: LocalContext,
        watcher: Watcher,
        *,
        stopping: Callable[[], bool] = lambda: False,
        max_wait: float = 10.0,
    ) -> None:
        self._bundle = bundle
        self._here = here
        self._watcher = watcher
        self._stopping = stopping
        self._max_wait = max_wait
        self._interrupted = False
        self._under_way: list[str] = []
        self.results: list[JobResult] = []

    @property
    def stopped(self) -> bool:
        """A signal, or Ctrl-C in a task, ended the run."""
        return self._interrupted or self._stopping()

    def run(
        self, name: str, parameters: Mapping[str, str] | None = None, *, started_by: str = ""
    ) -> JobResult:
        """Run a job.

        Args:
            name: its key.
            parameters: values in the place of the defaults.
            started_by: the job and task that starts it, if one does.

        Raises:
            ConfigError: there is no such job or parameter, or its tasks wait for one another.
        """
        job = self._job(name, parameters or {})
        tasks = graph.ordered(job)
        trigger = "run_job_task" if started_by else "onetime"
        meaning = ReferenceValues(job=name, started=dt.datetime.now(dt.UTC), trigger=trigger)
        chosen = {**job.parameters, **(parameters or {})}
        meaning.parameters = {key: meaning.fill(text) for key, text in chosen.items()}
        self._watcher.job_started(job, meaning.parameters)
        self._under_way.append(name)
        began = time.monotonic()
        for task in tasks:
            meaning.tasks[task.key] = self._task(task, meaning)
        self._under_way.remove(name)
        seconds = time.monotonic() - began
        ended = tuple(meaning.tasks.values())
        result = JobResult(job=name, tasks=ended, seconds=seconds, started_by=started_by)
        self.results.append(result)
        return result

    def _job(self, name: str, parameters: Mapping[str, str]) -> Job:
        jobs = self._bundle.jobs
        if name not in jobs:
            raise ConfigError(f"no job {name!r} in the bundle{nearest(name, jobs)}")
        for key in parameters:
            if key not in jobs[name].parameters:
                hint = nearest(key, jobs[name].parameters)
                raise ConfigError(f"job {name} declares no parameter {key!r}{hint}")
        if name in self._under_way:
            circle = graph.as_words([*self._under_way, name])
            raise ConfigError(f"{circle}; remove one run_job_task")
        return jobs[name]

    def _task(self, task: Task, meaning: ReferenceValues) -> TaskResult:
        result = self._not_run(task, meaning)
        ending = None
        if result is None:
            began = time.monotonic()
            try:
                result, ending = self._run(task, meaning)
            except (ConfigError, ValueError) as error:
                result = TaskResult(
                    job=meaning.job, task=task.key, state=State.FAILED, note=str(error)
                )
            result = dataclasses.replace(result, seconds=time.monotonic() - began)
        self._watcher.task_ended(result, ending)
        return result

    def _not_run(self, task: Task, meaning: ReferenceValues) -> TaskResult | None:
        """Return the result of a task that does not run; None if it runs."""
        states = [_seen(meaning.tasks[one.task], one) for one in task.depends_on]
        state, note = verdict(task.run_if, states), ""
        if self.stopped:
            state, note = State.CANCELED, "not started: a stop was asked for"
        elif task.disabled:
            state, note = State.EXCLUDED, "disabled in the bundle"
        elif state is not None:
            met = zip(task.depends_on, states, strict=True)
            note = f"{task.run_if} after " + ", ".join(f"{one.task}: {seen}" for one, seen in met)
        elif not _is_local(task):
            state, note = State.NOT_RUN_HERE, f"{task.work}: only a workspace runs it"
        if state is None:
            return None
        return TaskResult(job=meaning.job, task=task.key, state=state, note=note)

    def _run(self, task: Task, meaning: ReferenceValues) -> tuple[TaskResult, AttemptResult | None]:
        work, job = task.work, meaning.job
        if isinstance(work, ConditionWork):
            left, right = (meaning.fill(text, task=task.key) for text in (work.left, work.right))
            refuse_unknown((left, right))
            self._watcher.task_started(job, task.key, 1, f"if {left} {work.operator} {right}")
            outcome = "true" if compared(left, work.operator, right) else "false"
            state, facts = State.SUCCESS, {"outcome": outcome}
            result = TaskResult(
                job=job, task=task.key, state=state, attempts=1, facts=facts, outcome=outcome
            )
            return result, None
        if isinstance(work, JobWork):
            return self._attempts(task, job, partial(self._other_job, task, work, meaning))
        assert isinstance(work, WheelWork)  # noqa: S101  `_is_local`
        return self._attempts(task, job, partial(self._call, task, work, meaning))

    def _call(self, task: Task, work: WheelWork, meaning: ReferenceValues, attempt: int) -> Attempt:
        """Call the task's function once."""
        kept, own = self._here.divided(work.arguments)
        filled = [meaning.fill(text, task=task.key, attempt=attempt) for text in kept]
        refuse_unknown(filled)
        arguments = [*filled, *own]
        entry = entry_points.find(work.package, work.entry_point)
        words = " ".join((work.entry_point, *arguments))
        self._watcher.task_started(meaning.job, task.key, attempt, words)
        with values.collecting() as collected:
            ending = calling.call(entry.load, [work.entry_point, *arguments])
        return ending, collected

    def _other_job(
        self, task: Task, work: JobWork, meaning: ReferenceValues, attempt: int
    ) -> Attempt:
        """Run the job that the task starts."""
        given = {name: meaning.fill(text, task=task.key) for name, text in work.parameters.items()}
        self._watcher.task_started(meaning.job, task.key, attempt, str(work))
        result = self.run(work.job or "", given, started_by=f"{meaning.job}.{task.key}")
        ending = AttemptResult(ok=result.state not in BAD, why=f"job {work.job}: {result.state}")
        return ending, values.Collected(facts={"job": work.job})

    def _attempts(
        self, task: Task, job: str, once: Callable[[int], Attempt]
    ) -> tuple[TaskResult, AttemptResult]:
        """Try until it succeeds, no retry is left, or a stop was asked for."""
        attempt = 0
        while True:
            attempt += 1
            began = time.monotonic()
            ending, collected = once(attempt)
            seconds = time.monotonic() - began
            self._interrupted = self._interrupted or ending.interrupted
            if ending.ok or self.stopped or -1 < task.max_retries < attempt:
                break
            wanted = max(0.0, task.min_retry_interval_ms / 1000 - seconds)
            wait = min(wanted, self._max_wait)
            self._watcher.task_failed(job, task.key, ending, wait, wanted)
            if not self._waited(wait):
                break
        state = State.SUCCESS if ending.ok else State.FAILED
        note = ending.why if state is State.FAILED else ""
        if ending.interrupted:
            state = State.CANCELED
        elif 0 < task.timeout_seconds < seconds:
            note = f"{note} (a workspace ends it after {task.timeout_seconds} s)".strip()
        result = TaskResult(
            job=job,
            task=task.key,
            state=state,
            attempts=attempt,
            note=note,
            facts=collected.facts,
            values=collected.values if ending.ok else {},
        )
        return result, ending

    def _waited(self, seconds: float) -> bool:
        """Wait; False as soon as a stop was asked for."""
        end = time.monotonic() + seconds
        while not self.stopped and (left := end - time.monotonic()) > 0:
            time.sleep(min(_LOOK_SECONDS, left))
        return not self.stopped


def _is_local(task: Task) -> bool:
    work = task.work
    return isinstance(work, (WheelWork, ConditionWork)) or (
        isinstance(work, JobWork) and work.job is not None
    )


def _seen(result: TaskResult, dependency: Dependency) -> State:
    """What a task counts as for one that depends on it: the wrong outcome is an exclusion."""
    if result.state is State.SUCCESS and dependency.outcome not in (None, result.outcome):
        return State.EXCLUDED
    return result.state
