"""A log file loses no line: several processes, renamed files, full disks."""

import errno
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from pixstream.errors import ConfigError
from pixstream.logs.files import LineFile
from pixstream.logs.limit import Limit
from pixstream.logs.settings import RotationSettings

DAY = 86400.0
NOON = 20_000 * DAY + DAY / 2


def record(text: str) -> logging.LogRecord:
    return logging.LogRecord("pixstream.x", logging.INFO, "f.py", 1, text, (), None)


def handler(path: Path, now: Callable[[], float] = lambda: NOON, **rotation: object) -> LineFile:
    settings = RotationSettings(**{"max_bytes": 0, **rotation})  # type: ignore[arg-type]
    return LineFile(path, settings, Limit().counts, now)


def written(directory: Path) -> dict[str, list[str]]:
    return {path.name: path.read_text("utf-8").splitlines() for path in sorted(directory.iterdir())}


def test_a_file_is_renamed_before_it_gets_too_long(tmp_path: Path) -> None:
    file = handler(tmp_path / "a.log", max_bytes=25)
    for number in range(7):
        file.handle(record(f"line {number}"))  # 7 bytes each
    assert written(tmp_path) == {
        "a.log": ["line 6"],
        "a.log.20241004T120000.000000Z": ["line 0", "line 1", "line 2"],
        "a.log.20241004T120000.000001Z": ["line 3", "line 4", "line 5"],
    }


def test_a_line_longer_than_the_limit_is_written(tmp_path: Path) -> None:
    file = handler(tmp_path / "a.log", max_bytes=5)
    for text in ("a long line", "another long line"):
        file.handle(record(text))
    assert [*written(tmp_path).values()] == [["another long line"], ["a long line"]]


def test_a_day_begins_a_file_also_after_a_restart(tmp_path: Path) -> None:
    now = NOON
    path = tmp_path / "a.log"
    handler(path, lambda: now, every="day").handle(record("yesterday"))
    os.utime(path, (now, now))
    now += DAY
    file = handler(path, lambda: now, every="day")
    file.handle(record("today"))
    os.utime(path, (now, now))
    file.handle(record("still today"))
    assert written(tmp_path) == {
        "a.log": ["today", "still today"],
        "a.log.20241005T120000.000000Z": ["yesterday"],
    }


def test_the_oldest_renamed_files_are_deleted_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a.log.gz").touch()
    (tmp_path / "a.log.1").touch()
    seconds = count(NOON)
    file = handler(tmp_path / "a.log", lambda: next(seconds), max_bytes=7, keep=2)
    for number in range(6):
        file.handle(record(f"line {number}"))
    assert [lines for lines in written(tmp_path).values() if lines] == [
        ["line 5"],
        ["line 3"],
        ["line 4"],
    ]
    assert len(written(tmp_path)) == 5


def test_a_file_that_another_program_renamed_is_opened_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    file = handler(path)
    file.handle(record("before"))
    path.rename(tmp_path / "a.log.1")
    file.handle(record("after"))
    path.unlink()
    file.handle(record("anew"))
    assert written(tmp_path) == {"a.log": ["anew"], "a.log.1": ["before"]}


def test_its_directory_is_created(tmp_path: Path) -> None:
    handler(tmp_path / "a" / "b" / "c.log").handle(record("hi"))
    assert (tmp_path / "a" / "b" / "c.log").read_text("utf-8") == "hi\n"


def test_a_file_that_cannot_be_opened_is_an_error_of_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"logging\.file: .*/file/a\.log cannot be opened"):
        handler(tmp_path / "file" / "a.log")


def test_what_cannot_be_written_is_counted_and_tears_no_other_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = handler(tmp_path / "a.log")
    write, left = os.write, [4, 0]

    def full(descriptor: int, data: bytes) -> int:
        if not left:
            return write(descriptor, data)
        if room := left.pop(0):
            return write(descriptor, data[:room])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    file.handle(record("lost"))
    file.handle(record("kept"))
    assert written(tmp_path) == {"a.log": ["lost", "kept"]}
    assert file._counts["log_lines_unwritten"] == 1


PROCESS = """
import logging, sys
from pixstream import logs
from pixstream.logs.settings import LoggingSettings, RotationSettings

rotation = RotationSettings(max_bytes=20_000, keep=0)
settings = LoggingSettings(file=sys.argv[1], rotation=rotation, format="ecs")
logs.configure(settings, "writer", int(sys.argv[2]))
for number in range(400):
    logging.getLogger("pixstream.x").info("%s", "x" * (number % 5 * 100))
"""


def test_several_processes_rotate_one_file_and_lose_no_line(tmp_path: Path) -> None:
    file = tmp_path / "all.log"
    writers = [
        subprocess.Popen([sys.executable, "-c", PROCESS, str(file), str(number)])
        for number in range(4)
    ]
    assert [writer.wait() for writer in writers] == [0] * 4
    files = [*tmp_path.iterdir()]
    lines = [json.loads(line) for path in files for line in path.read_text("utf-8").splitlines()]
    assert len(files) > 10
    assert sorted((line["service.node.name"], line["event.sequence"]) for line in lines) == [
        (f"writer-{number}", place) for number in range(4) for place in range(1, 401)
    ]
