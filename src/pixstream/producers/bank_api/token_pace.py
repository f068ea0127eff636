"""How often a bank is asked for a token, whatever happens to the tokens and to the clients.

A bank locks a client that keeps asking with a wrong secret, or asks for tokens all the time.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

from pixstream.errors import PixstreamError, Transient
from pixstream.producers.bank_api.answers import Busy

if TYPE_CHECKING:
    from collections.abc import Callable

MOST = 3
"""Requests within `SPAN_SECONDS`: one for the first token, one after a 401, one in reserve."""

SPAN_SECONDS = 15.0

REFUSED_SECONDS = 300.0
"""A bank that refuses these credentials is not asked again for this long: a person has to act."""


class TokenPace:
    """The requests for tokens with one set of credentials; it outlives their clients.

    Args:
        clock: monotonic clock, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._asked: deque[float] = deque(maxlen=MOST)
        self._refusal = ""
        self._refused_until = clock()

    def ask(self) -> None:
        """Note a request that is about to be sent.

        Raises:
            PixstreamError: the bank refused the credentials, less than `REFUSED_SECONDS` ago.
            Busy: there were too many requests lately.
        """
        now = self._clock()
        if now < self._refused_until:
            raise PixstreamError(self._refusal)
        wait = self._asked[0] + SPAN_SECONDS - now if len(self._asked) == MOST else 0.0
        if wait > 0:
            raise Busy(
                f"token: asked for {MOST} times within {SPAN_SECONDS:g} s; the next time is in "
                f"{wait:.0f} s",
                wait,
            )
        self._asked.append(now)

    def failed(self, error: PixstreamError) -> None:
        """Note why a request gave no token."""
        if not isinstance(error, Transient):
            self._refusal = str(error)
            self._refused_until = self._clock() + REFUSED_SECONDS
