"""Who has logged in: sessions in memory, each with a token against forged forms."""

from __future__ import annotations

import hmac
import re
import secrets
import time
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from pixstream.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Callable

IDLE_SECONDS = 30 * 60.0
LONGEST_SECONDS = 8 * 3600.0
MOST_SESSIONS = 32
"""One more ends the oldest."""

FAILURES, FAILURE_SECONDS = 10, 60.0
"""After so many wrong tokens in that time nobody can log in until the first is older."""

_NAME = re.compile(r"[\w .@-]{1,64}")

WRONG, NO_NAME, TOO_MANY, READ_ONLY = "login_wrong", "login_name", "login_many", "login_none"
"""Why a login is refused: keys of `words`."""


class Session(NamedTuple):
    """One login.

    Attributes:
        who: the name that the operator gave, for the audit log.
        csrf: what every form of this session carries.
        began: by the monotonic clock, s.
        seen: when it was used last.
    """

    who: str
    csrf: str
    began: float
    seen: float

    def owns(self, csrf: str) -> bool:
        """Return whether a form comes from a page of this session."""
        return hmac.compare_digest(self.csrf.encode(), csrf.encode())


class Sessions:
    """The sessions of one page; used in one thread.

    Args:
        token: the operator's token; empty: nobody can log in.
        clock: monotonic clock, s.
    """

    def __init__(self, token: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._token = token.encode()
        self._clock = clock
        self._open: dict[str, Session] = {}
        self._failures: deque[float] = deque(maxlen=FAILURES)

    @property
    def possible(self) -> bool:
        """Whether somebody can log in at all."""
        return bool(self._token)

    def open(self, token: str, who: str) -> str:
        """Return the id of a new session.

        Raises:
            Refused: the token is wrong, there is none, the name is not one, or too many tries.
        """
        now = self._clock()
        if not self._token:
            raise Refused(READ_ONLY, "page.token is not set")
        if len(self._failures) == FAILURES and now - self._failures[0] < FAILURE_SECONDS:
            raise Refused(TOO_MANY, "too many wrong tokens")
        if not hmac.compare_digest(token.encode(), self._token):
            self._failures.append(now)
            raise Refused(WRONG, "wrong token")
        if not _NAME.fullmatch(who.strip()):
            raise Refused(NO_NAME, "no name")
        while len(self._open) >= MOST_SESSIONS:
            del self._open[next(iter(self._open))]
        name = secrets.token_urlsafe(32)
        self._open[name] = Session(who.strip(), secrets.token_urlsafe(32), now, now)
        return name

    def find(self, name: str | None) -> Session | None:
        """Return a session that is open, and note that it is in use."""
        session = self._open.get(name or "")
        if session is None:
            return None
        now = self._clock()
        if now - session.seen > IDLE_SECONDS or now - session.began > LONGEST_SECONDS:
            self.close(name)
            return None
        self._open[name or ""] = session = session._replace(seen=now)
        return session

    def close(self, name: str | None) -> None:
        """End a session."""
        self._open.pop(name or "", None)
