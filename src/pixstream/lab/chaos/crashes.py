"""Unexpected exits in the pipeline's logs, which the next start silently repairs.

An exception counts if it is not one of `pixstream.errors`: every fault of the storm, in disk,
broker or connections, must become one of those. Also counted are a component that exited with a
signal that the storm does not send, one that was killed because it hung, and a traceback on
standard error, which is the output of a process that cannot log. Reports contain class and place,
never a text.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from pixstream import errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

FORESEEN = frozenset(
    name
    for name, value in vars(errors).items()
    if isinstance(value, type) and issubclass(value, errors.PixstreamError)
) | {"CancelledError"}
"""Names of expected exceptions. A request that is open when the webhook's server stops is
cancelled, and the server logs that as an error."""

_ENDED = re.compile(
    r"(?P<who>\S+) (?:ended with (?P<how>signal (?!SIGKILL)SIG\w+)|(?P<hung>hangs):)"
)
"""The supervisor's log lines about a child; SIGKILL comes from the storm."""

_MARKS = (b'"error.type"', b"ended with signal SIG", b" hangs: ")
_TRACEBACK, _IGNORED = "Traceback (most recent call last):", "Exception ignored in"


class _Crash(NamedTuple):
    """One exit, or all identical ones.

    Attributes:
        who: label of the component.
        when: time, as in the log.
        what: kind and place.
    """

    who: str
    when: str
    what: str


class _Line(msgspec.Struct):
    """The relevant fields of a log line, see `logs`."""

    when: str = msgspec.field(name="@timestamp")
    who: str = msgspec.field(name="service.node.name")
    logger: str = msgspec.field(name="log.logger")
    message: str
    error: str | None = msgspec.field(name="error.type", default=None)
    places: str = msgspec.field(name="error.stack_trace", default="")


def told_in(directory: Path) -> list[str]:
    """Return one text per kind of crash and component, with its first time and its number.

    Args:
        directory: directory of the logs: every `*.log`, including rotated ones, and every `*.err`.
    """
    first: dict[tuple[str, str], str] = {}
    more: Counter[tuple[str, str]] = Counter()
    for crash in _all(directory):
        key = (crash.who, crash.what)
        more[key] += key in first
        first[key] = min(crash.when, first.get(key, crash.when))
    return [
        f"{who}: {what}, at {when}"
        + (f" and {more[who, what]:,} times more" * (more[who, what] > 0))
        for (who, what), when in first.items()
    ]


def _all(directory: Path) -> Iterator[_Crash]:
    for path in sorted(directory.glob("*.log*")):
        with path.open("rb") as lines:
            for line in lines:
                if any(mark in line for mark in _MARKS):
                    yield from _logged(line)
    for path in sorted(directory.glob("*.err")):
        with path.open(encoding="utf-8", errors="replace") as texts:
            yield from _printed(path.name, texts)


def _logged(raw: bytes) -> Iterator[_Crash]:
    try:
        line = msgspec.json.decode(raw, type=_Line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # A kill may cut a line, and the next line then follows it without a line feed.
        if _MARKS[0] in raw:
            yield _Crash("a component", "an unknown time", "a log line of an error is cut short")
        return
    if line.error is not None and line.error not in FORESEEN:
        place = line.places.rpartition("\n")[2]
        yield _Crash(line.who, line.when, f"{line.error}, not foreseen, in {place or line.logger}")
    ended = _ENDED.match(line.message) if line.logger == "pixstream.supervisor" else None
    if ended is not None:
        what = (
            f"ended with {ended['how']}" if ended["how"] else "hung, and its supervisor killed it"
        )
        yield _Crash(ended["who"], line.when, what)


def _printed(name: str, lines: Iterable[str]) -> Iterator[_Crash]:
    """Yield tracebacks; one of an exception that Python ignored, such as at exit, is harmless."""
    start, ignored = 0, False
    for number, line in enumerate(lines, 1):
        if _TRACEBACK in line:
            start = 0 if ignored else number
        elif start and not line[0].isspace():
            kind = line.partition(":")[0].strip().rpartition(".")[2]
            if kind not in FORESEEN:
                yield _Crash("a process", f"line {start} of {name}", f"{kind}, not foreseen")
            start = 0
        ignored = line.startswith(_IGNORED)
    if start:
        yield _Crash("a process", f"line {start} of {name}", "an exception that it did not finish")
