"""NUL bytes in log files, which no program wrote: where they end, and the lines between them.

A program that keeps writing at its old place after its log was truncated (`copytruncate` of a log
that was not opened for appending) leaves a hole in front of its next line, as long as the log was.
A power cut can leave one anywhere. A hole is read as NULs; it costs neither a line nor memory.
"""

from __future__ import annotations

import errno
import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

RUN = b"\0" * 16
"""So many NULs in a row, or more, end the line in front of them; fewer are bytes of a line."""

_RUNS = re.compile(rb"\0{16,}")
_FIRST_LOOK = 1 << 12
_BLANK = bytes(1 << 18)


def first_written(file: int, start: int, end: int) -> int:
    """Return the offset of the first byte from `start` that is no NUL; `end` if there is none.

    A hole that the file system knows is stepped over, whatever its length.
    """
    wanted = _FIRST_LOOK
    while start < end:
        block = os.pread(file, min(wanted, end - start), start)
        if not block:
            return end  # truncated meanwhile
        if block != _BLANK[: len(block)]:
            return start + len(block) - len(block.lstrip(b"\0"))
        start = _after_hole(file, start + len(block), end)
        wanted = len(_BLANK)
    return end


def texts(line: bytes) -> list[tuple[int, bytes]]:
    """Return the parts of a line that longer runs of NULs separate, each with its offset in it."""
    return [(at, text) for at, text in _between_runs(line) if text]


def _between_runs(line: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    for start, end in [*(run.span() for run in _RUNS.finditer(line)), (len(line), len(line))]:
        text = line[at:start].lstrip(b"\0")
        yield start - len(text), text
        at = end


def _after_hole(file: int, start: int, end: int) -> int:
    try:
        return min(os.lseek(file, start, os.SEEK_DATA), end)
    except OSError as error:
        # ENXIO: nothing was ever written from here on. Others: this file system knows no holes.
        return end if error.errno == errno.ENXIO else start
