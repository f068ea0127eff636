"""A bundle read for one target: its jobs, their tasks and when they run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixstream.bundle import layers
from pixstream.bundle.definition import (
    OPERATORS,
    RUN_IF,
    Bundle,
    ConditionWork,
    Dependency,
    Job,
    JobWork,
    NotebookWork,
    OtherWork,
    Task,
    Timing,
    WheelWork,
    Work,
)
from pixstream.bundle.fields import SectionFields
from pixstream.bundle.variables import REFERENCE, Replacement
from pixstream.config.yaml_tree import Problems, Section

if TYPE_CHECKING:
    from pathlib import Path

_PAUSE = ("UNPAUSED", "PAUSED")
_WITHOUT_END = -1


def load(directory: Path, target: str) -> Bundle:
    """Read a bundle for one target.

    Raises:
        ConfigError: one problem a line, with file, line and field.
    """
    problems = Problems()
    bundle = build(layers.read(directory).tree, target, problems)
    problems.raise_any()
    return bundle


def build(tree: Section, target: str, problems: Problems) -> Bundle:
    """Build the bundle from a tree (`layers.Source.tree`); add what is wrong to `problems`.

    Raises:
        ConfigError: there is no such target.
    """
    replacement = Replacement(layers.with_target(tree, target, problems), target, problems)
    top = SectionFields(replacement.done(), problems)
    about = top.below("bundle")
    name = about.required("name") if about else ""
    if about is None:
        problems.add(tree.origin, "the section bundle is missing; write `bundle: {name: …}`")
    resources = top.below("resources")
    written = resources.below("jobs") if resources else None
    jobs: dict[str, Job] = {}
    for key in written.section.items if written else ():
        fields = written.below(key) if written else None
        if fields is not None:
            jobs[key] = _job(key, fields)
    return Bundle(name=name, target=target, jobs=jobs, without_value=replacement.without_value)


def _job(key: str, fields: SectionFields) -> Job:
    parameters = {one.required("name"): one.text("default") for one in fields.each("parameters")}
    return Job(
        key=key,
        description=fields.text("description") or fields.text("name"),
        timing=_timing(fields),
        parameters=parameters,
        tasks=tuple(_task(one) for one in fields.each("tasks")),
        section=fields.section,
    )


def _timing(fields: SectionFields) -> Timing:
    if (continuous := fields.below("continuous")) is not None:
        paused = continuous.choice("pause_status", _PAUSE, "UNPAUSED") == "PAUSED"
        return Timing(words="continuous", continuous=True, paused=paused)
    if (schedule := fields.below("schedule")) is not None:
        cron, zone = schedule.required("quartz_cron_expression"), schedule.required("timezone_id")
        paused = schedule.choice("pause_status", _PAUSE, "UNPAUSED") == "PAUSED"
        return Timing(words=f"{cron} {zone}", paused=paused)
    if (trigger := fields.below("trigger")) is not None:
        paused = trigger.choice("pause_status", _PAUSE, "UNPAUSED") == "PAUSED"
        kinds = [key for key in trigger.section.items if key != "pause_status"]
        return Timing(words=f"trigger {' '.join(kinds)}", paused=paused)
    return Timing()


def _task(fields: SectionFields) -> Task:
    return Task(
        key=fields.required("task_key"),
        description=fields.text("description"),
        depends_on=tuple(
            Dependency(
                task=one.required("task_key"),
                outcome=one.choice("outcome", ("true", "false"), "") or None
                if "outcome" in one.section.items
                else None,
                origin=one.section.origin,
            )
            for one in fields.each("depends_on")
        ),
        run_if=fields.choice("run_if", RUN_IF, "ALL_SUCCESS"),
        max_retries=fields.number("max_retries", 0, _WITHOUT_END),
        min_retry_interval_ms=fields.number("min_retry_interval_millis", 0),
        timeout_seconds=fields.number("timeout_seconds", 0),
        disabled=fields.flag("disabled"),
        work=_work(fields),
        section=fields.section,
    )


def _work(fields: SectionFields) -> Work:
    """Return what the task does; every type's key ends with `_task`."""
    kinds = [key for key in fields.section.items if key.endswith("_task")]
    kind = kinds[0] if len(kinds) == 1 else ""
    origin = fields.origin(kind)
    below = fields.below(kind) if kind else None
    if below is None:
        fields.problem("needs exactly one type of work, as python_wheel_task or condition_task")
        return OtherWork(kind=kind, origin=origin)
    if kind == "python_wheel_task":
        return WheelWork(
            package=below.required("package_name"),
            entry_point=below.required("entry_point"),
            parameters=below.texts("parameters"),
            named=below.mapping("named_parameters"),
            origin=origin,
        )
    if kind == "notebook_task":
        path = below.required("notebook_path")
        elsewhere = below.text("source") == "GIT" or path.startswith("/") or "${" in path
        return NotebookWork(path=path, in_workspace=elsewhere, origin=below.origin("notebook_path"))
    if kind == "condition_task":
        return ConditionWork(
            left=below.text("left"),
            operator=below.choice("op", OPERATORS, OPERATORS[0]),
            right=below.text("right"),
            origin=origin,
        )
    if kind == "run_job_task":
        job_id = below.required("job_id")
        return JobWork(
            job=_job_key(job_id),
            job_id=job_id,
            parameters=below.mapping("job_parameters"),
            origin=below.origin("job_id"),
        )
    return OtherWork(kind=kind, origin=origin)


def _job_key(job_id: str) -> str | None:
    """Return the key in `${resources.jobs.<key>.id}`."""
    match = REFERENCE.fullmatch(job_id)
    steps = match[1].split(".") if match else []
    return steps[2] if steps[:2] == ["resources", "jobs"] and steps[3:] == ["id"] else None
