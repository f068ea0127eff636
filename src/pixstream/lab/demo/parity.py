"""Compares Spark's silver tables with what the Delta consumer's tables come to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from pixstream.columns import merging
from pixstream.columns.schema import EVENT_SCHEMA
from pixstream.event.categories import Category
from pixstream.lab.demo import tables

if TYPE_CHECKING:
    from pathlib import Path

INGESTED = "_ingested_at"
"""When a consumer decoded a record: the one column in which the two may differ."""


def equal(lake: Path, silver: Path) -> bool:
    """Tell whether the tables of every category hold the same events.

    Args:
        lake: directory of the Delta consumer's tables.
        silver: directory of Spark's.
    """
    return all(
        same(tables.read(lake / category.plural), tables.read(silver / category.plural))
        for category in Category
    )


def same(rows: pa.Table | None, silver: pa.Table | None) -> bool:
    """Tell whether silver is what these rows, revisions merged, come to."""
    wanted = merging.merged(EVENT_SCHEMA.empty_table() if rows is None else _cast(rows))
    if silver is None:
        return bool(wanted.num_rows == 0)
    found = silver.select(wanted.column_names)
    if wanted.num_rows != found.num_rows:
        return False
    return bool(_facts(wanted) == _facts(found))


def _cast(rows: pa.Table) -> pa.Table:
    return rows.select(EVENT_SCHEMA.names).cast(EVENT_SCHEMA)


def _facts(rows: pa.Table) -> tuple[Any, Any]:
    """What must be equal: columns in one order, and the tellings of the few that have several."""
    rows = rows.sort_by("event_id")
    told = rows.filter(pc.is_valid(rows[merging.TELLINGS]))[merging.TELLINGS].to_pylist()
    for telling in (one for several in told for one in several):
        del telling[INGESTED]
    plain = rows.drop_columns([merging.TELLINGS, INGESTED])
    # Equal by content: Spark's files may say otherwise which columns can be null.
    return plain.to_pylist(), told
