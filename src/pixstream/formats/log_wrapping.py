"""What collectors and container runtimes put around a line of a log, and the lines inside of it.

Runtimes split a long line into records (16 kB each): the parts are joined. What the wrapping says
itself (a time, a host, the name of an output) is not kept, as it is about the transport.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from pixstream.errors import Refused
from pixstream.event.model import Reason
from pixstream.formats.json_body import Body

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PATTERN = r"^(none|cri|docker|journald|syslog|prefix|json:.+)$"
"""The values of the setting `wrapping`."""

KNOWN = ("none", "cri", "docker", "journald", "syslog", "prefix")
"""Those of them that are one word."""

_NONE, _JSON = "none", "json:"
_BOM = b"\xef\xbb\xbf"
_CRI = re.compile(rb"\S+ (stdout|stderr) ([FP])(?::\S*)?(?: (.*))?", re.DOTALL)
_SYSLOG_5424 = re.compile(
    rb"<\d{1,3}>\d{1,2} \S+ \S+ \S+ \S+ \S+ "
    rb'(?:-|(?:\[(?:[^\]\\"]|\\.|"(?:[^"\\]|\\.)*+")*+\])++)(?: (.*))?',
    re.DOTALL,
)
_SYSLOG_3164 = re.compile(
    rb"(?:<\d{1,3}>)?(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\S+) "
    rb"\S+ [^\s:\[]+(?:\[\d+\])?: ?(.*)",
    re.DOTALL,
)


class Piece(NamedTuple):
    """The inside of one record.

    Attributes:
        text: what the program wrote.
        partial: the next record of this output continues it.
        output: the program's output that it comes from.
    """

    text: bytes
    partial: bool = False
    output: bytes = b""


class Whole(NamedTuple):
    """A whole line.

    Attributes:
        text: what the program wrote; empty if it is refused.
        raw: the records as they came, joined by line feeds.
        offset: where the first of them begins.
        refused: why their form is not the expected one; None: it is.
    """

    text: bytes
    raw: bytes
    offset: int
    refused: Refused | None = None


class _Parts(NamedTuple):
    """The records of a line that is not whole yet."""

    offset: int
    texts: list[bytes]
    records: list[bytes]

    def joined(self) -> Whole:
        return Whole(b"".join(self.texts), b"\n".join(self.records), self.offset)


class Unwrapper:
    """Takes the records of one file in their order and returns the lines inside of them.

    Args:
        wrapping: the setting, a match of `PATTERN`.
        longest: bytes of records that are held for one line; a longer one is returned as it is.
    """

    def __init__(self, wrapping: str, longest: int) -> None:
        self._wrapping = wrapping
        self._open = _opener(wrapping)
        self._longest = longest
        self._held: dict[bytes, _Parts] = {}
        self._size = 0

    @property
    def holds(self) -> bool:
        """Whether a record waits for its continuation."""
        return bool(self._held)

    def take(self, raw: bytes, offset: int) -> list[Whole]:
        """Return the lines that a record completes: none while it is continued."""
        if self._wrapping == _NONE:
            return [Whole(raw, raw, offset)]
        if not raw.strip():
            return []
        try:
            piece = self._open(raw)
        except Refused as refused:
            message = f"line: not of the form of wrapping {self._wrapping}: {refused.message}"
            return [Whole(b"", raw, offset, Refused(refused.reason, message))]
        if piece.output not in self._held:
            if not piece.partial:
                return [Whole(piece.text, raw, offset)]
            self._held[piece.output] = _Parts(offset, [], [])
        parts = self._held[piece.output]
        parts.texts.append(piece.text)
        parts.records.append(raw)
        self._size += len(raw)
        if not piece.partial:
            del self._held[piece.output]
            self._size -= sum(map(len, parts.records))
            return [parts.joined()]
        return self.rest() if self._size > self._longest else []

    def rest(self) -> list[Whole]:
        """Return what waits for a continuation that will not come."""
        held, self._held, self._size = list(self._held.values()), {}, 0
        return [parts.joined() for parts in held]


def _opener(wrapping: str) -> Callable[[bytes], Piece]:
    if wrapping.startswith(_JSON):
        path = wrapping.removeprefix(_JSON)
        return lambda raw: _nested(raw, path)
    return _OPENERS[wrapping]


def _cri(raw: bytes) -> Piece:
    found = _CRI.fullmatch(raw)
    if found is None:
        raise Refused(Reason.MALFORMED_JSON, "time, stdout or stderr, F or P, and a text")
    return Piece(found[3] or b"", found[2] == b"P", found[1])


def _docker(raw: bytes) -> Piece:
    record = _object(raw)
    text = record.get("log")
    if not isinstance(text, str):
        raise Refused(Reason.NOT_A_PIX, "an object with a text under `log`")
    inside = _encoded(text)
    partial = not text.endswith("\n") and not _is_json(inside)
    return Piece(inside, partial, str(record.get("stream")).encode())


def _journald(raw: bytes) -> Piece:
    text = _object(raw).get("MESSAGE")
    if isinstance(text, list):  # systemd's form of a text with control characters
        try:
            return Piece(bytes(text))
        except (ValueError, TypeError):
            text = None
    if not isinstance(text, str):
        raise Refused(Reason.NOT_A_PIX, "an object with a text under `MESSAGE`")
    return Piece(_encoded(text))


def _syslog(raw: bytes) -> Piece:
    found = _SYSLOG_5424.fullmatch(raw) or _SYSLOG_3164.fullmatch(raw)
    if found is None:
        raise Refused(Reason.MALFORMED_JSON, "a header of RFC 5424 or RFC 3164, and a text")
    return Piece((found[1] or b"").removeprefix(_BOM))


def _prefix(raw: bytes) -> Piece:
    start = raw.find(b"{")
    if start < 0:
        raise Refused(Reason.MALFORMED_JSON, "any text, and a JSON object behind it")
    return Piece(raw[start:])


def _nested(raw: bytes, path: str) -> Piece:
    value: Any = _object(raw)
    if path in value:
        value = value[path]
    else:
        for name in path.split("."):
            value = value.get(name) if isinstance(value, dict) else None
    if isinstance(value, str):
        return Piece(_encoded(value))
    if isinstance(value, dict):
        return Piece(json.dumps(value, ensure_ascii=False).encode())
    raise Refused(Reason.NOT_A_PIX, f"an object with a text or an object under `{path}`")


def _object(raw: bytes) -> dict[str, Any]:
    document = Body(raw).document
    if not isinstance(document, dict):
        raise Refused(Reason.NOT_A_PIX, "a JSON object")
    return document


def _encoded(text: str) -> bytes:
    return text.removesuffix("\n").encode()


def _is_json(text: bytes) -> bool:
    try:
        Body(text)
    except Refused:
        return False
    return True


_OPENERS: Mapping[str, Callable[[bytes], Piece]] = {
    _NONE: Piece,
    "cri": _cri,
    "docker": _docker,
    "journald": _journald,
    "syslog": _syslog,
    "prefix": _prefix,
}
