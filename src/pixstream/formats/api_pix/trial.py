"""Calls by which a PSP only tests whether the webhook answers."""

from __future__ import annotations

from pixstream.errors import Refused
from pixstream.formats import dialect
from pixstream.formats.json_body import Body

_LONGEST = 64
"""Characters of a field; a longer text may have something wrapped in it."""


def is_trial(raw: bytes) -> bool:
    """Whether a body is a known trial call: `{}`, or what a dialect declares as its `trial`.

    A body with an object, a list or a long text in it is none, since it may hold a Pix.
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
