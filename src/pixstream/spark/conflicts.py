"""Commits that another job was faster than: made again, on what the table holds by then."""

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
    """Do it until no other job gets in between.

    Args:
        work: reads the table anew each time; ends with at most one commit to it.
        what: for people: what is done, to which table.

    Raises:
        Transient: others were faster each time.
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
        f"{what}: other jobs committed to the table {_ATTEMPTS} times in between, and wrote what "
        "this would have changed. What is missing is added with the next attempt; if this goes on, "
        "see which jobs write to that table"
    )
