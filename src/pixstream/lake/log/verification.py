"""Verifies at start-up that the entries and files of recent commits are present and complete.

The order in `durability` and the guarantees of object stores rule out a half-written file in a
committed entry. So damage found here was caused by the disk, by an operator, or by a power cut
while `fsync` was off. Nothing is repaired: the error lists the damage and how to recover.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from pixstream.errors import DestinationError
from pixstream.lake import files
from pixstream.lake.log import entries
from pixstream.lake.log.durability import LOG

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixstream.lake.files import DataFile
    from pixstream.lake.location import Location

RECENT = 100
"""How many commits are verified: eight minutes of them at one every 5 s; a kernel keeps unwritten
data for half a minute."""

_NAMED = 5
"""How many faults the error lists; the others are only counted."""


def verify(location: Location, version: int, live: Mapping[str, DataFile]) -> None:
    """Read the last `RECENT` log entries and the footers of the live files that they added.

    Args:
        location: of the table.
        version: of the snapshot.
        live: its files, by path.

    Raises:
        DestinationError: an entry or file is broken; the message lists them and how to recover.
        OSError: the location does not answer.
    """
    recent = range(max(0, version - RECENT + 1), version + 1)
    faults: list[tuple[int, str]] = []
    with ThreadPoolExecutor(files.AT_ONCE) as pool:
        added: list[tuple[int, DataFile]] = []
        for number, entry in zip(
            recent, pool.map(lambda v: _read(location, v), recent), strict=True
        ):
            if entry is None:
                faults.append((number, f"{LOG}/{entries.name(number)} is torn"))
            else:
                added += [(number, live[path]) for path in entry.added.keys() & live.keys()]
        for (number, file), fault in zip(
            added, pool.map(lambda one: _fault(location, one[1]), added), strict=True
        ):
            if fault:
                faults.append((number, f"{file.path} {fault}"))
    if faults:
        raise _broken(location, sorted(faults))


def _read(location: Location, version: int) -> entries.Entry | None:
    """Read one entry; return an empty one if it has expired, None if it is torn."""
    try:
        with location.filesystem.open_input_stream(f"{LOG}/{entries.name(version)}") as stream:
            return entries.parse(stream.read())
    except FileNotFoundError:
        return entries.Entry({}, None)


def _fault(location: Location, file: DataFile) -> str:
    """Return what is wrong with a file, "" if nothing is."""
    try:
        with location.filesystem.open_input_file(file.path) as stream:
            if stream.size() != file.size:
                return f"has {stream.size()} bytes, where the log says {file.size}"
            rows = pq.ParquetFile(stream).metadata.num_rows
    except FileNotFoundError:
        return "is gone"
    except pa.ArrowInvalid:
        return "is not a complete Parquet file"
    return "" if rows == file.rows else f"has {rows} rows, where the log says {file.rows}"


def _broken(location: Location, faults: list[tuple[int, str]]) -> DestinationError:
    listed = "; ".join(f"version {number}: {fault}" for number, fault in faults[:_NAMED])
    more = f"; and {len(faults) - _NAMED} more" if len(faults) > _NAMED else ""
    first = faults[0][0]
    return DestinationError(
        f"{location}: {listed}{more}. Nothing is read or written. Restore the broken files from a "
        f"backup, under the same names. Without one: stop this component, move out of {LOG} every "
        f"file whose name begins with a version from {first:020} on, and _last_checkpoint, and "
        f"keep them. The table is then as it was before version {first}, and the component resumes "
        "from there in Kafka; it stops with an error if Kafka no longer has those records"
    )
