"""Log lines for programs and for people."""

import json
import logging
import os
import sys
from io import StringIO
from pathlib import Path
from random import Random

import pytest

from pixstream import logs
from pixstream.event.identifiers import generate_cpf
from pixstream.logs import EcsFormatter, LoggingSettings, TextFormatter
from pixstream.logs.fields import NAMES


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
    assert "tests/logs/test_formats.py" in place
    assert "payload" not in line


def test_a_name_that_is_not_utf_8_is_logged_by_both() -> None:
    name = os.fsdecode(b"pix\xff.log")
    assert json.loads(EcsFormatter("x").format(record(name)))["message"] == "pix\\udcff.log"
    assert TextFormatter("x").format(record(name)).endswith("x: pix\\udcff.log")


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


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
    stderr = Terminal() if terminal else StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)
    file = str(tmp_path / "log") if to_file else None
    logs.configure(LoggingSettings(format=form, file=file), "x")  # type: ignore[arg-type]
    logging.getLogger().warning("hello")
    line = Path(file).read_text("utf-8") if file else stderr.getvalue()
    assert line.startswith("{") is not text


def test_every_line_is_numbered_and_has_an_id_of_its_own() -> None:
    one, other = EcsFormatter("x"), EcsFormatter("x")
    lines = [json.loads(form.format(record("hi"))) for form in (one, one, other)]
    assert [line["event.sequence"] for line in lines] == [1, 2, 1]
    assert len({line["event.id"] for line in lines}) == 3
    assert lines[0]["service.ephemeral_id"] == lines[1]["service.ephemeral_id"]
    assert lines[0]["service.ephemeral_id"] != lines[2]["service.ephemeral_id"]


def test_a_line_has_no_field_but_those_of_the_list() -> None:
    made = record("hi", trace=True)
    cpf = generate_cpf(Random(3))
    made.ecs = {
        "kafka.topic": "pix.recebimentos",
        "event.reason": f"for {cpf}",
        "kafka.partition": 3,
        "payer.document": cpf,
        "amount": "10.00",
        "event.outcome": None,
    }
    line = json.loads(EcsFormatter("x").format(made))
    assert line.keys() <= NAMES
    assert (line["kafka.topic"], line["kafka.partition"]) == ("pix.recebimentos", 3)
    assert line["event.reason"] == f"for ***{cpf[3:9]}**"
    assert "event.outcome" not in line


def test_no_line_is_longer_than_shippers_read() -> None:
    line = EcsFormatter("x").format(record("é" * 100_000))
    assert len(line.encode()) < 64 * 1024
    assert "(100000 characters)" in json.loads(line)["message"]


def test_ids_of_ours_are_written_as_they_are() -> None:
    made = record("hi")
    looks_like_a_cpf = "a" * 10 + generate_cpf(Random(3)) + "b" * 11
    made.ecs = {"trace.id": looks_like_a_cpf, "kafka.topic": generate_cpf(Random(3))}
    line = json.loads(EcsFormatter("x").format(made))
    assert line["trace.id"] == looks_like_a_cpf
    assert line["kafka.topic"].startswith("***")
