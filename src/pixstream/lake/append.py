"""Appends new rows to one table exactly once, in one commit with the offsets they end at."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
from deltalake.exceptions import DeltaError

from pixstream.errors import DestinationError, Transient
from pixstream.event.categories import Category
from pixstream.lake import failures, files, maintenance, widening
from pixstream.lake.deduplication import screen
from pixstream.lake.known_ids import KnownIds
from pixstream.metrics import Counter, Gauge, Histogram, Metric
from pixstream.metrics.records import DUPLICATES, RECORDS, REVISIONS, WRITTEN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from deltalake.transaction import AddAction

    from pixstream.lake.deduplication import Screened
    from pixstream.lake.table import LakeTable
    from pixstream.metrics import Counts

log = logging.getLogger("pixstream.lake")

REPLAYED = RECORDS.of("replayed", stage="write", outcome="replayed", topic="")
"""Records that the table holds already, by their offsets."""

CONFLICTS = Counter(
    "pix_delta_commit_conflicts_total",
    "Commits that another writer of the table preceded; each was planned again",
    ("table",),
    short="delta_commit_conflicts",
)
FILES = Gauge("pix_delta_files", "Data files of the table after the last commit", ("table",))
VERSION = Gauge("pix_delta_table_version", "Version of the last commit", ("table",))
FILE_BYTES = Histogram(
    "pix_delta_file_bytes",
    "Size of the data files that were written, without those of maintenance",
    ("table",),
    buckets=tuple(float(2**power) for power in range(12, 32, 2)),
)
METRICS = (
    WRITTEN,
    REVISIONS,
    DUPLICATES,
    REPLAYED,
    *(
        metric.of(short=f"{metric.short}_{category.plural}", table=category.plural)
        for category in Category
        for metric in (CONFLICTS, FILES, VERSION, FILE_BYTES)
    ),
)

M = TypeVar("M", bound=Metric)

DECODED = "_ingested_at"

_TRIES = 20
_SWEEP_SECONDS = 24 * 3600


class _Plan(NamedTuple):
    """What a commit on the current snapshot would do."""

    screened: Screened
    offsets: Mapping[str, int]
    replayed: int


class TableAppender:
    """The writer of one table.

    Args:
        table: open.
        counts: the metrics in `METRICS`, counted after each commit.
        codec: of Parquet: zstd or snappy.
        known_ids: how many event ids may be in memory.
        maintain_every: commits between two maintenance runs; 0: another process runs it.
    """

    def __init__(
        self,
        table: LakeTable,
        counts: Counts,
        *,
        codec: str,
        known_ids: int,
        maintain_every: int,
    ) -> None:
        self._table = table
        self._counts = counts
        self._codec = codec
        self._ids = KnownIds(table, known_ids)
        self._maintain_every = maintain_every
        self._unused: tuple[pa.Table, Sequence[AddAction]] | None = None
        self._commits = 0
        self._next_sweep = 0.0

    def write(
        self,
        rows: pa.Table,
        app: str,
        next_offsets: Mapping[int, int],
        begins: Mapping[int, int],
    ) -> None:
        """Append the rows that the table lacks and advance the offsets, in one commit.

        Args:
            rows: of one topic, with `EVENT_SCHEMA` and any new columns, which the table then gains.
            app: prefix of each partition's application id.
            next_offsets: the next offset of each partition, which advances even without rows.
            begins: the offset at which this batch began, for each partition where it is known.

        Raises:
            Transient: not committed; the same call may succeed later.
            DestinationError: not committed, and retrying does not help; also if the table expects
                an offset before `begins`, because committing would skip the records in between.
        """
        homeless = set(pc.unique(rows["_partition"]).to_pylist()) - next_offsets.keys()
        if homeless:
            raise DestinationError(
                f"{self._table.location}: the batch has rows of partitions {sorted(homeless)} but "
                "not the offsets they end at; this is a bug in the caller"
            )
        # Many small chunks make every later step slow.
        rows = widening.trimmed(rows.combine_chunks())
        doing = f"{self._table.location}: cannot commit"
        try:
            for _ in range(_TRIES):
                base = self._table.refresh()
                self._check_begins(app, begins)
                plan = self._plan(rows, app, next_offsets)
                if plan is None:
                    self._unused = None
                    self._table.sync()
                    self._counts.add(REPLAYED, rows.num_rows)
                    return
                if widening.widen(self._table, plan.screened.rows.schema):
                    continue
                new = self._files(plan.screened.rows)
                if self._commit(new, plan, base):
                    self._unused = None
                    self._settle(plan, new)
                    return
        except (OSError, DeltaError) as error:
            raise failures.explain(error, doing) from None
        except pa.ArrowInvalid:
            raise DestinationError(
                f"{doing}: a data file of the table cannot be read; this process stops: restore "
                "the table from a backup"
            ) from None
        raise Transient(f"{doing}: lost the race to other writers {_TRIES} times")

    def _check_begins(self, app: str, begins: Mapping[int, int]) -> None:
        """Refuse rows read from beyond the next offset in the current snapshot.

        This happens when the process was suspended, out of its group, during an offset reset.
        """
        for partition, begin in begins.items():
            known = self._table.offset(f"{app}{partition}")
            if known is not None and known < begin:
                raise DestinationError(
                    f"{self._table.location}: expects offset {known} of partition {partition}, "
                    f"but this batch was read from {begin} on: its offset was reset while this "
                    "process was suspended or running. Nothing is committed and this process "
                    "stops; the process that replaces it resumes at the table's offset"
                )

    def _plan(self, rows: pa.Table, app: str, next_offsets: Mapping[int, int]) -> _Plan | None:
        """Plan a commit on the current snapshot; None when it already contains everything."""
        since: dict[int, int] = {}
        for partition, offset in next_offsets.items():
            known = self._table.offset(f"{app}{partition}")
            if known is None or offset > known:
                since[partition] = known or 0
        if not since:
            return None
        self._ids.catch_up()
        fresh = _after(rows, since)
        offsets = {f"{app}{partition}": next_offsets[partition] for partition in since}
        return _Plan(
            screen(fresh, self._ids, self._table.location), offsets, rows.num_rows - fresh.num_rows
        )

    def _files(self, rows: pa.Table) -> Sequence[AddAction]:
        """Write the rows, unless an attempt that did not commit already wrote the same ones.

        Otherwise each new attempt at a full disk would fill it further. A new attempt decodes its
        records again, so the comparison ignores the decoding time.
        """
        compared = rows.drop_columns([DECODED])
        if self._unused is None or not self._unused[0].equals(compared):
            self._unused = compared, files.write(self._table.location, rows, self._codec)
        return self._unused[1]

    def _commit(self, new: Sequence[AddAction], plan: _Plan, base: int) -> bool:
        """Try to commit; return False if another writer was faster and a new plan is needed."""
        try:
            self._table.commit(new, plan.offsets)
        except (OSError, DeltaError):
            version = self._table.refresh()
            # Trust the table, not the error: a commit may report failure after it succeeded.
            if all(self._table.offset(app) == offset for app, offset in plan.offsets.items()):
                return True
            if version == base:
                raise
            self._counts.add(self._of_table(CONFLICTS))
            return False
        self._table.refresh()
        return True

    def _settle(self, plan: _Plan, new: Sequence[AddAction]) -> None:
        """Sync the log to disk, update memory and counters, and run maintenance when due."""
        self._table.sync()
        rows = plan.screened.rows
        self._ids.add(rows)
        self._ids.expect(action.path for action in new)
        self._counts.add(WRITTEN, rows.num_rows)
        self._counts.add(REVISIONS, plan.screened.revisions)
        self._counts.add(DUPLICATES, plan.screened.deduplicated)
        self._counts.add(REPLAYED, plan.replayed)
        self._counts.set(self._of_table(FILES), len(self._ids.files) + len(new))
        self._counts.set(self._of_table(VERSION), self._table.version)
        self._counts.observe_all(self._of_table(FILE_BYTES), [action.size for action in new])
        self._commits += 1
        if self._maintain_every and self._commits % self._maintain_every == 0:
            self._ids.expect(maintenance.maintain(self._table, self._codec))
            if time.monotonic() >= self._next_sweep:
                maintenance.sweep(self._table)
                self._next_sweep = time.monotonic() + _SWEEP_SECONDS

    def _of_table(self, metric: M) -> M:
        """Return the series of this table."""
        name = self._table.location.name
        return metric.of(short=f"{metric.short}_{name}", table=name)


def _after(rows: pa.Table, offsets: Mapping[int, int]) -> pa.Table:
    """Return the rows of these partitions at or after these offsets."""
    keep: pa.Array | pa.ChunkedArray = pa.repeat(pa.scalar(False), rows.num_rows)
    for partition, offset in offsets.items():
        here = pc.and_(
            pc.equal(rows["_partition"], partition), pc.greater_equal(rows["_offset"], offset)
        )
        keep = pc.or_(keep, here)
    return rows.filter(keep) if pc.all(keep).as_py() is False else rows
