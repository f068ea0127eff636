"""Reads the forms of the page, which `guard` has found small and of this page."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from pixstream.errors import Refused
from pixstream.page.guard import MOST_BODY_BYTES

if TYPE_CHECKING:
    from starlette.requests import Request

_MOST_FIELDS = 32
BAD = "form_bad"
"""Why a form is refused: a key of `words`."""


async def read(request: Request) -> dict[str, str]:
    """Return the fields of a form, the last of each name.

    Raises:
        Refused: it is not a form, or too large.
    """
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MOST_BODY_BYTES:
            raise Refused(BAD, "too large")
    try:
        text = body.decode("ascii")
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS))
    except ValueError:
        raise Refused(BAD, "not a form") from None
