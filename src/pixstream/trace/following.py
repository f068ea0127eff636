"""Why a table has no row of a record: read again, waiting, a dead letter, or for another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixstream.dead_letters import REPLAY_FOR
from pixstream.trace.facts import Absence

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pixstream.trace.answer import Life
    from pixstream.trace.facts import Arrival
    from pixstream.trace.question import Place
    from pixstream.trace.tables import Table


def note_absences(
    life: Life, tables: Sequence[Table], next_offset: Callable[[Table, Place], int | None]
) -> None:
    """Say for each record in Kafka, and each table of its topic without it, why that is so.

    Args:
        life: with all its arrivals and letters.
        tables: that may hold it.
        next_offset: which offset a table expects of the partition of a place.
    """
    for arrival in life.arrivals.values():
        if arrival.record is None:
            continue
        for table in tables:
            having = {row.table for row in arrival.rows}
            if table.category.topic == arrival.place.topic and table.name not in having:
                arrival.absences.append(_absence(arrival, table, life, next_offset))


def _absence(
    arrival: Arrival,
    table: Table,
    life: Life,
    next_offset: Callable[[Table, Place], int | None],
) -> Absence:
    lettered = any(
        letter.origin == arrival.place and letter.view.component == table.consumer
        for letter in life.letters.values()
    )
    if lettered:
        return Absence(table=table.name, consumer=table.consumer, why="dead_letter")
    if arrival.headers.get(REPLAY_FOR, table.consumer) != table.consumer:
        return Absence(table=table.name, consumer=table.consumer, why="for_another")
    expected = next_offset(table, arrival.place)
    if expected is None:
        return Absence(table=table.name, consumer=table.consumer, why="not_fed")
    behind = arrival.place.offset - expected + 1
    if behind > 0:
        return Absence(table=table.name, consumer=table.consumer, why="waiting", behind=behind)
    return Absence(table=table.name, consumer=table.consumer, why="adds_nothing")
