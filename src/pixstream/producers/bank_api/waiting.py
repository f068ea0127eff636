"""Why a stream waits, and until when. It outlives its feed, so that no restart shortens a pause."""

from __future__ import annotations

import dataclasses
import time
from collections import Counter

from pixstream.errors import PixstreamError, Transient
from pixstream.producers.bank_api.answers import Busy
from pixstream.producers.bank_api.pages import Unreadable

DOCUMENT_TRIES, OTHER_TRIES = 3, 10
"""How often a page is asked for until its answer is set aside: if it is JSON, and if it is not."""


@dataclasses.dataclass
class Waiting:
    """The failures of one stream.

    Attributes:
        failure: why the last attempt failed; None if it did not. Unless it is Transient, the bank
            refuses, and waiting does not help.
        answered: whether the bank ever answered with a page.
        due: end of the pause, by the monotonic clock, s.
        tries: how often each page of the present window was unreadable, by its piece and number.
    """

    failure: PixstreamError | None = None
    answered: bool = False
    due: float = 0.0
    tries: Counter[tuple[int, int]] = dataclasses.field(default_factory=Counter)

    @property
    def alone(self) -> bool:
        """Whether the stream has its own pause, longer than the framework's back-off."""
        kind = self.failure
        return kind is not None and (
            not isinstance(kind, Transient) or isinstance(kind, Busy | Unreadable)
        )

    @property
    def left(self) -> float:
        """The rest of the pause, in seconds."""
        return max(self.due - time.monotonic(), 0.0)

    def failed(self, error: PixstreamError, seconds: float) -> None:
        """Note why an attempt failed, and the pause after it."""
        if isinstance(error, Unreadable):
            error.raw = b""  # up to 64 MiB, which nobody reads any more
        self.failure = error
        self.due = time.monotonic() + seconds

    def succeeded(self) -> None:
        """Note that a window was read to its end."""
        self.failure = None
        self.tries.clear()

    def stays_unreadable(self, error: Unreadable, page: tuple[int, int]) -> bool:
        """Note that a page was unreadable; return whether it was so often enough."""
        self.tries[page] += 1
        return self.tries[page] >= (DOCUMENT_TRIES if error.is_document else OTHER_TRIES)
