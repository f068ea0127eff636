"""Metrics of records by stage, common to several loops and destinations.

Stages follow one another; the outcomes within a stage never overlap. At every moment, for every
component, the records that it accepted are the sum of all other outcomes, its dead letters, its
duplicates, those that were in hand when a process of it ended, and those in hand now. A producer
has accepted a record when the transaction with it is committed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixstream.metrics.declarations import Counter, Gauge, Histogram

if TYPE_CHECKING:
    from pixstream.metrics.counts import Counts
    from pixstream.metrics.samples import Key

ACCEPTED = "accepted"
"""The one outcome that is none yet."""

_NUMBERS = (1.0, 10.0, 100.0, 1_000.0, 5_000.0, 10_000.0, 20_000.0, 50_000.0, 100_000.0)
_SIZES = tuple(float(2**power) for power in range(10, 31, 2))
_AGES = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 900.0)

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

RELEASED = RECORDS.of("released", stage="consume", outcome="released", topic="")
"""Records whose partition moved to another member before they were processed; it reads them."""

EMITTED = Counter(
    "pix_emitted_records_total", "Records that a processor made and committed", short="emitted"
)
IN_HAND = Gauge("pix_in_hand_records", "Records accepted that have no outcome yet")
INTERRUPTED = Counter(
    "pix_interrupted_records_total",
    "Records that were in hand when a process ended; the next one reads and counts them again",
)
LETTERS = Counter(
    "pix_dlq_records_total",
    "Dead letters sent, by reason; topic is that of the record, empty for one from a source",
    ("reason", "topic"),
    short="letters",
)
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
ERRORS = Counter(
    "pix_errors_total",
    "Failures by the stage at which they happened and the class of the error; those that are not "
    "Transient ended the process",
    ("stage", "error_type"),
    short="errors",
)


def failures(stage: str, error_type: str = "Transient") -> Counter:
    """Return the series of `ERRORS` for a stage: read, produce, consume, write or process."""
    return ERRORS.of(short=ERRORS.short, stage=stage, error_type=error_type)


BACKPRESSURE = Counter(
    "pix_backpressure_seconds_total", "Time spent waiting for a source, Kafka or the destination"
)
REBALANCES = Counter(
    "pix_rebalances_total", "Times that the group assigned partitions to this member"
)
BYTES = Counter(
    "pix_bytes_total", "Bytes of keys and values sent to Kafka or read from it", ("stage", "topic")
)
BATCH_RECORDS = Histogram(
    "pix_batch_records",
    "Records of a batch: of a committed transaction (produce), or processed together (consume)",
    ("stage",),
    buckets=_NUMBERS,
)
BATCH_BYTES = Histogram(
    "pix_batch_bytes", "Bytes of keys and values of a batch", ("stage",), buckets=_SIZES
)
TRANSACTION_SECONDS = Histogram(
    "pix_transaction_duration_seconds", "Time from the begin of a Kafka transaction to its commit"
)
COMMIT_SECONDS = Histogram(
    "pix_commit_duration_seconds", "Time that the destination took to accept a batch"
)
LATENCY = Histogram(
    "pix_end_to_end_latency_seconds",
    "Age of an event, from the time of its source (or its own) until it is committed to Kafka "
    "(produce) or visible in the destination (write)",
    ("stage", "topic"),
    buckets=_AGES,
)
LAST_SUCCESS = Gauge(
    "pix_last_success_timestamp_seconds", "When the last batch was committed, since the epoch"
)
LAST_EVENT = Gauge(
    "pix_last_event_timestamp_seconds",
    "Newest time of an event in a committed batch, since the epoch; never later than its commit",
)
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


def outcomes(*sources: Counts) -> float:
    """Return how many records have an outcome; a later source replaces earlier ones."""
    numbers: dict[Key, float] = {}
    for counts in sources:
        numbers |= counts.numbers()
    return sum(number for key, number in numbers.items() if _is_outcome(*key))


def _is_outcome(name: str, labels: tuple[str, ...]) -> bool:
    if name == RECORDS.name:
        return labels[RECORDS.labels.index("outcome")] != ACCEPTED
    return name in {LETTERS.name, DUPLICATES.name}
