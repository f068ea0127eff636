"""`pixstream query`: read-only SQL over the Delta tables of the configuration."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import click

from pixstream.cli.result_set import ResultSet, print_csv, print_json, print_table

if TYPE_CHECKING:
    from pixstream.cli.root import Root
    from pixstream.lake.location import Location

PRINTERS = {"table": print_table, "csv": print_csv, "json": print_json}


@click.command()
@click.argument("sql", required=False)
@click.option(
    "--format",
    "form",
    type=click.Choice(list(PRINTERS)),
    default="table",
    show_default=True,
    help="table shows a row as a block of lines where it is too wide; csv has a header; json "
    "prints one object per line.",
)
@click.option(
    "--limit",
    type=click.IntRange(0),
    default=100,
    show_default=True,
    help="Print at most this many rows, and say if there are more; 0: all.",
)
@click.pass_obj
def query(root: Root, sql: str | None, form: str, limit: int) -> None:
    """Answer a SELECT over the tables of the consumers of type delta_lake; without SQL list them.

    \b
    The tables are pagamentos, recebimentos and estornos; docs/reference/event.md has the columns.
    Where several consumers have one of these tables, its name is CONSUMER_pagamentos, with _ for
    every - in the consumer's name. The dialect is Apache DataFusion's; nothing can be written, and
    a run may go on meanwhile. Amounts are centavos, times are UTC. Exit code 1: the SQL is wrong,
    or a table cannot be read.
      pixstream query
      pixstream query "DESCRIBE pagamentos"
      pixstream query "SELECT event_date, count(*), sum(amount_centavos) / 100.0 AS reais
                       FROM recebimentos WHERE status = 'settled' GROUP BY 1 ORDER BY 1"
      pixstream query --format csv --limit 0 "SELECT * FROM estornos" > estornos.csv
    """  # noqa: D301  \b keeps click from rewrapping the paragraph
    from pixstream.lake_tables import lakes, named

    tables = named(lakes(root.load()))
    if sql is None:
        PRINTERS[form](_list(tables))
        return
    from pixstream.lake import query as lake_query

    reader = lake_query.select(tables, sql)
    rows = lake_query.rows(reader)
    shown = itertools.islice(rows, limit) if limit else rows
    PRINTERS[form](ResultSet(reader.schema.names, shown))
    if limit and next(rows, None) is not None:
        click.echo(f"there are more rows than {limit:,}; --limit 0 prints them all", err=True)


def _list(tables: dict[str, Location]) -> ResultSet:
    from pixstream.lake import query as lake_query

    rows = [(name, lake_query.exists(place), place.uri) for name, place in tables.items()]
    return ResultSet(["table", "exists", "uri"], iter(rows))
