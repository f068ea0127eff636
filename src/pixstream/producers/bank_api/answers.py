"""The errors for a bank's HTTP answers other than 200.

The class of an error says what to do: wait (`Busy`, `Transient`), or have a person fix something
(any other `PixstreamError`). Its message contains the HTTP status, the type of an RFC 7807 problem
and its correlation id, which the bank's support asks for, and nothing else of the answer.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

from pixstream.errors import PixstreamError, Transient

if TYPE_CHECKING:
    import httpx2

_MAX_RETRY_AFTER_SECONDS = 3600.0
_TRY_LATER = frozenset({408, 425, 429})
_PROBLEM_TYPE = re.compile(r"[A-Za-z]{1,64}", re.ASCII)
_CORRELATION_ID = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)


class Busy(Transient):
    """An answer that says how long to wait before the next call.

    Args:
        message: the call and its answer.
        seconds: time to wait, at most an hour.
    """

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


def require_ok(what: str, answer: httpx2.Response, advice: str) -> None:
    """Return if the status is 200, else raise the matching error.

    Args:
        what: name of the call, for the message.
        answer: the answer, read to its end.
        advice: what a person can check when the bank refuses.

    Raises:
        Busy: the bank asks to wait.
        Transient: the bank may answer later.
        PixstreamError: the bank refuses, and waiting does not help.
    """
    status = answer.status_code
    if status == HTTPStatus.OK:
        return
    message = f"{what}: HTTP {status}{_problem(answer.content)}"
    if status in _TRY_LATER or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        seconds = _retry_after(answer.headers.get("retry-after"))
        if seconds is not None:
            raise Busy(f"{message}; the bank asks to wait {seconds:.0f} s", seconds)
        raise Transient(message)
    raise PixstreamError(f"{message}; {advice}")


def http_date(text: str | None) -> dt.datetime | None:
    """Parse a date of an HTTP header, which is in GMT (RFC 9110); None if it is not one."""
    try:
        when = parsedate_to_datetime(text or "")
    except (ValueError, TypeError, OverflowError):
        return None
    return when.replace(tzinfo=dt.UTC) if when.tzinfo is None else when.astimezone(dt.UTC)


def _problem(raw: bytes) -> str:
    """Return the type and correlation id of an RFC 7807 problem, each only if well-formed."""
    try:
        problem = json.loads(raw)
        kind = str(problem.get("type", "")).rpartition("/")[2]
        correlation_id = str(problem.get("correlationId", ""))
    except (ValueError, AttributeError, RecursionError):
        return ""
    parts = [kind] if _PROBLEM_TYPE.fullmatch(kind) else []
    if _CORRELATION_ID.fullmatch(correlation_id):
        parts.append(f"correlation id {correlation_id}")
    return f" ({', '.join(parts)})" if parts else ""


def _retry_after(text: str | None) -> float | None:
    """Return the seconds of a Retry-After header, in either of its forms."""
    if not text:
        return None
    try:
        if text.isdecimal():
            seconds = float(text)
        else:
            when = http_date(text)
            if when is None:
                return None
            seconds = (when - dt.datetime.now(dt.UTC)).total_seconds()
    except (ValueError, OverflowError):
        return None
    return min(max(seconds, 0.0), _MAX_RETRY_AFTER_SECONDS)
