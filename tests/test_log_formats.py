"""Log lines for programs and for people."""

import json
import logging
import os
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest

from pixstream import logs
from pixstream.logs import EcsFormatter, LoggingSettings, TextFormatter


def record(message: str, *, trace: bool = False) -> logging.LogRecord:
    error = None
    if trace:
        try:
            int("secret payload")
        except ValueError:
            error = sys.exc_info()
    made = logging.LogRecord("pixstream.x", logging.WARNING, "f.py", 1, message, (), error)
    made.created = 1_796_000_000.25
    return made


def test_a_line_for_people_has_time_zone_level_and_component() -> None:
    line = TextFormatter("webhook-0").format(record("listens"))
    assert line == "2026-11-30 00:53:20Z WARNING webhook-0: listens"


def test_a_line_for_people_is_indented_and_does_not_steer_the_terminal() -> None:
    line = TextFormatter("x").format(record("a\x1b[2J\nb", trace=True))
    first, second, kind, place = line.splitlines()
    assert first.endswith("x: a\\x1b[2J")
    assert (second, kind) == ("    b", "    ValueError")
    assert "tests/test_log_formats.py" in place
    assert "payload" not in line


def test_a_name_that_is_not_utf_8_is_logged_by_both() -> None:
    name = os.fsdecode(b"pix\xff.log")
    assert json.loads(EcsFormatter("x").format(record(name)))["message"] == "pix\\udcff.log"
    assert TextFormatter("x").format(record(name)).endswith("x: pix\\udcff.log")


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def untouched() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    ("form", "terminal", "to_file", "text"),
    [
        ("auto", True, False, True),
        ("auto", False, False, False),
        ("auto", True, True, False),
        ("ecs", True, False, False),
        ("text", False, False, True),
        ("text", False, True, True),
    ],
)
def test_auto_is_text_in_a_terminal_alone(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    form: str,
    *,
    terminal: bool,
    to_file: bool,
    text: bool,
) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal() if terminal else StringIO())
    file = str(tmp_path / "log") if to_file else None
    logs.configure(LoggingSettings(format=form, file=file), "x")  # type: ignore[arg-type]
    (handler,) = logging.getLogger().handlers
    assert isinstance(handler.formatter, TextFormatter if text else EcsFormatter)
