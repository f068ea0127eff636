"""A job's graph, run."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, Any

import pytest

from pixstream.bundle import values
from pixstream.bundle.arguments import LocalContext
from pixstream.bundle.bundle import load
from pixstream.bundle.results import JobResult, State
from pixstream.bundle.running import Runner
from pixstream.errors import ConfigError, DestinationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pixstream.bundle.calling import AttemptResult
    from pixstream.bundle.definition import Job
    from pixstream.bundle.results import TaskResult

Functions = dict[str, Any]


class Notes:
    """A watcher that remembers."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.waits: list[tuple[float, float]] = []

    def job_started(self, job: Job, parameters: Mapping[str, str]) -> None:
        self.lines.append(f"{job.key} {dict(parameters)}")

    def task_started(self, job: str, task: str, attempt: int, work: str) -> None:
        self.lines.append(f"{job}.{task} {attempt} {work}")

    def task_failed(
        self, job: str, task: str, ending: AttemptResult, wait: float, wanted: float
    ) -> None:
        self.lines.append(f"{job}.{task} failed {ending.why}")
        self.waits.append((wait, wanted))

    def task_ended(self, result: TaskResult, ending: AttemptResult | None) -> None:
        del ending
        self.lines.append(f"{result.job}.{result.task} {result.state}")


def wheel(key: str, *after: str, **others: Any) -> dict[str, Any]:
    """A task that runs the entry point of its own name."""
    work: dict[str, Any] = {"package_name": "pixstream", "entry_point": key}
    if "parameters" in others:
        work["parameters"] = others.pop("parameters")
    depends_on = [{"task_key": one} for one in after]
    return {"task_key": key, "depends_on": depends_on, "python_wheel_task": work, **others}


def runner(directory: Path, notes: Notes | None = None, **options: Any) -> Runner:
    here = options.pop("here", LocalContext("k.yaml"))
    return Runner(load(directory, "dev"), here, notes or Notes(), **options)


def states(result: JobResult) -> dict[str, str]:
    return {task.task: str(task.state) for task in result.tasks}


def failing() -> None:
    raise DestinationError("no room")


def test_a_failed_task_stops_only_what_depends_on_it(
    one_job: Callable[..., Path], functions: Functions
) -> None:
    ran: list[str] = []
    for name in ("a", "after_a", "other", "clean"):
        functions[name] = lambda name=name: ran.append(name)
    functions["bad"] = failing
    directory = one_job(
        wheel("after_bad", "bad"),
        wheel("last", "after_bad", "a"),
        wheel("clean", "bad", run_if="AT_LEAST_ONE_FAILED"),
        wheel("a"),
        wheel("bad"),
        wheel("after_a", "a"),
        wheel("other"),
    )
    result = runner(directory).run("daily")
    assert states(result) == {
        "a": "success",
        "bad": "failed",
        "after_bad": "upstream_failed",
        "last": "upstream_failed",
        "clean": "success",
        "after_a": "success",
        "other": "success",
    }
    assert ran == ["a", "clean", "after_a", "other"]
    notes = {task.task: task.note for task in result.tasks}
    assert notes["bad"] == "no room"
    assert notes["after_bad"] == "ALL_SUCCESS after bad: failed"
    assert result.state is State.FAILED


def test_a_failed_task_is_tried_again_until_it_succeeds(
    one_job: Callable[..., Path], functions: Functions
) -> None:
    calls: list[list[str]] = []

    def flaky() -> None:
        calls.append(sys.argv)
        values.set("half", "done")
        values.report(call=len(calls))
        if len(calls) < 3:
            sys.exit(4)

    functions["flaky"] = flaky
    notes = Notes()
    parameters = ["{{task.execution_count}}"]
    directory = one_job(
        wheel("flaky", max_retries=5, min_retry_interval_millis=600_000, parameters=parameters)
    )
    result = runner(directory, notes, max_wait=0.01).run("daily")
    (task,) = result.tasks
    assert (task.state, task.attempts, task.facts) == (State.SUCCESS, 3, {"call": 3})
    assert calls == [["flaky", "1"], ["flaky", "2"], ["flaky", "3"]]
    assert [wait for wait, _ in notes.waits] == [0.01, 0.01]
    assert all(590 < wanted <= 600 for _, wanted in notes.waits)
    assert "daily.flaky failed exit code 4" in notes.lines


def test_retries_end_and_what_a_failed_attempt_set_is_lost(
    one_job: Callable[..., Path], functions: Functions
) -> None:
    def bad() -> None:
        values.set("x", 1)
        values.report(tried=True)
        failing()

    functions["bad"] = bad
    result = runner(one_job(wheel("bad", max_retries=2))).run("daily")
    (task,) = result.tasks
    assert (task.state, task.attempts, task.note) == (State.FAILED, 3, "no room")
    assert task.values == {}
    assert task.facts == {"tried": True}


def test_values_parameters_and_the_start_reach_later_tasks(
    one_job: Callable[..., Path], functions: Functions
) -> None:
    def train() -> None:
        values.set("auc", 0.93)
        values.set("good", True)
        values.set("parts", ["a", 1])

    functions["train"] = train
    seen: list[list[str]] = []
    functions["use"] = lambda: seen.append(sys.argv)
    arguments = [
        "{{tasks.train.values.auc}}/{{tasks.train.values.good}}",
        "{{tasks.train.values.parts}}",
        "{{tasks.train.result_state}}",
        "{{job.parameters.day}}{{job.parameters.year}}",
        "{{job.name}}.{{task.name}} {{job.trigger.type}}",
    ]
    parameters = [
        {"name": "day", "default": "1"},
        {"name": "year", "default": "{{job.start_time.year}}"},
    ]
    directory = one_job(
        wheel("train"), wheel("use", "train", parameters=arguments), parameters=parameters
    )
    assert runner(directory).run("daily", {"day": "24/"}).state is State.SUCCESS
    (argv,) = seen
    assert argv[:4] == ["use", "0.93/true", '["a",1]', "success"]
    assert argv[4].startswith("24/20")
    assert argv[5] == "daily.use onetime"


def test_a_value_that_nobody_set_fails_the_task_that_needs_it_without_a_retry(
    one_job: Callable[..., Path], functions: Functions
) -> None:
    functions["a"] = lambda: values.set("x", 1)
    functions["b"] = failing
    arguments = ["{{tasks.a.values.y}}"]
    result = runner(one_job(wheel("a"), wheel("b", "a", parameters=arguments, max_retries=3))).run(
        "daily"
    )
    task = result.tasks[1]
    assert (task.state, task.attempts) == (State.FAILED, 0)
    assert task.note == (
        "{{tasks.a.values.y}} has no value: a ended with success; values that it set: x"
    )


@pytest.mark.parametrize(
    ("auc", "expected"),
    [
        (0.95, {"promote": "success", "keep": "excluded", "told": "success"}),
        (0.5, {"promote": "excluded", "keep": "success", "told": "success"}),
        ("high", {"promote": "upstream_failed", "keep": "upstream_failed", "told": "excluded"}),
    ],
)
def test_a_condition_chooses_a_branch(
    one_job: Callable[..., Path], functions: Functions, auc: object, expected: dict[str, str]
) -> None:
    functions["train"] = lambda: values.set("auc", auc)
    for name in ("promote", "keep", "told"):
        functions[name] = lambda: None
    good = {
        "task_key": "good",
        "depends_on": [{"task_key": "train"}],
        "condition_task": {
            "left": "{{tasks.train.values.auc}}",
            "op": "GREATER_THAN",
            "right": "0.9",
        },
    }
    on = {one: [{"task_key": "good", "outcome": one}] for one in ("true", "false")}
    directory = one_job(
        wheel("train"),
        good,
        wheel("promote", depends_on=on["true"]),
        wheel("keep", depends_on=on["false"]),
        wheel("told", "promote", "keep", run_if="AT_LEAST_ONE_SUCCESS"),
    )
    result = runner(directory).run("daily")
    expected = {"told": "upstream_failed", **expected} if auc != "high" else expected
    if auc == "high":
        expected = {**expected, "told": "upstream_failed"}
        assert "could not convert" in result.tasks[1].note
    assert {key: states(result)[key] for key in expected} == expected


def test_notebooks_and_what_depends_on_them_are_not_run_here(
    one_job: Callable[..., Path], functions: Functions
) -> None:
    functions["a"] = functions["b"] = functions["c"] = lambda: None
    look = {"task_key": "look", "notebook_task": {"notebook_path": "look.py"}}
    directory = one_job(
        look, wheel("a"), wheel("b", "a", "look", run_if="ALL_DONE"), wheel("c", "b")
    )
    result = runner(directory).run("daily")
    here = "not_run_here"
    assert states(result) == {"look": here, "a": "success", "b": here, "c": here}
    assert result.tasks[0].note == "notebook look.py: only a workspace runs it"
    assert result.state is State.SUCCESS
    assert not result.failed


def test_a_disabled_task_is_left_out(one_job: Callable[..., Path], functions: Functions) -> None:
    functions["a"] = functions["b"] = failing
    directory = one_job(wheel("a", disabled=True), wheel("b", "a"))
    assert states(runner(directory).run("daily")) == {"a": "excluded", "b": "excluded"}


def test_the_roots_configuration_takes_the_place_of_the_bundles(
    one_job: Callable[..., Path], functions: Functions
) -> None:
    seen: list[list[str]] = []
    functions["a"] = functions["b"] = lambda: seen.append(sys.argv[1:])
    there = "--config=${workspace.file_path}/c.yaml"
    directory = one_job(
        wheel("a", parameters=[there, "--set=kafka=null", "--days", "1"]),
        wheel("b", parameters=["--days", "2"]),
    )
    runner(directory, here=LocalContext("k.yaml", "dev", ("x=1",))).run("daily")
    own = ["--config", "k.yaml", "--env", "dev", "--set", "x=1"]
    assert seen == [["--days", "1", *own], ["--days", "2"]]


def test_what_only_a_workspace_knows_fails_the_task_before_it_starts(
    one_job: Callable[..., Path], functions: Functions
) -> None:
    functions["a"] = failing
    result = runner(one_job(wheel("a", parameters=["${workspace.root_path}/x"]))).run("daily")
    assert result.tasks[0].note.startswith("${workspace.root_path} is known only to a workspace")


def test_a_missing_entry_point_fails_its_task_only(
    one_job: Callable[..., Path], functions: Functions
) -> None:
    functions["b"] = lambda: None
    result = runner(one_job(wheel("a"), wheel("b"))).run("daily")
    assert states(result) == {"a": "failed", "b": "success"}
    assert "no entry point 'a'" in result.tasks[0].note


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_lets_the_running_task_end_and_starts_no_other(
    one_job: Callable[..., Path], functions: Functions, number: int
) -> None:
    asked: list[int] = []
    former = signal.signal(number, lambda got, _: asked.append(got))
    ran: list[str] = []

    def first() -> None:
        signal.raise_signal(number)
        ran.append("first")

    functions["a"] = first
    functions["b"] = functions["c"] = failing
    try:
        running = runner(
            one_job(wheel("a"), wheel("b", "a"), wheel("c", "a", run_if="AT_LEAST_ONE_FAILED")),
            stopping=lambda: bool(asked),
        )
        result = running.run("daily")
    finally:
        signal.signal(number, former)
    assert ran == ["first"]
    assert states(result) == {"a": "success", "b": "canceled", "c": "canceled"}
    assert running.stopped
    assert result.state is State.CANCELED


def test_a_stop_ends_the_wait_before_a_retry(
    one_job: Callable[..., Path], functions: Functions
) -> None:
    asked: list[bool] = []
    calls: list[int] = []

    class Asking(Notes):
        def task_failed(self, *arguments: Any) -> None:
            super().task_failed(*arguments)
            asked.append(True)

    def bad() -> None:
        calls.append(1)
        failing()

    functions["a"] = bad
    task = wheel("a", max_retries=-1, min_retry_interval_millis=60_000)
    result = runner(one_job(task), Asking(), stopping=lambda: bool(asked), max_wait=60).run("daily")
    assert calls == [1]
    assert result.seconds < 30
    assert states(result) == {"a": "failed"}


def test_an_interrupted_task_is_canceled_and_ends_the_run(
    one_job: Callable[..., Path], functions: Functions
) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    functions["a"] = interrupted
    functions["b"] = failing
    running = runner(one_job(wheel("a", max_retries=3), wheel("b")))
    assert states(running.run("daily")) == {"a": "canceled", "b": "canceled"}
    assert running.stopped


def test_a_task_over_its_time_is_told_of(
    one_job: Callable[..., Path], functions: Functions, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("pixstream.bundle.running.time.monotonic", lambda: now[0])

    def slow() -> None:
        now[0] += 11

    functions["a"] = slow
    (task,) = runner(one_job(wheel("a", timeout_seconds=10))).run("daily").tasks
    assert task.state is State.SUCCESS
    assert task.note == "(a workspace ends it after 10 s)"
    assert task.seconds == 11


def two_jobs(write: Callable[..., Path], *, back: bool = False) -> Path:
    start = {
        "task_key": "start",
        "depends_on": [{"task_key": "a"}],
        "run_job_task": {
            "job_id": "${resources.jobs.second.id}",
            "job_parameters": {"x": "{{tasks.a.values.x}}"},
        },
    }
    again = {"task_key": "again", "run_job_task": {"job_id": "${resources.jobs.first.id}"}}
    second = {
        "parameters": [{"name": "x", "default": "0"}],
        "tasks": [again if back else wheel("b", parameters=["{{job.parameters.x}}"])],
    }
    jobs = {"first": {"tasks": [wheel("a"), start, wheel("c", "start")]}, "second": second}
    return write({"databricks.yml": {"bundle": {"name": "b"}, "resources": {"jobs": jobs}}})


def test_a_task_can_run_another_job_with_parameters(
    write: Callable[..., Path], functions: Functions
) -> None:
    seen: list[str] = []
    functions["a"] = lambda: values.set("x", 5)
    functions["b"] = lambda: seen.append(sys.argv[1])
    functions["c"] = lambda: None
    running = runner(two_jobs(write))
    result = running.run("first")
    assert states(result) == {"a": "success", "start": "success", "c": "success"}
    assert seen == ["5"]
    assert [(one.job, one.started_by) for one in running.results] == [
        ("second", "first.start"),
        ("first", ""),
    ]
    functions["b"] = failing
    result = runner(two_jobs(write)).run("first")
    assert states(result) == {"a": "success", "start": "failed", "c": "upstream_failed"}
    assert result.tasks[1].note == "job second: failed"


def test_jobs_that_start_one_another_in_a_circle_fail(
    write: Callable[..., Path], functions: Functions
) -> None:
    functions["a"] = lambda: values.set("x", 5)
    result = runner(two_jobs(write, back=True)).run("first")
    assert states(result) == {"a": "success", "start": "failed", "c": "upstream_failed"}


@pytest.mark.parametrize(
    ("name", "parameters", "told"),
    [
        ("dayly", {}, "no job 'dayly' in the bundle; nearest valid key: daily"),
        ("daily", {"x": "1"}, "job daily declares no parameter 'x'"),
    ],
)
def test_an_unknown_job_or_parameter_is_refused(
    one_job: Callable[..., Path], name: str, parameters: dict[str, str], told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        runner(one_job(wheel("a"))).run(name, parameters)
