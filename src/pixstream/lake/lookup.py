"""Looks for a few rows in a large table, without an index: by dates, statistics and one column.

The caller picks the files by their date. Of each row group the footer's statistics are asked first,
then only the columns that are compared are read, and all requested ones where something was found.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake.exceptions import DeltaError

from pixstream.lake import failures
from pixstream.lake.files import AT_ONCE, DataFile

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from pixstream.lake.location import Location


class FoundRow(NamedTuple):
    """A row by the names of its columns, and the file it is in; a map is a dict."""

    file: DataFile
    values: dict[str, Any]


def lookup(
    location: Location,
    files: Iterable[DataFile],
    wanted: Mapping[str, Collection[Any]],
    columns: Sequence[str],
) -> list[FoundRow]:
    """Return the rows in which any of these columns has one of its values.

    Args:
        location: of the table.
        files: where to look.
        wanted: the values by column; `payer.document` is a child of a struct.
        columns: what to return of a row; one that a file lacks is left out.

    Cost: the compared columns of every row group that the statistics do not exclude, about 150 ms
    of CPU per million rows and column of text, and the requested columns where there is a hit.

    Raises:
        DestinationError: a file cannot be read.
        Transient: the object store does not answer.
    """
    try:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            found = pool.map(lambda file: _in_file(location, file, wanted, columns), files)
            return [row for rows in found for row in rows]
    except (OSError, DeltaError) as error:
        raise failures.explain(error, f"{location}: cannot read it") from None


def _in_file(
    location: Location,
    file: DataFile,
    wanted: Mapping[str, Collection[Any]],
    columns: Sequence[str],
) -> list[FoundRow]:
    rows: list[FoundRow] = []
    with location.filesystem.open_input_file(file.path) as stream:
        parquet = pq.ParquetFile(stream)
        leaves = _leaves(parquet)
        held = [name for name in columns if name in parquet.schema_arrow.names]
        for group in range(parquet.num_row_groups):
            asked = dict(_promising(parquet, group, leaves, wanted))
            if not asked:
                continue
            mask = _mask(parquet.read_row_group(group, list(asked)), asked)
            if pc.any(mask).as_py():
                hits = parquet.read_row_group(group, held).filter(mask)
                found = hits.to_pylist(maps_as_pydicts="lossy")
                rows += (FoundRow(file, values) for values in found)
    return rows


def _leaves(parquet: pq.ParquetFile) -> dict[str, int]:
    """Return the place of each column without children, by its dotted path."""
    schema = parquet.schema
    return {schema.column(place).path: place for place in range(len(schema.names))}


def _promising(
    parquet: pq.ParquetFile,
    group: int,
    leaves: Mapping[str, int],
    wanted: Mapping[str, Collection[Any]],
) -> Iterator[tuple[str, Collection[Any]]]:
    """Yield the columns of a row group, with their values, that its statistics do not exclude."""
    footer = parquet.metadata.row_group(group)
    for name, values in wanted.items():
        if name not in leaves:
            continue
        about, left = footer.column(leaves[name]).statistics, values
        if about is not None and about.has_min_max:
            left = [value for value in values if about.min <= value <= about.max]
        if left:
            yield name, left


def _mask(rows: pa.Table, asked: Mapping[str, Collection[Any]]) -> Any:
    mask: Any = pa.repeat(pa.scalar(False), rows.num_rows)
    for name, values in asked.items():
        column = _column(rows, name)
        among = pc.is_in(column, value_set=pa.array(list(values), column.type))
        mask = pc.or_(mask, among)
    return mask


def _column(rows: pa.Table, name: str) -> pa.ChunkedArray[Any]:
    first, *inner = name.split(".")
    column = rows[first]
    for child in inner:
        column = pc.struct_field(column, child)
    return column
