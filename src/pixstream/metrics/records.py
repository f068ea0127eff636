"""Metrics of records by stage, common to several loops and destinations.

Stages follow one another; the outcomes within a stage never overlap. The records that a producer
accepted at `read` are those that it produced plus its dead letters. The records that a consumer
accepted at `consume` are the sum of its `write` outcomes, its duplicates, its dead letters and the
records that it is processing.
"""

from __future__ import annotations

from pixstream.metrics.declarations import Counter, Gauge

RECORDS = Counter(
    "pix_records_total",
    "Records by stage and outcome; topic is empty if all topics are counted together",
    ("stage", "outcome", "topic"),
)
READ = RECORDS.of("read", stage="read", outcome="accepted", topic="")
CONSUMED = RECORDS.of("consumed", stage="consume", outcome="accepted", topic="")
WRITTEN = RECORDS.of("written", stage="write", outcome="written", topic="")
"""The count of a destination, if it has one, is more exact than that of the loop, which only knows
the number of records that it passed on."""

NOT_FOR_US = RECORDS.of("not_for_us", stage="write", outcome="not_for_us", topic="")
"""Records that were replayed only for another consumer."""

LETTERS = Counter("pix_dlq_records_total", "Dead letters sent", short="letters")
DUPLICATES = Counter(
    "pix_duplicates_total",
    "Arrivals that added nothing: the same revision of the event was already known",
    short="deduplicated",
)
REVISIONS = Counter(
    "pix_revisions_total", "Written rows that add to a known event, or differ from it"
)
COMMITTED = Counter(
    "pix_committed_readings_total",
    "Readings of committed Kafka transactions, including those that only moved a position",
    short="committed",
)
BATCHES = Counter("pix_batches_total", "Batches that the destination has accepted")
RETRIES = Counter("pix_retries_total", "Waits after a transient failure")
PASSED_OVER = Gauge(
    "pix_passed_over_files",
    "Archives, folders, links and names in other capitals in the directory, which are not read",
    short="passed_over",
)
FRESHNESS = Gauge(
    "pix_freshness_seconds",
    "Age in Kafka of the oldest record in the last batch, when it was processed; absent before the "
    "first batch, unchanged while no records arrive",
)
