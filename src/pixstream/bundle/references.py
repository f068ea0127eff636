"""Dynamic value references, known only when a job runs: `{{tasks.train.values.auc}}`.

Names with characters other than letters, digits and `_` are quoted in backticks. The names are
those of Databricks' page on dynamic value references; times are UTC.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator

_REFERENCE = re.compile(r"\{\{\s*([^{}]+?)\s*\}\}")
_STEP = re.compile(r"`([^`]*)`|([^.`]+)")

TIMES = (
    "iso_weekday",
    "is_weekday",
    "iso_date",
    "iso_datetime",
    "year",
    "month",
    "day",
    "hour",
    "minute",
    "second",
    "timestamp_ms",
)
"""What can follow `job.start_time.` and `job.trigger.time.`."""

OF_TASKS = ("values", "result_state", "run_id", "execution_count", "error_code", "notebook_path")
"""What can follow `tasks.<task>.`."""

OTHERS = frozenset(
    (
        "job.id",
        "job.name",
        "job.run_id",
        "job.repair_count",
        "job.trigger.type",
        "job.trigger.file_arrival.location",
        "task.name",
        "task.run_id",
        "task.execution_count",
        "task.notebook_path",
        "workspace.id",
        "workspace.url",
        *(f"job.start_time.{part}" for part in TIMES),
        *(f"job.trigger.time.{part}" for part in TIMES),
    )
)
"""References that contain no name defined by the bundle."""


class Reference(NamedTuple):
    """One reference: as written between the braces, and its steps."""

    text: str
    steps: tuple[str, ...]


def found(text: str) -> Iterator[Reference]:
    """Every reference in a text."""
    for match in _REFERENCE.finditer(text):
        yield _reference(match[1])


def replace(text: str, meaning: Callable[[Reference], str]) -> str:
    """The text with every reference replaced by its meaning."""
    return _REFERENCE.sub(lambda match: meaning(_reference(match[1])), text)


def time_part(when: dt.datetime, part: str) -> str:
    """One of TIMES of a moment in UTC; weekdays count from Monday, 1."""
    words = {
        "iso_weekday": str(when.isoweekday()),
        "is_weekday": "true" if when.isoweekday() < 6 else "false",  # noqa: PLR2004  Saturday
        "iso_date": f"{when:%Y-%m-%d}",
        "iso_datetime": f"{when:%Y-%m-%dT%H:%M:%S}",
        "timestamp_ms": str(int(when.timestamp() * 1000)),
    }
    return words[part] if part in words else str(getattr(when, part))


def _reference(text: str) -> Reference:
    return Reference(text, tuple(quoted or plain for quoted, plain in _STEP.findall(text)))
