"""What a source no longer has: said with its bounds, and skipped only by decision."""

from __future__ import annotations

import logging
from typing import Literal, TypeAlias

from pixstream.errors import PixstreamError

log = logging.getLogger("pixstream.plugins.gaps")

OnGap: TypeAlias = Literal["stop", "continue"]
"""The setting of that name."""


def met(stream: str, missing: str, on_gap: OnGap, then: str) -> None:
    """Go on past a gap with an error in the log, or stop before it.

    Args:
        stream: whose gap it is, as a person knows it.
        missing: what cannot be read any more, from where to where.
        on_gap: the decision.
        then: what happens next when it goes on.

    Raises:
        PixstreamError: the decision is to stop.
    """
    if on_gap == "stop":
        raise PixstreamError(
            f"{stream}: {missing} cannot be had from the source any more. Nothing is skipped "
            "without a decision: get it another way if it is needed, then set on_gap: continue; "
            f"then {then}"
        )
    log.error(
        "%s: %s cannot be had from the source any more and is skipped (on_gap: continue); %s",
        stream,
        missing,
        then,
    )
