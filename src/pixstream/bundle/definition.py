"""The typed definition of a bundle's jobs, built by `bundle`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TypeAlias

from pixstream.config.yaml_tree import Origin, Section

RUN_IF = (
    "ALL_SUCCESS",
    "ALL_DONE",
    "NONE_FAILED",
    "AT_LEAST_ONE_SUCCESS",
    "ALL_FAILED",
    "AT_LEAST_ONE_FAILED",
)
OPERATORS = (
    "EQUAL_TO",
    "NOT_EQUAL",
    "GREATER_THAN",
    "GREATER_THAN_OR_EQUAL",
    "LESS_THAN",
    "LESS_THAN_OR_EQUAL",
)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class WheelWork:
    """A function of an installed package; `named` become `--name=value`."""

    package: str
    entry_point: str
    parameters: tuple[str, ...]
    named: Mapping[str, str]
    origin: Origin

    @property
    def arguments(self) -> list[str]:
        """What the function finds behind `sys.argv[0]`."""
        return [*self.parameters, *(f"--{name}={value}" for name, value in self.named.items())]

    def __str__(self) -> str:
        return " ".join((f"{self.package}:{self.entry_point}", *self.arguments))


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class NotebookWork:
    """A notebook: a file beside the YAML file that names it, or a path of the workspace."""

    path: str
    in_workspace: bool
    origin: Origin

    def __str__(self) -> str:
        return f"notebook {self.path}"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ConditionWork:
    """A comparison; its outcome is "true" or "false"."""

    left: str
    operator: str
    right: str
    origin: Origin

    def __str__(self) -> str:
        return f"if {self.left} {self.operator} {self.right}"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class JobWork:
    """Another job of the bundle; `job` is its key, None if `job_id` does not refer to one."""

    job: str | None
    job_id: str
    parameters: Mapping[str, str]
    origin: Origin

    def __str__(self) -> str:
        return f"job {self.job or self.job_id}"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class OtherWork:
    """Any other type of task, which only a workspace runs."""

    kind: str
    origin: Origin

    def __str__(self) -> str:
        return self.kind


Work: TypeAlias = WheelWork | NotebookWork | ConditionWork | JobWork | OtherWork


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Dependency:
    """A task that ends before; `outcome` is the one that a condition must have had."""

    task: str
    outcome: str | None
    origin: Origin


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """One task of a job.

    Attributes:
        max_retries: further attempts after a failed one; -1: without end.
        min_retry_interval_ms: from the start of a failed attempt to the start of the next.
        timeout_seconds: 0: none.
        section: everything that was written of it, references replaced.
    """

    key: str
    description: str
    depends_on: tuple[Dependency, ...]
    run_if: str
    max_retries: int
    min_retry_interval_ms: int
    timeout_seconds: int
    disabled: bool
    work: Work
    section: Section

    @property
    def origin(self) -> Origin:
        """Where it was written."""
        return self.section.origin


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Timing:
    """When a job runs by itself.

    Attributes:
        words: for people: a schedule with its time zone, `continuous`, a trigger, or nothing.
        continuous: a run that ended is followed by the next, without end.
        paused: as the bundle says; a target's `mode: development` pauses more when it is deployed.
    """

    words: str = ""
    continuous: bool = False
    paused: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """A job. `parameters` are its parameters with their defaults."""

    key: str
    description: str
    timing: Timing
    parameters: Mapping[str, str]
    tasks: tuple[Task, ...]
    section: Section


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Bundle:
    """A bundle in one target.

    Attributes:
        without_value: variables that were needed and have no value, with the place that needs it.
    """

    name: str
    target: str
    jobs: Mapping[str, Job]
    without_value: Mapping[str, Origin]
