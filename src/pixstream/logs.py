"""Logging: ECS JSON (Elastic Common Schema 8) for programs, text for people; no personal data.

A message never contains a payload, a field's value, or another library's text about either.
pixstream logs the names of components, streams and topics, and offsets and reasons. A CPF or CNPJ
in one of these, as in the name of a file, is masked.
"""

from __future__ import annotations

import datetime as dt
import logging
import sys
import time
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta

from pixstream.event.identifiers import mask_documents

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ECS_VERSION = "8.17"

RARELY_SECONDS = 10.0
"""Shortest time between two lines that another library logs at the same place in its code."""


class LoggingSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The `logging` section."""

    level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"], Meta(description="lowest level written")
    ] = "INFO"
    file: Annotated[
        str | None, Meta(description="file to append log lines to; null: standard error")
    ] = None
    format: Annotated[
        Literal["auto", "ecs", "text"],
        Meta(
            description="ecs: a JSON object per line; text: a line for people; auto: text in a "
            "terminal, otherwise ecs"
        ),
    ] = "auto"


def message(record: logging.LogRecord) -> str:
    """Return the message of a record as every formatter shows it.

    What UTF-8 cannot hold is escaped: the name of a file may be any bytes. CPFs and CNPJs are
    masked.
    """
    held_back = getattr(record, "held_back", 0)
    text = record.getMessage() + (f" ({held_back} more before)" if held_back else "")
    return mask_documents(text.encode(errors="backslashreplace").decode())


class Rarely(logging.Filter):
    """Passes a line of another library at most every few seconds, with the number held back.

    What a library logs about a connection can be repeated by anybody who may connect. pixstream's
    own lines are limited where they are logged.

    Args:
        clock: monotonic clock, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._seen: dict[tuple[str, int, str], _Seen] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether to pass the record; `held_back` is set on it if others were not."""
        if record.name.partition(".")[0] == "pixstream":
            return True
        now = self._clock()
        # The place of the call, since a library may put a client's words into its message.
        place = record.name, record.lineno, record.pathname
        seen = self._seen.get(place)
        if seen is not None and now < seen.next_line:
            seen.held_back += 1
            return False
        self._seen[place] = _Seen(now + RARELY_SECONDS)
        record.held_back = 0 if seen is None else seen.held_back
        return True


class _Seen:
    """When a line may be passed again, and how many were held back until now."""

    def __init__(self, next_line: float) -> None:
        self.next_line = next_line
        self.held_back = 0


class EcsFormatter(logging.Formatter):
    """A formatter that writes each record as one ECS line.

    Args:
        component: the name of the component that logs, written as `service.node.name`.
    """

    def __init__(self, component: str) -> None:
        super().__init__()
        self._component = component

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its newline."""
        when = dt.datetime.fromtimestamp(record.created, dt.UTC)
        line: dict[str, Any] = {
            "@timestamp": when.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "log.level": record.levelname.lower(),
            "message": message(record),
            "ecs.version": ECS_VERSION,
            "service.name": "pixstream",
            "service.node.name": self._component,
            "log.logger": record.name,
            "process.pid": record.process,
        }
        if record.exc_info and record.exc_info[0] is not None:
            # Only the class and the position in the code: the text may quote a payload.
            line["error.type"] = record.exc_info[0].__name__
            line["error.stack_trace"] = _places(record.exc_info[2])
        return msgspec.json.encode(line).decode()


class TextFormatter(logging.Formatter):
    """A formatter for people: time (UTC), level, component and message.

    Args:
        component: the name of the component that logs.
    """

    def __init__(self, component: str) -> None:
        super().__init__()
        self._component = component

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; what a message has on further lines is indented."""
        when = dt.datetime.fromtimestamp(record.created, dt.UTC)
        text = message(record)
        if record.exc_info and record.exc_info[0] is not None:
            text += f"\n{record.exc_info[0].__name__}\n{_places(record.exc_info[2])}"
        shown = "\n    ".join(map(printable, text.splitlines()))
        return f"{when:%Y-%m-%d %H:%M:%S}Z {record.levelname:<7} {self._component}: {shown}"


def printable(text: str) -> str:
    """Return the text without control characters: a name must not steer the terminal."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def configure(settings: LoggingSettings, component: str) -> None:
    """Send every log line of this process to the configured destination."""
    handler: logging.Handler
    if settings.file:
        handler = logging.FileHandler(settings.file, delay=True)
    else:
        handler = logging.StreamHandler(sys.stderr)
    for_a_person = settings.format == "text" or (
        settings.format == "auto" and not settings.file and sys.stderr.isatty()
    )
    handler.setFormatter((TextFormatter if for_a_person else EcsFormatter)(component))
    handler.addFilter(Rarely())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("pixstream").setLevel(settings.level)


class _PlainFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return f"{record.levelname} {message(record)}"


def for_people() -> None:
    """Write plain log lines to standard error, for interactive commands."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_PlainFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)


def _places(trace: Any) -> str:
    import traceback

    frames = traceback.extract_tb(trace)
    return "\n".join(f"{_short(frame.filename)}:{frame.lineno} {frame.name}" for frame in frames)


def _short(filename: str) -> str:
    _, found, rest = filename.rpartition("/site-packages/")
    if found:
        return rest
    _, found, rest = filename.rpartition("/src/")
    return rest if found else filename


def file_in(directory: Path, component: str) -> Path:
    """Return the path of a component's log file in the log directory."""
    return directory / f"{component}.log"
