"""Read-only SQL over Delta tables, by deltalake's QueryBuilder (Apache DataFusion).

DataFusion itself would also create tables, read any file and write files (`COPY … TO`). So a
statement is executed only once it was planned in a place where the grammar allows nothing but a
query.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from deltalake import QueryBuilder
from deltalake.exceptions import DeltaError

from pixstream.errors import PixstreamError
from pixstream.lake import failures, opening

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from deltalake import DeltaTable

    from pixstream.lake.location import Location

_ONLY_A_QUERY = "EXPLAIN SELECT 1 WHERE EXISTS (\n{}\n)"
"""Plans a query and executes nothing; any other statement is an error. The query begins on line 2
and may end in a comment."""

_LINES_BEFORE = 1

_DESCRIBE = re.compile(r"DESCRIBE\s+\w+", re.IGNORECASE)
"""The one other statement that only reads: the columns of a table."""

_PLACE = re.compile(r"at Line: (\d+)")
_NO_TABLE = re.compile(r"table 'datafusion\.public\.(?P<name>[^']*)' not found")
_PARSING = re.compile(r'SQL error: ParserError\("(.*)"\)', re.DOTALL)
_NOT_A_QUERY = ("Expected: SELECT, VALUES, or a subquery", "not implemented: Query")
_WORD = re.compile(r"\w+")


def select(tables: Mapping[str, Location], sql: str) -> pa.RecordBatchReader:
    """Start a query and return a reader of its result, which is computed while it is read.

    Args:
        tables: what a name in the query means; a table need not exist.
        sql: one SELECT, WITH … SELECT, VALUES or DESCRIBE table, with or without a semicolon.

    Raises:
        PixstreamError: it is no query, or cannot be planned; the message says why.
        DestinationError: a table cannot be opened.
        Transient: the object store does not answer.
    """
    sql = sql.strip().removesuffix(";").rstrip()
    if not sql:
        raise PixstreamError(f"the query is empty; tables: {_names(tables)}")
    builder = QueryBuilder()
    words = set(_WORD.findall(sql))
    missing = []
    for name, location in tables.items():
        if name not in words:
            continue  # opening a table may be a request to an object store
        table = _open(location)
        if table is None:
            missing.append(name)
        else:
            builder.register(name, table)
    try:
        if not _DESCRIBE.fullmatch(sql):
            builder.execute(_ONLY_A_QUERY.format(sql)).read_all()
        return pa.RecordBatchReader.from_stream(builder.execute(sql))
    except DeltaError as error:
        raise PixstreamError(_meaning(str(error), tables, missing)) from None


def rows(reader: pa.RecordBatchReader) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a query's result as plain Python values; a map becomes a dict.

    Raises:
        PixstreamError: the result cannot be computed; what was yielded is incomplete.
    """
    try:
        for batch in reader:
            columns = (_in_microseconds(c).to_pylist(maps_as_pydicts="lossy") for c in batch)
            yield from zip(*columns, strict=True)
    except (pa.ArrowException, OSError) as error:
        text = str(error).removeprefix("External error: ").removeprefix("Arrow error: ")
        raise PixstreamError(f"the query failed: {text}") from None


def exists(location: Location) -> bool:
    """Return whether there is a table.

    Raises:
        DestinationError: it cannot be opened.
        Transient: the object store does not answer.
    """
    return _open(location) is not None


def _open(location: Location) -> DeltaTable | None:
    try:
        return opening.find(location)
    except (OSError, DeltaError) as error:
        raise failures.explain(error, f"{location}: cannot read it") from None


def _in_microseconds(column: pa.Array) -> pa.Array:
    """Return a column that Python's own types can hold: `now()` has nanoseconds."""
    kind = column.type
    if pa.types.is_timestamp(kind) and kind.unit == "ns":
        return column.cast(pa.timestamp("us", kind.tz), safe=False)
    if pa.types.is_duration(kind) and kind.unit == "ns":
        return column.cast(pa.duration("us"), safe=False)
    return column


def _meaning(text: str, tables: Mapping[str, Location], missing: list[str]) -> str:
    """Say what is wrong with a query; DataFusion's text quotes only what the user wrote."""
    unknown = _NO_TABLE.search(text)
    if unknown is None:
        text = _PLACE.sub(lambda found: f"at Line: {int(found[1]) - _LINES_BEFORE}", text)
        parsing = _PARSING.fullmatch(text)
        text = text if parsing is None else parsing[1]
        only = any(words in text for words in _NOT_A_QUERY)
        return f"{'only a SELECT can be run' if only else 'the query cannot be run'}: {text}"
    name = unknown["name"]
    if name in missing:
        return f"{tables[name]} does not exist yet: its consumer has written nothing"
    return f"there is no table {name}; tables: {_names(tables)}"


def _names(tables: Mapping[str, Location]) -> str:
    return ", ".join(tables) or "none, since no consumer of type delta_lake is configured"
