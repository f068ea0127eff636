"""What is repeated fast is left out, and its number is written and counted."""

import json
import logging
from collections.abc import Callable

import pytest

from pixstream.logs import EcsFormatter, Limit
from pixstream.logs.limit import Limited
from pixstream.logs.settings import RateLimitSettings

SETTINGS = RateLimitSettings(lines=3, seconds=10.0)


class Written(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[dict[str, object]] = []
        self.setFormatter(EcsFormatter("webhook-0"))

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(json.loads(self.format(record)))

    @property
    def messages(self) -> list[object]:
        return [line["message"] for line in self.lines]


class World:
    """Lines as a process of pixstream would write them, at a time that the test chooses."""

    def __init__(self) -> None:
        self.now = 0.0
        self.written = Written()
        self.limit = Limit(SETTINGS, lambda: self.now)
        self.handler = Limited(self.written, self.limit)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def warn(world: World) -> Callable[..., None]:
    def warn(name: str, text: str, level: int = logging.WARNING, **fields: object) -> None:
        line = 7 if "own place" not in text else 8
        record = logging.LogRecord(name, level, "f.py", line, text, (), None)
        record.ecs = fields
        world.handler.handle(record)

    return warn


def test_a_library_says_the_same_at_most_every_few_seconds(
    world: World, warn: Callable[..., None]
) -> None:
    for number in range(2_000):
        warn("uvicorn.error", f"whatever the client wrote {number}")
    warn("asyncio", "socket.accept() out of system resource")
    assert world.written.messages == [
        "whatever the client wrote 0",
        "socket.accept() out of system resource",
    ]
    world.now += SETTINGS.seconds
    warn("uvicorn.error", "again")
    world.now += SETTINGS.seconds
    warn("uvicorn.error", "once more")
    assert world.written.messages[2:] == ["again (1999 more before)", "once more"]
    assert world.written.lines[2]["pix.left_out"] == 1999
    assert world.limit.counts["log_lines_left_out"] == 1999


def test_our_own_warnings_pass_until_their_place_has_written_enough(
    world: World, warn: Callable[..., None]
) -> None:
    for _ in range(5):
        warn("pixstream.loops", "again")
    warn("pixstream.loops", "its own place")
    assert world.written.messages == [*["again"] * 3, "its own place"]


def test_each_reason_has_lines_of_its_own(world: World, warn: Callable[..., None]) -> None:
    for reason in ("malformed_json", "malformed_json", "too_large") * 2:
        warn("pixstream.batches", "a letter", **{"event.reason": reason})
    assert len(world.written.messages) == 3 + 2


def test_what_is_below_a_warning_is_never_left_out(world: World, warn: Callable[..., None]) -> None:
    for _ in range(500):
        warn("pixstream.batches", "a batch", logging.INFO)
    assert len(world.written.messages) == 500


def test_what_was_left_out_is_told_when_nothing_more_comes(
    world: World, warn: Callable[..., None]
) -> None:
    for _ in range(10):
        warn("pixstream.loops", "again")
    world.now += SETTINGS.seconds
    warn("pixstream.kafka", "something of its own place")
    assert world.written.messages[3:] == [
        "something of its own place",
        "again (6 more before)",
    ]
    world.now += SETTINGS.seconds
    warn("pixstream.kafka", "something of its own place")
    assert len(world.written.messages) == 6


def test_what_was_left_out_is_told_at_the_end(world: World, warn: Callable[..., None]) -> None:
    for _ in range(5):
        warn("pixstream.loops", "again")
    world.handler.close()
    assert world.written.messages == [*["again"] * 3, "again (1 more before)"]
