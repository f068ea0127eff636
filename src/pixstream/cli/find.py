"""`pixstream find`: a person's rows, by pseudonym."""

from __future__ import annotations

import datetime as dt
import itertools
import sys
from typing import TYPE_CHECKING, Any

import click

from pixstream.cli.audited import audited, log_action
from pixstream.cli.moments import moment_option
from pixstream.cli.result_set import ResultSet, print_csv, print_json, print_table
from pixstream.trace.question import RECENT_DAYS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixstream.cli.root import Root
    from pixstream.trace.people import PersonRow

NOTHING = 3
"""The exit code where the person has no row."""

_NAMES = (
    *("event_time", "table", "status", "role", "reais", "revision"),
    *("end_to_end_id", "return_id", "event_id", "record", "file"),
)


@click.command()
@click.argument("arguments", nargs=-1, metavar="")
@click.option("--document", is_flag=True, required=True, help="Ask for a CPF or CNPJ.")
@click.option(
    "--since",
    callback=moment_option,
    default=f"{RECENT_DAYS}d",
    show_default=True,
    metavar="TIME",
    help="Events since this time: 2h or 7d ago, or an ISO time.",
)
@click.option("--until", callback=moment_option, metavar="TIME", help="Events before this time.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "json"]),
    default="table",
    show_default=True,
    help="json prints one object per line.",
)
@audited
@click.pass_obj
def find(
    root: Root,
    arguments: tuple[str, ...],
    *,
    document: bool,
    since: dt.datetime,
    until: dt.datetime | None,
    form: str,
    who: str,
    why: str | None,
) -> int:
    """Find a person's events in the tables of the consumers of type delta_lake, by pseudonym.

    \b
    --document asks for a CPF or CNPJ without showing it, or reads it from a pipe; it is never an
    argument, which would stay in the shell's history. Rows are found where it is the document or
    the Pix key of payer or payee. The privacy keys of the configuration are needed, and only rows
    under the same privacy.key_id are found. --why is needed: the person who asks, the time, the
    reason and the pseudonym are written to DATA_DIR/audit.log before anything is printed.
    Exit code 0: found; 3: no row in these days.
      pixstream find --document --why "request of the data subject, ticket 4711"
      pixstream find --document --since 400d --format csv --why "ticket 4711" < document.txt
    """  # noqa: D301  \b keeps click from rewrapping the paragraph
    from pixstream.lake_tables import traced
    from pixstream.privacy import keys
    from pixstream.trace.people import pseudonym_of, rows_of
    from pixstream.trace.question import AHEAD, spanning

    del document  # there is no other way to name a person yet
    if arguments:
        raise click.UsageError(
            "nothing is searched by an argument: --document asks for the CPF or CNPJ"
        )
    settings = root.load()
    if not why:
        raise click.UsageError("find needs --why, which is written to the audit log")
    pseudonym, _ = keys(settings.privacy)
    person = pseudonym_of(_asked(), pseudonym)
    window = spanning(since, until or dt.datetime.now(dt.UTC) + AHEAD)
    log_action(settings, "find --document", f"person {person}, {window}", who, why)
    rows = (row for table in traced(settings) for row in rows_of(person, table, window))
    first = next(rows, None)
    if first is None:
        click.echo(f"no row of this person, {window}", err=True)
        return NOTHING
    printer = {"table": print_table, "csv": print_csv, "json": print_json}[form]
    printer(ResultSet(_NAMES, _cells(itertools.chain([first], rows))))
    return 0


def _asked() -> str:
    """Return what the person types without echo, or the first line of a pipe."""
    if sys.stdin.isatty():
        text: str = click.prompt("CPF or CNPJ", hide_input=True, err=True)
        return text
    return sys.stdin.readline()


def _cells(rows: Iterator[PersonRow]) -> Iterator[tuple[Any, ...]]:
    for row in rows:
        fact = row.fact
        yield (
            *(fact.event_time, row.table, fact.status, ", ".join(row.roles)),
            *(_reais(fact.amount_centavos), row.revision, fact.end_to_end_id, fact.return_id),
            *(fact.event_id, str(row.place), row.file),
        )


def _reais(centavos: int | None) -> str | None:
    return None if centavos is None else f"{centavos // 100}.{centavos % 100:02}"
