"""Formatters: ECS JSON for programs, text for people."""

from __future__ import annotations

import datetime as dt
import logging
import secrets
from itertools import count
from typing import Any

import msgspec

from pixstream.event.identifiers import mask_documents
from pixstream.logs.fields import ECS_VERSION, FIELDS_ATTRIBUTE, MADE, NAMES
from pixstream.logs.texts import message, places, printable


class EcsFormatter(logging.Formatter):
    """A formatter that writes each record as one ECS line.

    Each line is numbered, and has an id that no other line of any process has: whoever ships it
    can send it again, and see whether all have arrived.

    Args:
        component: the name of the component that logs, written as `service.node.name`.
    """

    def __init__(self, component: str) -> None:
        super().__init__()
        self._component = component
        self._process = secrets.token_hex(8)
        self._numbers = count(1)

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its newline."""
        when = dt.datetime.fromtimestamp(record.created, dt.UTC)
        number = next(self._numbers)
        line: dict[str, Any] = {
            "@timestamp": when.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "log.level": record.levelname.lower(),
            "message": message(record),
            "ecs.version": ECS_VERSION,
            "service.name": "pixstream",
            "service.node.name": self._component,
            "service.ephemeral_id": self._process,
            "log.logger": record.name,
            "process.pid": record.process,
            "event.id": f"{self._process}-{number}",
            "event.sequence": number,
            "event.dataset": "pixstream.log",
        }
        for name, value in getattr(record, FIELDS_ATTRIBUTE, {}).items():
            if name in NAMES and value is not None:
                clear = name in MADE or not isinstance(value, str)
                line[name] = value if clear else mask_documents(value)
        held_back = getattr(record, "held_back", 0)
        if held_back:
            line["pix.left_out"] = held_back
        if record.exc_info and record.exc_info[0] is not None:
            # Only the class and the position in the code: the text may quote a payload.
            line["error.type"] = record.exc_info[0].__name__
            line["error.stack_trace"] = places(record.exc_info[2])
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
            text += f"\n{record.exc_info[0].__name__}\n{places(record.exc_info[2])}"
        shown = "\n    ".join(map(printable, text.splitlines()))
        return f"{when:%Y-%m-%d %H:%M:%S}Z {record.levelname:<7} {self._component}: {shown}"


class PlainFormatter(logging.Formatter):
    """A formatter for interactive commands: level and message."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return f"{record.levelname} {message(record)}"
