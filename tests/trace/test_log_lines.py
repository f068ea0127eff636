"""Log lines about the batches of a record, found in a long file without reading all of it."""

import datetime as dt
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pixstream.batch_log import BatchLog
from pixstream.kafka.ports import Record
from pixstream.logs import EcsFormatter
from pixstream.trace import log_lines
from pixstream.trace.log_lines import files, lines_about
from pixstream.trace.question import Place, Window
from tests.trace.test_search import NOON, end_to_end, paid
from tests.trace.world import World

START = dt.datetime(2026, 11, 24, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)
PLACE = Place("pix.pagamentos", 1, 55)


def line(time: dt.datetime, first: Any, last: Any, **fields: Any) -> str:
    """A line about a batch, as `batch_log` writes it."""
    known = {
        "@timestamp": time.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "message": f"lake: batch-written, offsets {first} to {last}",
        "service.node.name": "lake-0",
        "event.action": "batch-written",
        "kafka.topic": PLACE.topic,
        "kafka.partition": PLACE.partition,
        "kafka.offset.first": first,
        "kafka.offset.last": last,
        "pix.batch.id": "lake-1-1",
        "delta.version": 7,
    }
    return json.dumps({**known, **fields}, separators=(",", ":"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Ten thousand batches, one a minute, of ten records each; among them lines of other kinds."""
    lines: list[str] = []
    for number in range(10_000):
        lines.append(line(START + number * MINUTE, 10 * number, 10 * number + 9))
        lines.append("half a line {")
    path = tmp_path / "pixstream.log"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_the_lines_of_a_batch_are_those_whose_offsets_have_the_record(file: Path) -> None:
    always = Window(START, START + 20_000 * MINUTE)
    (found,) = lines_about(file, [PLACE], always)
    assert (found.time, found.place) == (START + 5 * MINUTE, PLACE)
    assert (found.fields["kafka.offset.first"], found.fields["kafka.offset.last"]) == (50, 59)
    assert [*lines_about(file, [PLACE._replace(partition=2)], always)] == []
    assert [*lines_about(file, [PLACE._replace(topic="pix.estornos")], always)] == []
    assert [*lines_about(file, [], always)] == []


def test_only_lines_of_the_time_are_found(file: Path) -> None:
    for number in (0, 4321, 9999):
        place, time = PLACE._replace(offset=10 * number), START + number * MINUTE
        assert len([*lines_about(file, [place], Window(time, time + MINUTE))]) == 1
        assert [*lines_about(file, [place], Window(time + MINUTE, time + 9 * MINUTE))] == []
        assert [*lines_about(file, [place], Window(time - 9 * MINUTE, time))] == []


def test_the_part_of_the_time_is_found_by_halves(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_lines, "MOST_BYTES", 20_000)  # of four millions
    time = START + 7000 * MINUTE
    place = PLACE._replace(offset=70_000)
    assert len([*lines_about(file, [place], Window(time, time + MINUTE))]) == 1


@pytest.mark.parametrize(
    "broken",
    [
        line(START, None, None),
        line(START, "50", "59"),
        line(START, 50, 59).replace("@timestamp", "time"),
        line(START, 50, 59)[:-1],
        line(START, 50, 59, **{"@timestamp": "noon"}),
    ],
)
def test_a_line_that_does_not_say_what_it_should_is_passed_over(
    tmp_path: Path, broken: str
) -> None:
    file = tmp_path / "log"
    file.write_text(f"{broken}\n{line(START + MINUTE, 50, 59)}\n")
    (found,) = lines_about(file, [PLACE], Window(START - MINUTE, START + 2 * MINUTE))
    assert found.time == START + MINUTE


def test_the_files_of_all_components_and_the_renamed_ones_are_read(tmp_path: Path) -> None:
    names = ["lake-0.log", "lake-0.log.20261124T000000.000000Z", "webhook-0.log", "other"]
    for name in names:
        (tmp_path / name).touch()
    (tmp_path / "lake-1.log").mkdir()
    found = files(str(tmp_path / "{component}.log"))
    assert [path.name for path in found] == names[:3]
    assert [path.name for path in files(str(tmp_path / "webhook-0.log"))] == ["webhook-0.log"]
    assert files(str(tmp_path / "nowhere" / "log")) == []


@pytest.fixture
def logging_to(tmp_path: Path) -> Iterator[Path]:
    """A file that gets the lines of batches, as a process of ours writes them."""
    path = tmp_path / "lake-0.log"
    handler, logger = logging.FileHandler(path), logging.getLogger("pixstream.batches")
    level = logger.level
    handler.setFormatter(EcsFormatter("lake-0"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield path
    logger.setLevel(level)
    logger.removeHandler(handler)
    handler.close()


def test_a_line_that_a_loop_writes_is_found(logging_to: Path) -> None:
    batches = BatchLog("lake")
    for first in (10, 20, 30):
        records = [Record(PLACE.topic, 1, first + n, 0, b"k", b"v", []) for n in range(10)]
        batches.begin()
        batches.taken("written", records, {PLACE.topic: first})
    now = dt.datetime.now(dt.UTC)
    window = Window(now - 10 * MINUTE, now + MINUTE)
    (found,) = lines_about(logging_to, [PLACE._replace(offset=25)], window)
    assert found.fields["service.node.name"] == "lake-0"
    assert found.fields["event.action"] == "batch-written"
    assert found.fields["delta.version"] == 20
    assert found.fields["pix.records"] == 10


def test_they_are_steps_of_a_life(world: World) -> None:
    record = world.send(paid())
    log = world.directory / "log"
    world.settings.logging.file = str(log)
    fields = {"kafka.partition": record.partition}
    log.write_text(line(NOON + MINUTE, record.offset, record.offset + 9, **fields) + "\n")
    steps = world.steps(end_to_end(paid()))
    (step,) = [step for step in steps if step["step"] == "log"]
    assert step["text"].startswith("lake: batch-written, offsets")
    assert (step["offset"], step["pix.batch.id"], step["delta.version"]) == (
        record.offset,
        "lake-1-1",
        7,
    )
    document = world.traced(end_to_end(paid()))
    assert str(log) in {looked["where"] for looked in document["looked"]}
