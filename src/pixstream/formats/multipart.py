"""The parts of a multipart/mixed body (RFC 2046) that was saved without its HTTP headers.

The SPI's ICOM answers a poll with several messages in one such body. Its boundary is known only
from its first line.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from pixstream.errors import Refused
from pixstream.event.model import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_PARTS = 1_000
"""Of one body. An answer of the ICOM has ten; each costs as much as a small file."""

_OPENING = re.compile(
    rb"--([\w'()+,./:=?-](?:[\w'()+,./:=? -]{0,68}[\w'()+,./:=?-])?)"
    rb"[ \t]*\r?\n(?=[A-Za-z-]+:|\r?\n)"
)
_HEADERS = re.compile(rb"(?:[!-9;-~]+:[^\r\n]*(?:\r?\n[ \t][^\r\n]*)*\r?\n)*\r?\n")
_ENCODING = re.compile(
    rb"^(?:content-transfer-encoding:[ \t]*+(?!(?:7bit|8bit|binary)\s)|"
    rb"content-encoding:[ \t]*+(?!identity\s))",
    re.IGNORECASE | re.MULTILINE,
)


class Part(NamedTuple):
    """One part: its content, and why it cannot be read (None: it can)."""

    content: bytes
    trouble: str | None = None


def is_multipart(raw: bytes) -> bool:
    """Whether the bytes begin with the delimiter of a part and its headers."""
    return _OPENING.match(raw) is not None


def parts(raw: bytes) -> Iterator[Part]:
    """Yield the parts in order; text after the last one is a part that cannot be read.

    Raises:
        Refused: it is cut off, or has more than `MOST_PARTS` parts; nothing was yielded.
    """
    opening = _OPENING.match(raw)
    if opening is None:
        raise Refused(Reason.NOT_A_PIX, "not a multipart body")
    pieces = raw.split(b"\n--" + opening[1], MOST_PARTS + 1)
    pieces[0] = pieces[0][len(b"--") + len(opening[1]) :]
    last = next((n for n, piece in enumerate(pieces) if piece.startswith(b"--")), None)
    if len(pieces) > MOST_PARTS + 1:
        raise Refused(Reason.TOO_LARGE, f"multipart: more than {MOST_PARTS} parts")
    if last is None:
        raise Refused(
            Reason.MALFORMED_XML, "multipart: cut off, without the boundary that ends the last part"
        )
    for piece in pieces[:last]:
        yield _part(piece.partition(b"\n")[2].removesuffix(b"\r"))
    after = b"".join(pieces[last:])[len(b"--") :]
    if after.strip():
        yield Part(after, "multipart: text after the last part")


def _part(piece: bytes) -> Part:
    headers = _HEADERS.match(piece)
    if headers is None:
        return Part(piece, "multipart: a part without headers and a blank line after them")
    content = piece[headers.end() :]
    if _ENCODING.search(headers[0]):
        return Part(content, "multipart: a part in another encoding than that of XML itself")
    return Part(content)
