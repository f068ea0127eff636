"""Gaps in a source: reported with their bounds, and skipped only by an operator's decision."""

from __future__ import annotations

import logging
from typing import Literal, TypeAlias

from pixstream.errors import PixstreamError

log = logging.getLogger("pixstream.plugins.gaps")

OnGap: TypeAlias = Literal["stop", "continue"]
"""The setting `on_gap`."""


def met(stream: str, missing: str, on_gap: OnGap, then: str) -> None:
    """Continue past a gap with an error in the log, or stop before it.

    Args:
        stream: the stream with the gap, by the name that people know.
        missing: what the source no longer has, with its bounds.
        on_gap: the decision.
        then: what happens next if reading continues.

    Raises:
        PixstreamError: the decision is to stop.
    """
    if on_gap == "stop":
        raise PixstreamError(
            f"{stream}: {missing} can no longer be read from the source. Nothing is skipped "
            "without a decision: get it another way if it is needed, then set on_gap: continue; "
            f"then {then}"
        )
    log.error(
        "%s: %s can no longer be read from the source and is skipped (on_gap: continue); %s",
        stream,
        missing,
        then,
    )
