"""Comparison of Spark's silver tables with the merged tables of the Delta consumer."""

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
"""Time at which a consumer decoded a record: the only column in which the tables may differ."""


def equal(lake: Path, silver: Path) -> bool:
    """Return whether the tables of every category contain the same events.

    Args:
        lake: directory of the Delta consumer's tables.
        silver: directory of Spark's tables.
    """
    return all(
        same(tables.read(lake / category.plural), tables.read(silver / category.plural))
        for category in Category
    )


def same(rows: pa.Table | None, silver: pa.Table | None) -> bool:
    """Return whether silver equals these rows with their revisions merged."""
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
    """Return what must be equal: the sorted rows, and the versions of events with several."""
    rows = rows.sort_by("event_id")
    versions = rows.filter(pc.is_valid(rows[merging.TELLINGS]))[merging.TELLINGS].to_pylist()
    for version in (one for several in versions for one in several):
        del version[INGESTED]
    plain = rows.drop_columns([merging.TELLINGS, INGESTED])
    # Equal by content: Spark's files may declare other columns as nullable.
    return plain.to_pylist(), versions
