"""The data files of a table: lists the live ones, writes new ones, reads selected rows."""

from __future__ import annotations

import contextlib
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake.transaction import AddAction

from pixstream.columns.schema import DICTIONARY_COLUMNS, EVENT_SCHEMA, PARTITION_COLUMN
from pixstream.columns.shapes import aligned
from pixstream.lake.log import durability

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Iterator, Sequence

    from deltalake import DeltaTable

    from pixstream.lake.location import Location

ROW_GROUP = 50_000
AT_ONCE = 8
"""Files read in parallel: an object store takes tens of milliseconds for each request."""

_STATISTICS = ["event_time", "_partition", "_offset"]


class DataFile(NamedTuple):
    """A live file: path inside the table, date of its rows, their number, size in bytes."""

    path: str
    date: dt.date
    rows: int
    size: int


def live(handle: DeltaTable) -> dict[str, DataFile]:
    """Return the files of the snapshot in `handle`, by path."""
    actions: Any = pa.table(handle.get_add_actions(flatten=True))
    names = ("path", f"partition.{PARTITION_COLUMN}", "num_records", "size_bytes")
    columns = [actions[name].to_pylist() for name in names]
    return {row[0]: DataFile(*row) for row in zip(*columns, strict=True)}


def write(
    location: Location, rows: pa.Table, codec: str, *, change: bool = True
) -> list[AddAction]:
    """Write rows as new files, one per date; on return they are on disk but not yet in the log.

    Args:
        location: of the table.
        rows: with the table's columns, except for some nullable ones.
        codec: of Parquet: zstd or snappy.
        change: false when the rows are already in the table (compaction).

    Raises:
        OSError: disk full, permission denied, …; the new files are deleted if possible, so that
            retries on a full disk do not fill it further.
    """
    actions: list[AddAction] = []
    paths: list[str] = []
    try:
        for date, part in _by_date(rows):
            paths.append(f"{PARTITION_COLUMN}={date}/part-{uuid.uuid4()}.{codec}.parquet")
            actions.append(_add(location, paths[-1], date, part, codec, change=change))
        _sync(location, paths)
    except OSError:
        for path in paths:
            with contextlib.suppress(OSError):  # not in the log, so a later vacuum deletes it
                location.filesystem.delete_file(path)
        raise
    return actions


def _add(
    location: Location, path: str, date: dt.date, rows: pa.Table, codec: str, *, change: bool
) -> AddAction:
    """Write one file; return its add action for the log."""
    size = _write_file(location, path, rows.drop_columns([PARTITION_COLUMN]), codec)
    stats = msgspec.json.encode({"numRecords": rows.num_rows}).decode()
    now = int(time.time() * 1000)
    return AddAction(path, size, {PARTITION_COLUMN: str(date)}, now, change, stats)


def _sync(location: Location, paths: Sequence[str]) -> None:
    """Sync files, their date directories, and the table directory that names those."""
    if paths and location.fsync and location.directory is not None:
        written = [location.directory / path for path in paths]
        durability.sync([*written, *{path.parent for path in written}, location.directory])


def _write_file(location: Location, path: str, rows: pa.Table, codec: str) -> int:
    """Write one file; return its size in bytes."""
    if location.directory is not None:
        (location.directory / path).parent.mkdir(parents=True, exist_ok=True)
    with location.filesystem.open_output_stream(path) as stream:
        pq.write_table(
            rows,
            stream,
            row_group_size=ROW_GROUP,
            compression=codec,
            use_dictionary=DICTIONARY_COLUMNS,
            write_statistics=_STATISTICS,
        )
        return int(stream.tell())


def _by_date(rows: pa.Table) -> Iterator[tuple[dt.date, pa.Table]]:
    """Split rows by date, keeping their order within each date."""
    dates = pc.unique(rows[PARTITION_COLUMN]).to_pylist()
    if len(dates) > 1:
        rows = rows.take(pc.sort_indices(rows[PARTITION_COLUMN]))
        dates.sort()
    counts = {c["values"]: c["counts"] for c in pc.value_counts(rows[PARTITION_COLUMN]).to_pylist()}
    start = 0
    for date in dates:
        yield date, rows.slice(start, counts[date])
        start += counts[date]


def read(location: Location, file: DataFile, columns: Sequence[str] | None = None) -> pa.Table:
    """Read columns of a file, all by default, without the partition column."""
    with location.filesystem.open_input_file(file.path) as stream:
        return pq.ParquetFile(stream).read(list(columns) if columns else None)


def find(
    location: Location,
    files: Iterable[DataFile],
    ids: pa.Array[Any],
    columns: Sequence[str],
    schema: pa.Schema = EVENT_SCHEMA,
) -> pa.Table:
    """Return the rows of these files whose `event_id` is among `ids`, in the order of the files.

    `schema` gives the types of the columns; a column that a file lacks is null.

    Cost: the `event_id` column of every file, about 150 ms of CPU per million rows, and all
    requested columns of the row groups with a hit. On an object store: three requests per file,
    `AT_ONCE` files in parallel.
    """
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(lambda file: _hits(location, file, ids, columns), files))
    wanted = pa.schema([schema.field(name) for name in columns])
    parts = (aligned(part, wanted) for hits in found for part in hits)
    return pa.concat_tables([wanted.empty_table(), *parts])


def _hits(
    location: Location, file: DataFile, ids: pa.Array[Any], columns: Sequence[str]
) -> list[pa.Table]:
    """Return the matching rows of one file, by row group."""
    hits: list[pa.Table] = []
    with location.filesystem.open_input_file(file.path) as stream:
        parquet = pq.ParquetFile(stream)
        for group in range(parquet.num_row_groups):
            here = parquet.read_row_group(group, ["event_id"])["event_id"]
            mask: Any = pc.is_in(here, value_set=ids)
            if pc.any(mask).as_py():
                hits.append(parquet.read_row_group(group, list(columns)).filter(mask))
    return hits
