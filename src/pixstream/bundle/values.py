"""What a task passes on: values for later tasks, and facts for the summary.

On Databricks (the environment variable DATABRICKS_RUNTIME_VERSION is set) `set` uses the task
values of the workspace; under `pixstream jobs run` the runner collects both; a function called on
its own has no later tasks, so its values are only printed. The Databricks part has never run in a
workspace: it follows the documentation of `dbutils.jobs.taskValues`.
"""

from __future__ import annotations

import dataclasses
import importlib
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclasses.dataclass(frozen=True, slots=True)
class Collected:
    """What one attempt of a task passed on: values by key, and the facts that it reported."""

    values: dict[str, Any] = dataclasses.field(default_factory=dict)
    facts: dict[str, Any] = dataclasses.field(default_factory=dict)


# One task runs at a time; a plain stack, so that a task's own threads find it too.
_collecting: list[Collected] = []


def set(key: str, value: Any) -> None:  # noqa: A001  the name that task values have on Databricks
    """Pass a value to later tasks, which read it as `{{tasks.<this task>.values.<key>}}`.

    Args:
        key: its name.
        value: anything that JSON can hold; the last one of a key counts.

    Raises:
        TypeError: JSON cannot hold it.
    """
    text = as_text(value)
    if "DATABRICKS_RUNTIME_VERSION" in os.environ:
        _task_values().set(key=key, value=value)
    elif _collecting:
        _collecting[-1].values[key] = value
    else:
        _print(f"task value {key}={text}")


def report(**facts: Any) -> None:
    """Report what the task did: `report(rows=12, table="gold.daily")`; the last of a name counts.

    Locally it appears in the summary of the run; elsewhere as a line in the task's output.

    Raises:
        TypeError: JSON cannot hold one of them.
    """
    words = in_words(facts)
    if _collecting:
        _collecting[-1].facts.update(facts)
    else:
        _print(f"reported: {words}")


def as_text(value: Any) -> str:
    """A value as a reference to it reads: a text as it is, everything else as JSON.

    Raises:
        TypeError: JSON cannot hold it.
    """
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def in_words(facts: dict[str, Any]) -> str:
    """Facts for people: `rows=12 table=gold.daily`.

    Raises:
        TypeError: JSON cannot hold one of them.
    """
    return " ".join(f"{name}={as_text(value)}" for name, value in facts.items())


@contextmanager
def collecting() -> Iterator[Collected]:
    """Collect the values and facts set in the meantime."""
    collected = Collected()
    _collecting.append(collected)
    try:
        yield collected
    finally:
        _collecting.remove(collected)


def _task_values() -> Any:
    try:
        return importlib.import_module("databricks.sdk.runtime").dbutils.jobs.taskValues
    except ImportError:
        spark = importlib.import_module("pyspark.sql").SparkSession.builder.getOrCreate()
        return importlib.import_module("pyspark.dbutils").DBUtils(spark).jobs.taskValues


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
