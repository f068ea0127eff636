"""Test calls: a PSP only checks whether the webhook answers."""

from __future__ import annotations

from pixstream.errors import Refused
from pixstream.formats import dialect
from pixstream.formats.json_body import Body

_LONGEST = 64
"""Longest field of a test call, in characters; a longer text may contain an event."""


def is_trial(raw: bytes) -> bool:
    """Return whether a body is a known test call: `{}`, or what a dialect declares as `trial`.

    A body with an object, a list or a long text is not a test call, since it may contain a Pix.
    """
    try:
        document = Body(raw).document
    except Refused:
        return False
    if not isinstance(document, dict):
        return False
    if not document:
        return True
    named = any(
        isinstance(document.get(field), str) and document[field].startswith(beginning)
        for known in dialect.every()
        for field, beginning in known.trial.items()
    )
    return named and not any(map(_may_hold_more, document.values()))


def _may_hold_more(value: object) -> bool:
    return isinstance(value, dict | list) or len(str(value)) > _LONGEST
