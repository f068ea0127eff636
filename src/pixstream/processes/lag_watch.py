"""Measures the lag of every configured group for `/metrics`, in a thread of the supervisor.

It reads offsets only, so it sees partitions that nobody reads and groups whose processes are down.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING

from pixstream.errors import PixstreamError
from pixstream.kafka.lag import lag
from pixstream.kafka.lag_seconds import EndOffsets, by_partition
from pixstream.metrics import Counts, Gauge

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from pixstream.kafka.lag import PartitionLag
    from pixstream.kafka.ports import Admin
    from pixstream.metrics import Sample

log = logging.getLogger("pixstream.supervisor")

_PLACE = ("group", "topic", "partition")
LAG_RECORDS = Gauge(
    "pix_consumer_lag_records",
    "Offsets that the group has yet to read; transaction markers count until it has passed them",
    _PLACE,
)
LAG_SECONDS = Gauge(
    "pix_consumer_lag_seconds",
    "How long the next record of the group has been waiting in Kafka; up to a week at the start",
    _PLACE,
)
COMMITTED = Gauge(
    "pix_consumer_committed_offset",
    "Next offset of the group; absent before its first commit",
    _PLACE,
)
END = Gauge(
    "pix_topic_end_offset",
    "Offset after the last record of a committed transaction",
    ("topic", "partition"),
)
METRICS = (LAG_RECORDS, LAG_SECONDS, COMMITTED, END)
"""Absent while Kafka does not answer."""

_STOP_SECONDS = 5.0


class LagWatch:
    """Measures until it is stopped.

    Args:
        connect: opens an administration client.
        groups: each group with the topics it reads.
        every_seconds: pause between two measurements; 0: nothing is measured.
    """

    def __init__(
        self,
        connect: Callable[[], Admin],
        groups: Mapping[str, Collection[str]],
        every_seconds: float,
    ) -> None:
        self._connect = connect
        self._groups = groups
        self._every = every_seconds
        self._ends = EndOffsets()
        self._counts = Counts()
        self._silent = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="lag")

    def start(self) -> None:
        """Begin to measure."""
        if self._groups and self._every:
            self._thread.start()

    def stop(self) -> None:
        """Stop, and wait for a measurement in progress for a few seconds."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_SECONDS)

    def samples(self) -> list[Sample]:
        """Return the last measurement; any thread may call this."""
        return self._counts.samples()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with closing(self._connect()) as admin:
                    self._measure_until_stopped(admin)
            except PixstreamError as error:
                if not self._silent:
                    log.warning("the lag cannot be measured: %s; trying again", error)
                self._counts, self._silent = Counts(), True
            except Exception:
                # An old lag that looks like the present one is worse than none.
                if not self._silent:
                    log.exception("the lag cannot be measured: unexpected error; trying again")
                self._counts, self._silent = Counts(), True
            self._stop.wait(self._every)

    def _measure_until_stopped(self, admin: Admin) -> None:
        topics = {topic for group_topics in self._groups.values() for topic in group_topics}
        self._ends = EndOffsets()
        self._ends.look_back(admin, topics, time.time())
        while not self._stop.is_set():
            self.measure(lag(admin, self._groups), time.time())
            self._silent = False
            self._stop.wait(self._every)

    def measure(self, lags: Collection[PartitionLag], now: float) -> None:
        """Publish a measurement.

        Args:
            lags: of every group and partition.
            now: when they were measured, in seconds since the epoch.
        """
        counts = Counts()
        for partition, end in by_partition(lags).items():
            self._ends.note(partition, end, now)
            place = {"topic": partition.topic, "partition": str(partition.partition)}
            counts.set(END.of(**place), end)
        for one in lags:
            place = {"group": one.group, "topic": one.topic, "partition": str(one.partition)}
            counts.set(LAG_RECORDS.of(**place), one.lag)
            counts.set(LAG_SECONDS.of(**place), round(self._ends.age(one, now), 3))
            if one.committed is not None:
                counts.set(COMMITTED.of(**place), one.committed)
        self._counts = counts
