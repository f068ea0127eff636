"""Checks a bundle for everything that can be verified without a workspace.

Besides the schema (`schema_check`): references to variables, resources, tasks, parameters, entry
points, notebooks, clusters and environments that do not exist, and cycles of tasks and jobs.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pixstream.bundle import bundle, entry_points, graph, layers, references, schema_check
from pixstream.bundle.definition import ConditionWork, JobWork, NotebookWork, WheelWork
from pixstream.config.problems import nearest
from pixstream.config.yaml_tree import Listing, Origin, Problems, Scalar, Section
from pixstream.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pixstream.bundle.definition import Bundle, Job, Task
    from pixstream.bundle.references import Reference
    from pixstream.config.yaml_tree import Node

_NOTEBOOK_HEAD = "# Databricks notebook source"
_KEYED = (
    ("job_cluster_key", "job_clusters", "job_cluster_key"),
    ("environment_key", "environments", "environment_key"),
)

_NOTHING = Listing(origin=Origin(""), items=())


class CheckReport(NamedTuple):
    """What a check found.

    Attributes:
        targets: what was checked.
        problems: one per line, with file, line and field.
        notes: variables that must be given a value when a target is deployed, and entry points
            that do not exist yet, of jobs that are paused.
    """

    targets: tuple[str, ...]
    problems: list[str]
    notes: list[str]


def check(directory: Path, *, target: str | None = None, schema: Path | None = None) -> CheckReport:
    """Check a bundle.

    Args:
        directory: the folder with `databricks.yml`.
        target: the only target to check; None: every one.
        schema: the file of the JSON schema; None: the files are not validated.

    Raises:
        ConfigError: the files cannot be read as YAML, or there is no such target or schema.
    """
    source = layers.read(directory)
    problems = Problems()
    if schema is not None:
        rules = schema_check.read(schema)
        for file in source.files:
            schema_check.check(file, rules, problems)
    names = (target,) if target else tuple(layers.targets(source.tree)) or ("dev",)
    notes: dict[str, None] = {}
    for name in names:
        found = bundle.build(source.tree, name, problems)
        for variable, place in found.without_value.items():
            what = f"target {name} needs a value for variable {variable}"
            notes[f"{place.place}: {what} (bundle deploy --var, or BUNDLE_VAR_{variable})"] = None
        _jobs(found, problems, notes)
    return CheckReport(names, problems.lines(), list(notes))


def _jobs(found: Bundle, problems: Problems, notes: dict[str, None]) -> None:
    for job in found.jobs.values():
        _Checker(found, job, problems, notes).check()
    started = {
        job.key: [t.work.job for t in job.tasks if isinstance(t.work, JobWork) and t.work.job]
        for job in found.jobs.values()
    }
    if circle := graph.cycle(started):
        origin = found.jobs[circle[0]].section.origin
        problems.add(origin, f"{graph.as_words(circle)}; remove one run_job_task")


class _Checker:
    """Checks one job."""

    def __init__(self, found: Bundle, job: Job, problems: Problems, notes: dict[str, None]) -> None:
        self._bundle = found
        self._job = job
        self._problems = problems
        self._notes = notes
        self._edges = graph.edges(job)
        self._tasks = {task.key: task for task in job.tasks}

    def check(self) -> None:
        seen: dict[str, Task] = {}
        for task in self._job.tasks:
            if task.key in seen:
                first = seen[task.key].origin.line
                self._problems.add(task.origin, f"task_key is taken, first on line {first}")
            seen[task.key] = task
            self._dependencies(task)
            self._keys(task)
            self._work(task)
            for place in _scalars(task.section):
                for reference in references.found(place.text):
                    self._reference(task, place, reference)
        for place in _scalars(self._job.section.items.get("parameters", _NOTHING)):
            for reference in references.found(place.text):
                self._plain_reference(place, reference)
        if not self._job.tasks:
            self._problems.add(self._job.section.origin, "has no tasks")
        if circle := graph.cycle(self._edges):
            origin = self._tasks[circle[0]].origin
            self._problems.add(origin, f"{graph.as_words(circle)}; remove one dependency")

    def _dependencies(self, task: Task) -> None:
        for dependency in task.depends_on:
            on = self._tasks.get(dependency.task)
            if on is None:
                hint = nearest(dependency.task, self._tasks)
                self._problems.add(dependency.origin, f"no task {dependency.task!r}{hint}")
            elif dependency.outcome is not None and not isinstance(on.work, ConditionWork):
                text = f"{on.key} is not a condition_task, so it has no outcome; remove `outcome`"
                self._problems.add(dependency.origin, text)

    def _keys(self, task: Task) -> None:
        """The clusters and environments that the task names."""
        for field, listing, key in _KEYED:
            written = task.section.items.get(field)
            if not isinstance(written, Scalar) or written.unknown:
                continue
            known = list(_named(self._job.section.items.get(listing), key))
            if written.text not in known:
                text = f"the job's {listing} have no {written.text!r}{nearest(written.text, known)}"
                self._problems.add(written.origin, text)

    def _work(self, task: Task) -> None:
        work = task.work
        if isinstance(work, WheelWork):
            try:
                entry_points.find(work.package, work.entry_point)
            except ConfigError as error:
                if self._job.timing.paused:
                    self._notes[f"{work.origin.place}: {error} (the job is paused)"] = None
                else:
                    self._problems.add(work.origin, str(error))
        elif isinstance(work, NotebookWork) and not work.in_workspace:
            self._notebook(work)
        elif isinstance(work, JobWork):
            other = self._bundle.jobs.get(work.job) if work.job else None
            for name in work.parameters if other else ():
                if other and name not in other.parameters:
                    hint = nearest(name, other.parameters)
                    text = f"job {other.key} has no parameter {name!r}{hint}"
                    self._problems.add(work.origin, text)

    def _notebook(self, work: NotebookWork) -> None:
        file = Path(work.origin.name).parent / work.path
        if not file.is_file():
            text = f"no file {file}; the path is relative to this YAML file and keeps its ending"
            self._problems.add(work.origin, text)
        elif file.suffix == ".py" and not file.read_text("utf-8").startswith(_NOTEBOOK_HEAD):
            text = f"{file} is not a notebook; its first line must be `{_NOTEBOOK_HEAD}`"
            self._problems.add(work.origin, text)

    def _reference(self, task: Task, place: Scalar, reference: Reference) -> None:
        steps = reference.steps
        shown = f"{{{{{reference.text}}}}}"
        if steps[:2] == ("job", "parameters"):
            name = steps[2] if len(steps) > 2 else ""  # noqa: PLR2004  job.parameters.<name>
            if name not in self._job.parameters:
                hint = nearest(name, self._job.parameters)
                text = f"{shown}: the job declares no parameter {name!r}{hint}"
                self._problems.add(place.origin, text)
        elif steps[0] == "tasks":
            self._task_reference(task, place, steps, shown)
        elif steps[0] != "input" and not reference.text.startswith("secrets/"):
            self._plain_reference(place, reference)

    def _plain_reference(self, place: Scalar, reference: Reference) -> None:
        """One that has no name of the bundle's own in it, as the default of a parameter may."""
        if ".".join(reference.steps) not in references.OTHERS:
            hint = nearest(reference.text, references.OTHERS)
            text = f"{{{{{reference.text}}}}}: jobs know no such reference here{hint}"
            self._problems.add(place.origin, text)

    def _task_reference(self, task: Task, place: Scalar, steps: Sequence[str], shown: str) -> None:
        name = steps[1] if len(steps) > 1 else ""
        if name not in self._tasks:
            text = f"{shown}: no task {name!r}{nearest(name, self._tasks)}"
        elif name not in graph.before(self._edges, task.key):
            text = f"{shown}: {name} does not precede {task.key}; add it to depends_on"
        elif len(steps) < 3 or steps[2] not in references.OF_TASKS:  # noqa: PLR2004  the third
            text = f"{shown}: tasks have {', '.join(references.OF_TASKS)}"
        else:
            return
        self._problems.add(place.origin, text)


def _named(node: Node | None, key: str) -> Iterator[str]:
    """The values of `key` in a list of sections."""
    for item in node.items if isinstance(node, Listing) else ():
        name: Any = item.items.get(key) if isinstance(item, Section) else None
        if isinstance(name, Scalar):
            yield name.text


def _scalars(node: Node) -> Iterator[Scalar]:
    if isinstance(node, Scalar):
        yield node
        return
    for below in node.items.values() if isinstance(node, Section) else node.items:
        yield from _scalars(below)
