"""Keeps a table fast: compacts small files, checkpoints and trims the log, vacuums dead files.

A commit costs about 0.2 ms for every live file and lists the whole log, so both are kept short.
Files are merged through the same durable path as new rows (deltalake's own `optimize` would replace
files that are on disk by files that may not be). A failure here is harmless: the table stays
correct without maintenance, and the next run tries again.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

import pyarrow as pa
from deltalake import CommitProperties
from deltalake.exceptions import DeltaError
from deltalake.transaction import RemoveAction

from pixstream.columns.schema import PARTITION_COLUMN
from pixstream.columns.shapes import aligned
from pixstream.errors import DestinationError
from pixstream.lake import files
from pixstream.lake.table import NO_HOOKS

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Sequence

    from deltalake.transaction import AddAction

    from pixstream.lake.files import DataFile
    from pixstream.lake.table import LakeTable

log = logging.getLogger("pixstream.lake")

SMALL = 32 * 2**20
"""A file is small below this many bytes."""

ENOUGH = 8
"""How many small files of one date are worth merging."""

_TRIES = 5


def maintain(table: LakeTable, codec: str) -> list[str]:
    """Merge small files, then checkpoint the log and delete its expired entries.

    Returns:
        paths of the merged files, whose rows were already in the table.
    """
    try:
        merged = [new for group in _groups(table) for new in _merge(table, group, codec)]
        table.checkpoint()
    except (OSError, DeltaError) as error:
        log.warning(
            "%s: maintenance failed (%s); rows and offsets are not affected, and the next run "
            "tries again",
            table.location,
            type(error).__name__,
        )
        return []
    return merged


def sweep(table: LakeTable) -> None:
    """Delete files that no snapshot of the last seven days uses (vacuum)."""
    try:
        gone = table.handle.vacuum(
            dry_run=False,
            full=True,
            commit_properties=CommitProperties(custom_metadata=table.about(0)),
            post_commithook_properties=NO_HOOKS,
        )
        table.refresh()
        table.sync()
    except (OSError, DeltaError) as error:
        log.warning(
            "%s: vacuum failed (%s); dead files stay until the next run",
            table.location,
            type(error).__name__,
        )
    else:
        log.info("%s: vacuum deleted %d dead files", table.location, len(gone))


def _groups(table: LakeTable) -> Iterator[list[DataFile]]:
    """Group small files by date, each group not much larger than one file should be."""
    dates: dict[dt.date, list[DataFile]] = {}
    for file in table.live().values():
        if file.size < SMALL:
            dates.setdefault(file.date, []).append(file)
    for small in dates.values():
        group: list[DataFile] = []
        for file in sorted(small, key=lambda file: file.size):
            if group and sum(f.size for f in group) + file.size > 2 * SMALL:
                break
            group.append(file)
        if len(group) >= ENOUGH:
            yield group


def _merge(table: LakeTable, group: Sequence[DataFile], codec: str) -> list[str]:
    """Merge files of one date into one, unless another process has already merged them.

    Raises:
        DestinationError: a file does not contain the number of rows in the log.
    """
    whole = table.schema
    place = whole.get_field_index(PARTITION_COLUMN)
    schema = whole.remove(place)
    parts = [aligned(files.read(table.location, file), schema) for file in group]
    rows = pa.concat_tables(parts)
    if any(file.rows not in {None, part.num_rows} for file, part in zip(group, parts, strict=True)):
        raise DestinationError(
            f"{table.location}: a data file does not contain the rows that the log says; this "
            "process stops: restore the file, or the table, from a backup"
        )
    date = pa.repeat(pa.scalar(group[0].date), rows.num_rows)
    rows = rows.add_column(place, whole.field(place), date)
    added = files.write(table.location, rows, codec, change=False)
    now = int(time.time() * 1000)
    removed = [RemoveAction(f.path, False, now, f.size, _values(f)) for f in group]
    return _swap(table, added, removed, group)


def _swap(
    table: LakeTable,
    added: Sequence[AddAction],
    removed: Sequence[RemoveAction],
    group: Sequence[DataFile],
) -> list[str]:
    """Commit the replacement while all files of the group are live; return the added paths."""
    wanted = {action.path for action in added}
    for _ in range(_TRIES):
        try:
            table.commit([*added, *removed])
        except DeltaError:
            table.refresh()
        else:
            table.refresh()
        live = table.live()
        if wanted <= live.keys():
            table.sync()
            return sorted(wanted)
        if not {file.path for file in group} <= live.keys():
            break
    return []


def _values(file: DataFile) -> dict[str, str | None]:
    return {PARTITION_COLUMN: str(file.date)}
