"""Opens a table of events, creates it if absent, and refuses any other table."""

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
    # No statistics in the log: the file footers have them, and dates prune.
    "delta.dataSkippingNumIndexedCols": "0",
    # Every commit lists the log, so it is kept short: at a commit every 5 s, a day has 17,000.
    "delta.logRetentionDuration": "interval 1 days",
    "delta.deletedFileRetentionDuration": "interval 7 days",
}

_ACTIONS = 2
"""Actions in the commit that creates a table, besides commitInfo: protocol and metadata."""


def open_or_create(location: Location) -> DeltaTable:
    """Open the table, or create it; two processes may do so concurrently.

    Raises:
        DestinationError: the table there is not a table of events, or a recent file is broken.
        OSError: permission denied, not a directory, …
        DeltaError: no answer, or the log cannot be read.
    """
    if location.directory is not None:
        location.directory.mkdir(parents=True, exist_ok=True)
        recovery.set_aside_torn(location.directory)
    table = find(location)
    if table is None:
        table = _create(location)
    if location.fsync and location.directory is not None:
        durability.sync_way(location.directory)
    _check(table, location)
    verification.verify(location, table.version(), files.live(table))
    return table


def is_there(location: Location) -> bool:
    """Return whether the table exists; if not, check that it could be created.

    Raises:
        DestinationError: a file is in the way, or this user may not write there.
        Transient: the object store does not answer.
    """
    try:
        if find(location) is not None:
            return True
    except (OSError, DeltaError) as error:
        raise failures.explain(error, f"{location}: cannot check it") from None
    if location.directory is not None:
        place = next(p for p in (location.directory, *location.directory.parents) if p.exists())
        if not place.is_dir():
            raise DestinationError(f"{location}: {place} is not a directory; move it away")
        if not os.access(place, os.W_OK | os.X_OK):
            raise DestinationError(f"{location}: this user may not write in {place}")
    return False


def try_to_write(location: Location) -> None:
    """Write a small file to the table's location on an object store, and delete it.

    On a local disk `is_there` has already checked the permissions.

    Raises:
        DestinationError: the credentials are not sufficient.
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


def find(location: Location) -> DeltaTable | None:
    """Open the table as it is, without a check; None where there is none.

    `DeltaTable.is_deltatable` would do, but blocks all other threads until the store has answered.

    Raises:
        OSError: permission denied, …
        DeltaError: no answer, or the log cannot be read.
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
        table = find(location)
        if table is None:
            raise  # no other process created it, so the location itself refuses
        return table


def _check(table: DeltaTable, location: Location) -> None:
    """Check that an existing table has the columns and the partitioning of events."""
    found = differences(pa.schema(table.schema().to_arrow()))
    if found:
        raise DestinationError(
            f"{location}: does not have the columns of an event ({'; '.join(found)}); "
            "set another uri, or move that table away"
        )
    if table.metadata().partition_columns != [PARTITION_COLUMN]:
        raise DestinationError(
            f"{location}: is not partitioned by {PARTITION_COLUMN}; set another uri, "
            "or move that table away"
        )
