"""Log lines in ECS JSON (Elastic Common Schema 8), one a line, without personal data.

Law 4 for logs: no payload, no value of a field, no other library's text about one of these ever
gets into a message. Log calls of pixstream name components, streams, topics, offsets and reasons.
"""

from __future__ import annotations

import datetime as dt
import logging
import sys
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta

if TYPE_CHECKING:
    from pathlib import Path

ECS_VERSION = "8.17"


class LoggingSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The `logging` section."""

    level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"], Meta(description="least level written")
    ] = "INFO"
    file: Annotated[
        str | None, Meta(description="file that lines are appended to; null: standard error")
    ] = None


class EcsFormatter(logging.Formatter):
    """Formats a record as one ECS line.

    Args:
        component: the `service.name` suffix: which part of pixstream speaks.
    """

    def __init__(self, component: str) -> None:
        super().__init__()
        self._component = component

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its newline."""
        when = dt.datetime.fromtimestamp(record.created, dt.UTC)
        line: dict[str, Any] = {
            "@timestamp": when.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "log.level": record.levelname.lower(),
            "message": record.getMessage(),
            "ecs.version": ECS_VERSION,
            "service.name": "pixstream",
            "service.node.name": self._component,
            "log.logger": record.name,
            "process.pid": record.process,
        }
        if record.exc_info and record.exc_info[0] is not None:
            # The class and the place of our code, never the text: it may repeat a payload.
            line["error.type"] = record.exc_info[0].__name__
            line["error.stack_trace"] = _places(record.exc_info[2])
        return msgspec.json.encode(line).decode()


def configure(settings: LoggingSettings, component: str) -> None:
    """Send every log line of this process to the configured place."""
    handler: logging.Handler
    if settings.file:
        handler = logging.FileHandler(settings.file, delay=True)
    else:
        handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(EcsFormatter(component))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("pixstream").setLevel(settings.level)


def for_people() -> None:
    """Plain lines on standard error, for commands that a person runs."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
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
    """The log file of a component below a directory of logs."""
    return directory / f"{component}.log"
