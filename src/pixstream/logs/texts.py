"""What a line says: the message and the places of an exception, without anything personal."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

from pixstream.event.identifiers import mask_documents

if TYPE_CHECKING:
    import logging
    from types import TracebackType

LONGEST = 8192
"""Characters of a message or a stack trace: rsyslog and Filebeat cut lines that are too long."""


def message(record: logging.LogRecord) -> str:
    """Return the message of a record as every formatter shows it.

    What UTF-8 cannot hold is escaped: the name of a file may be any bytes. CPFs and CNPJs are
    masked.
    """
    held_back = getattr(record, "held_back", 0)
    text = record.getMessage()
    if len(text) > LONGEST:
        text = f"{text[:LONGEST]}… ({len(text)} characters)"
    text += f" ({held_back} more before)" if held_back else ""
    return mask_documents(text.encode(errors="backslashreplace").decode())


def printable(text: str) -> str:
    """Return the text without control characters: a name must not steer the terminal."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def places(trace: TracebackType | None) -> str:
    """Return file, line and function of each frame, the last ones if there are too many."""
    frames = traceback.extract_tb(trace)
    text = "\n".join(f"{_short(frame.filename)}:{frame.lineno} {frame.name}" for frame in frames)
    return text[-LONGEST:]


def _short(filename: str) -> str:
    _, found, rest = filename.rpartition("/site-packages/")
    if found:
        return rest
    _, found, rest = filename.rpartition("/src/")
    return rest if found else filename
