"""Retries commits that conflict with another job's commit, on the table's new state."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, TypeVar

from pixstream.backoff import Backoff, BackoffSettings
from pixstream.errors import Transient

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger("pixstream.spark")

_ATTEMPTS = 6
_LONGEST_SECONDS = 20.0

Result = TypeVar("Result")


def again(work: Callable[[], Result], what: str) -> Result:
    """Repeat the work until it commits without a conflict.

    Args:
        work: reads the table afresh each time and makes at most one commit to it.
        what: what is done, to which table; for messages.

    Raises:
        Transient: every attempt conflicted.
    """
    from delta import exceptions as delta

    faster = (
        Transient,
        delta.ConcurrentWriteException,
        delta.ConcurrentAppendException,
        delta.ConcurrentDeleteReadException,
        delta.ConcurrentDeleteDeleteException,
        delta.MetadataChangedException,
    )
    waits = Backoff(BackoffSettings(min_seconds=2.0, max_seconds=_LONGEST_SECONDS))
    for left in reversed(range(_ATTEMPTS)):
        try:
            return work()
        except faster as error:
            log.info("%s: another job was faster (%s)", what, type(error).__name__)
            if left:
                time.sleep(waits.next())
    raise Transient(
        f"{what}: conflicted with the commits of other jobs {_ATTEMPTS} times. The next run adds "
        "what is missing; if this continues, check which jobs write to that table"
    )
