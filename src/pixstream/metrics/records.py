"""The journey of a record in metrics: what several loops and destinations count alike.

Stages follow one another; within a stage outcomes never overlap. What a producer accepted at `read`
is what it produced and its dead letters. What a consumer accepted at `consume` is the sum of its
`write` outcomes, its duplicates, its dead letters and what it has in hand.
"""

from __future__ import annotations

from pixstream.metrics.declarations import Counter, Gauge

RECORDS = Counter(
    "pix_records_total",
    "Records by step of their journey and what became of them there; topic is empty where all "
    "topics are counted together",
    ("stage", "outcome", "topic"),
)
READ = RECORDS.of("read", stage="read", outcome="accepted", topic="")
CONSUMED = RECORDS.of("consumed", stage="consume", outcome="accepted", topic="")
WRITTEN = RECORDS.of("written", stage="write", outcome="written", topic="")
"""A destination that counts it knows better than the loop, which only knows what it handed over."""

NOT_FOR_US = RECORDS.of("not_for_us", stage="write", outcome="not_for_us", topic="")
"""Replayed for another consumer alone."""

LETTERS = Counter("pix_dlq_records_total", "Dead letters sent", short="letters")
DUPLICATES = Counter(
    "pix_duplicates_total",
    "Arrivals that added nothing: their event, in the same revision, was there",
    short="deduplicated",
)
REVISIONS = Counter(
    "pix_revisions_total", "Rows among the written that add to a known event, or differ from it"
)
COMMITTED = Counter(
    "pix_committed_readings_total",
    "Readings of committed Kafka transactions, also those that only moved a position",
    short="committed",
)
BATCHES = Counter("pix_batches_total", "Batches that the destination has taken")
RETRIES = Counter("pix_retries_total", "Waits after a failure that may pass")
FRESHNESS = Gauge(
    "pix_freshness_seconds",
    "How long the oldest record of the last batch lay in Kafka; absent before a first batch, and "
    "as it was while nothing comes",
)
