"""Dynamic value references."""

from __future__ import annotations

import datetime as dt

import pytest

from pixstream.bundle import references


def test_references_are_found_with_their_steps() -> None:
    text = "a {{job.parameters.x}} {{ tasks.`my task`.values.`a.b` }} {{not closed} {{x}}"
    assert [one.steps for one in references.found(text)] == [
        ("job", "parameters", "x"),
        ("tasks", "my task", "values", "a.b"),
        ("x",),
    ]
    assert references.replace(text, lambda one: one.steps[-1]) == "a x a.b {{not closed} x"


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("iso_date", "2026-11-22"),
        ("iso_datetime", "2026-11-22T08:05:09"),
        ("iso_weekday", "7"),
        ("is_weekday", "false"),
        ("year", "2026"),
        ("month", "11"),
        ("day", "22"),
        ("hour", "8"),
        ("minute", "5"),
        ("second", "9"),
        ("timestamp_ms", "1795334709000"),
    ],
)
def test_the_parts_of_a_time(part: str, value: str) -> None:
    assert part in references.TIMES
    when = dt.datetime(2026, 11, 22, 8, 5, 9, tzinfo=dt.UTC)
    assert references.time_part(when, part) == value
