"""Opens a table of events, creates it where there is none, and refuses any other table."""

from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError
from deltalake.fs import DeltaStorageHandler

from pixstream.columns.schema import PARTITION_COLUMN, TABLE_SCHEMA
from pixstream.columns.shapes import differences
from pixstream.errors import DestinationError
from pixstream.lake import failures, files
from pixstream.lake.log import durability, entries, recovery, verification

if TYPE_CHECKING:
    from pixstream.lake.location import Location

PROPERTIES = {
    # The footers of the files have their own statistics, and dates prune: none in the log.
    "delta.dataSkippingNumIndexedCols": "0",
    # Every commit lists the log, so it is kept short: at a commit every 5 s, a day has 17,000.
    "delta.logRetentionDuration": "interval 1 days",
    "delta.deletedFileRetentionDuration": "interval 7 days",
}

_ACTIONS = 2
"""Of an entry that creates a table, beside what it says of itself: protocol and metadata."""


def open_or_create(location: Location) -> DeltaTable:
    """Open the table, or create it; two processes may do so at once.

    Raises:
        DestinationError: what lies there is no table of events, or a recent file is broken.
        OSError: not allowed, no directory, …
        DeltaError: no answer, or the log cannot be read.
    """
    if location.directory is not None:
        location.directory.mkdir(parents=True, exist_ok=True)
        recovery.set_aside_torn(location.directory)
    table = _find(location)
    if table is None:
        table = _create(location)
    if location.fsync and location.directory is not None:
        durability.sync_way(location.directory)
    _check(table, location)
    verification.verify(location, table.version(), files.live(table))
    return table


def is_there(location: Location) -> bool:
    """Tell whether there is a table; where there is none, whether one could be created.

    Raises:
        DestinationError: a file is in the way, or this user may not write there.
        Transient: the object store does not answer.
    """
    try:
        if _find(location) is not None:
            return True
    except (OSError, DeltaError) as error:
        raise failures.explain(error, f"{location}: cannot look there") from None
    if location.directory is not None:
        place = next(p for p in (location.directory, *location.directory.parents) if p.exists())
        if not place.is_dir():
            raise DestinationError(f"{location}: {place} is no directory; move it out of the way")
        if not os.access(place, os.W_OK | os.X_OK):
            raise DestinationError(f"{location}: this user may not write in {place}")
    return False


def try_to_write(location: Location) -> None:
    """Put a small file into the table's place on an object store, and take it away again.

    On a local disk `is_there` has looked at the rights already.

    Raises:
        DestinationError: the credentials do not suffice.
        Transient: the object store does not answer.
    """
    if location.directory is not None:
        return
    name = f"_pixstream_check_{uuid.uuid4().hex}.parquet"
    try:
        pq.write_table(pa.table({"check": [True]}), name, filesystem=location.filesystem)
        # Arrow would leave an empty object behind, named like a directory.
        DeltaStorageHandler(location.uri, location.options).delete_file(name)
    except (OSError, DeltaError) as error:
        raise failures.explain(error, f"{location}: cannot write and delete there") from None


def _find(location: Location) -> DeltaTable | None:
    """Open the table; None where there is none.

    `DeltaTable.is_deltatable` would do, but lets no other thread run until a store has answered.
    """
    if location.directory is not None and not location.directory.is_dir():
        return None
    try:
        return DeltaTable(location.uri, storage_options=location.options)
    except TableNotFoundError as error:
        if failures.is_about_the_uri(error):
            raise
        return None


def _create(location: Location) -> DeltaTable:
    try:
        return DeltaTable.create(
            location.uri,
            TABLE_SCHEMA,
            partition_by=[PARTITION_COLUMN],
            name=location.name,
            configuration=PROPERTIES,
            storage_options=location.options,
            commit_properties=CommitProperties(custom_metadata=entries.about(_ACTIONS, None)),
        )
    except (OSError, DeltaError):
        table = _find(location)
        if table is None:
            raise  # nobody else was faster: it is the place that refuses
        return table


def _check(table: DeltaTable, location: Location) -> None:
    """Hold an existing table to the columns and the partitioning of events."""
    found = differences(pa.schema(table.schema().to_arrow()))
    if found:
        raise DestinationError(
            f"{location}: has not the columns of an event ({'; '.join(found)}); "
            "set another uri, or move that table away"
        )
    if table.metadata().partition_columns != [PARTITION_COLUMN]:
        raise DestinationError(
            f"{location}: is not partitioned by {PARTITION_COLUMN}; set another uri, "
            "or move that table away"
        )
