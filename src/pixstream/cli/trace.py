"""`pixstream trace`: one payment's life as a timeline."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import click
import msgspec

from pixstream.cli.audited import audited, log_action
from pixstream.cli.console import output
from pixstream.cli.moments import moment_option
from pixstream.errors import PixstreamError
from pixstream.logs import printable
from pixstream.trace.question import DAYS, RECENT_DAYS, understand
from pixstream.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pixstream.cli.root import Root
    from pixstream.config.settings import Settings
    from pixstream.privacy import Vault
    from pixstream.trace.answer import Answer
    from pixstream.trace.ground import Sources
    from pixstream.trace.timeline import Step

FOUND, INCOMPLETE, NOTHING = 0, 1, 3
"""The exit codes: found; a place could not be searched; nothing there."""

_STYLES = {
    "letter": "red",
    "mark": "yellow",
    "delta": "green",
    "kafka": "cyan",
    "revealed": "bold red",
}


@click.command()
@click.argument("identifier", metavar="ID")
@click.option(
    "--days",
    type=click.IntRange(0, 3660),
    show_default=str(DAYS),
    help="Days to search before and after the day in the identifier.",
)
@click.option(
    "--since",
    callback=moment_option,
    metavar="TIME",
    help=f"Search from this time on: 2h or 7d ago, or an ISO time. Default for an ID without a "
    f"date in it: {RECENT_DAYS}d.",
)
@click.option("--until", callback=moment_option, metavar="TIME", help="Search before this time.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="json prints one object.",
)
@click.option("--reveal", is_flag=True, help="Print the sealed fields in clear; audited.")
@audited
@click.pass_obj
def trace(
    root: Root,
    identifier: str,
    *,
    days: int | None,
    since: dt.datetime | None,
    until: dt.datetime | None,
    form: str,
    reveal: bool,
    who: str,
    why: str | None,
) -> int:
    """Tell one payment's life: who told it, where it is in Kafka, in which rows, what failed.

    \b
    ID is an EndToEndId, an RtrId, a txid, an event_id, the id of a dead letter (or its first six
    characters or more), or topic/partition/offset. Searched are the tables of the consumers of
    type delta_lake, the topics of events, and the dead letters; nothing has to be indexed for it.
    An EndToEndId or RtrId says its day, so only the days around it are searched, in the key's own
    partition of each topic; returns are searched for 90 days more. Dead letters are opened in
    memory to look for the ID in them, which needs the privacy keys; nothing of them is printed.
    --reveal prints what is sealed in the events and in the headers of dead letters. It needs
    --why: the person, the time and the reason are written to DATA_DIR/audit.log before.
    Exit code 0: found; 3: nothing found, in all places that are printed; 1: a place could not be
    searched, so something may be missing.
      pixstream trace E9999900420261124120000a1b2c3d4
      pixstream trace pix.pagamentos/2/81233
      pixstream trace 3f2a91c04d --format json | jq '.payments[].steps[] | [.time, .step, .text]'
      pixstream trace order-4711-2026 --since 90d
      pixstream trace E9999900420261124120000a1b2c3d4 --reveal --why "ticket 4711"
    """  # noqa: D301  \b keeps click from rewrapping the paragraph
    from pixstream.privacy import keys
    from pixstream.trace.document import as_document
    from pixstream.trace.search import answer

    question = understand(identifier)._replace(days=days, since=since, until=until)
    settings = root.load()
    sources = _sources(root, settings)
    opener = None
    if reveal:
        _, opener = keys(settings.privacy)
        log_action(settings, "trace --reveal", identifier, who, why)
    found = answer(question, sources, dt.datetime.now(dt.UTC))
    if form == "json":
        click.echo(msgspec.json.encode(as_document(found, opener)))
    else:
        _print_text(found, opener)
    if found.problems:
        return INCOMPLETE
    return FOUND if found.found else NOTHING


def _sources(root: Root, settings: Settings) -> Sources:
    from pixstream.lake_tables import trace_sources

    try:
        client = root.client(settings)
    except PixstreamError as error:
        return trace_sources(settings, None, str(error))
    return trace_sources(settings, client)


def _print_text(found: Answer, reveal: Vault | None) -> None:
    from pixstream.trace.timeline import of_letter, timeline

    for life in found.lives:
        click.echo(f"payment {life.payment}")
        _print_steps(timeline(life, reveal))
        click.echo()
    for letter, names in found.letters:
        click.echo(f"dead letter {letter.view.letter_id}: {_about(names)}")
        _print_steps([*of_letter(letter, reveal)])
        click.echo()
    if found.more:
        click.echo(f"{counted(len(found.more), 'more payment')}: {' '.join(found.more)}\n")
    if not found.found:
        click.echo(f"nothing found of {found.question.text} ({found.question.kind.value})")
    for where, when, note in found.looked:
        click.echo(f"looked in {where}, {when}{f': {note}' if note else ''}", err=True)
    for problem in found.problems:
        click.echo(f"NOT searched: {problem}", err=True)


def _about(names: Sequence[str]) -> str:
    if not names:
        return "no payment is named in it, or it cannot be opened"
    most = 10
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return f"{counted(len(names), 'payment')} in it: {' '.join(names[:most])}{more}"


def _print_steps(steps: Sequence[Step]) -> None:
    """Print a line for each step; in a terminal, long ones are folded into their column."""
    console = output()
    lines = [line for step in steps for line in _lines(step)]
    if not console.is_terminal:
        for time, kind, text in lines:
            click.echo(f"{time:<24}  {kind:<8}  {text}")
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_header=False)
    for no_wrap in (True, True, False):
        table.add_column(no_wrap=no_wrap, overflow="fold")
    for time, kind, text in lines:
        table.add_row(Text(time), Text(kind, _STYLES.get(kind, "")), Text(text))
    console.print(table)


def _lines(step: Step) -> Iterator[tuple[str, str, str]]:
    time = f"{step.time:%Y-%m-%d %H:%M:%S.%f}"[:-3] + "Z" if step.time else "?"
    yield time, step.step, printable(step.text)
    if step.revealed is not None:
        yield "", "revealed", printable(msgspec.json.encode(step.revealed).decode())
