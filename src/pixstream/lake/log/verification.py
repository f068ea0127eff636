"""At the start: are the entries and the files of the recent commits all there, and whole?

The order of `durability` and the stores' own promises leave nothing half written under an entry
that counts, so what is broken here was broken by the disk, by a person, or by a power cut while
`fsync` was off. Nothing is repaired: a person reads what is broken and which way leads out.
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
"""So many commits are looked at: eight minutes of them at one every 5 s; a kernel keeps what it has
not written yet for half a minute."""

_NAMED = 5
"""So many faults are told; the others are counted."""


def verify(location: Location, version: int, live: Mapping[str, DataFile]) -> None:
    """Read the last `RECENT` log entries and the footers of the live files that they added.

    Args:
        location: of the table.
        version: of the snapshot.
        live: its files, by path.

    Raises:
        DestinationError: an entry or a file is broken; it names them, and the ways out.
        OSError: the place does not answer.
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
    """One entry; an empty one where it has expired, None where it is torn."""
    try:
        with location.filesystem.open_input_stream(f"{LOG}/{entries.name(version)}") as stream:
            return entries.parse(stream.read())
    except FileNotFoundError:
        return entries.Entry({}, None)


def _fault(location: Location, file: DataFile) -> str:
    """What is wrong with a file, "" where nothing is."""
    try:
        with location.filesystem.open_input_file(file.path) as stream:
            if stream.size() != file.size:
                return f"has {stream.size()} bytes, where the log says {file.size}"
            rows = pq.ParquetFile(stream).metadata.num_rows
    except FileNotFoundError:
        return "is gone"
    except pa.ArrowInvalid:
        return "is no whole Parquet file"
    return "" if rows == file.rows else f"holds {rows} rows, where the log says {file.rows}"


def _broken(location: Location, faults: list[tuple[int, str]]) -> DestinationError:
    told = "; ".join(f"version {number}: {fault}" for number, fault in faults[:_NAMED])
    more = f"; and {len(faults) - _NAMED} more" if len(faults) > _NAMED else ""
    first = faults[0][0]
    return DestinationError(
        f"{location}: {told}{more}. Nothing is read or written. Bring what is broken back from a "
        f"backup, under the same names. Without one: stop this component, move out of {LOG} every "
        f"file whose name begins with a version from {first:020} on, and _last_checkpoint, and "
        f"keep them. The table is then as it was before version {first}, and the component reads "
        "on from there in Kafka; it says so and stops if Kafka does not hold that any more"
    )
