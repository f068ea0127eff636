"""How old events are, by topic."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def ages_in_seconds(events: pa.Table, now: float) -> Mapping[str, Sequence[float]]:
    """Return the age of each event, from the time of its source, or else its own, at least 0.

    Args:
        events: with the columns of `EVENT_SCHEMA`.
        now: seconds since the epoch.
    """
    at = pc.coalesce(events["source_time"], events["event_time"]).cast(pa.int64())
    microseconds = pc.subtract(int(now * 1_000_000), at).cast(pa.float64(), safe=False)
    seconds = pc.divide(microseconds, 1_000_000.0)
    ages, topics = pc.max_element_wise(seconds, 0.0), events["_topic"]
    return {
        topic: ages.filter(pc.equal(topics, topic)).to_pylist()
        for topic in pc.unique(topics).to_pylist()
    }
