"""`pixstream dead-letters`: find, read, repair and replay what could not go on."""

from __future__ import annotations

import heapq
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import msgspec

from pixstream.cli.accounting import account, accounting
from pixstream.cli.letter_export import export
from pixstream.cli.letter_marks import discard, reopen
from pixstream.cli.letter_options import choosing, state_option
from pixstream.cli.letter_replay import replay
from pixstream.dead_letters import content, views
from pixstream.dead_letters.masking import masked
from pixstream.dead_letters.selection import ALL
from pixstream.dead_letters.state import OPEN, mark_of, state_of, states
from pixstream.errors import PixstreamError
from pixstream.kafka.names import DLQ

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pixstream.cli.main import Root
    from pixstream.dead_letters import LetterView
    from pixstream.dead_letters.selection import Selection

PLAIN_WIDTH = 160
"""Columns where there is no terminal to ask."""


@click.group("dead-letters")
def dead_letters() -> None:
    """Find, read, repair and replay dead letters: records that could not go on, kept whole.

    \b
      pixstream dead-letters list --since 7d
      pixstream dead-letters show 3f2a…
      pixstream dead-letters replay --reason malformed_json --with repair.py --dry-run
    """  # noqa: D301  \b is click's mark for a paragraph to leave alone


for command in (replay, discard, reopen, export):
    dead_letters.add_command(command)


class _Row(NamedTuple):
    """What a list shows of a letter; the content is let go."""

    time: str
    number: int
    letter_id: str
    state: str
    headers: dict[str, str]


@dead_letters.command("list")
@choosing
@state_option
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="Newest N.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table")
@click.pass_obj
def list_(root: Root, *, selection: Selection, state: str, limit: int, form: str) -> None:
    """Print the newest letters and how many there are of each reason; no content.

    \b
    Only open ones, unless --state says otherwise.
      pixstream dead-letters list
      pixstream dead-letters list --from webhook --since 2h
      pixstream dead-letters list --state all --limit 1000 --format json
    """  # noqa: D301  \b is click's mark for a paragraph to leave alone
    settings = root.load()
    client = root.client(settings)
    counts: Counter[str] = Counter()
    chosen = selection._replace(state=state)
    found = _rows(views(client.scan(DLQ)), states(client), chosen, counts)
    rows = heapq.nlargest(limit, found)[::-1]
    if form == "json":
        for row in rows:
            click.echo(msgspec.json.encode({**row.headers, "state": row.state}))
        return
    _table(rows, with_state=state == ALL)
    for reason, count in counts.most_common():
        click.echo(f"{count:>9,}  {reason}")
    click.echo(f"{counts.total():>9,}  letters, {len(rows):,} shown")


def _rows(
    letters: Iterator[LetterView],
    marks: Mapping[bytes, str],
    selection: Selection,
    counts: Counter[str],
) -> Iterator[_Row]:
    for number, letter in enumerate(letters):
        if selection.takes(letter, marks):
            counts[letter.reason] += 1
            time, state = letter.headers.get("time", "?"), state_of(marks, letter)
            yield _Row(time, number, letter.letter_id, state, letter.headers)


def _table(rows: Sequence[_Row], *, with_state: bool) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    table = Table(box=None, pad_edge=False)
    titles = ["letter", "time", "from", "stage", "reason", "message"]
    for title in titles + ["state"] * with_state:
        table.add_column(title, overflow="fold" if title == "message" else "ellipsis")
    for row in rows:
        origin = row.headers.get("source") or row.headers.get("consumer", "?")
        cells = [row.letter_id[:12], row.time[:19], origin]
        cells += [row.headers.get(name, "?") for name in ("stage", "reason", "message")]
        table.add_row(*map(Text, cells + [row.state] * with_state))
    console.print(table)


@dead_letters.command()
@click.argument("letter_id", metavar="ID")
@click.option("--reveal", is_flag=True, help="Print the raw bytes in clear; audited.")
@accounting
@click.pass_obj
def show(root: Root, letter_id: str, *, reveal: bool, who: str, why: str | None) -> None:
    """Print one letter: its headers, what became of it, its content with every value masked.

    \b
    The beginning of its ID is enough. --reveal prints the raw bytes; it needs --why, and who, when
    and why are on disk in DATA_DIR/audit.log before anything is printed.
      pixstream dead-letters show 3f2a…
      pixstream dead-letters show 3f2a… --reveal --why "ticket 4711"
    """  # noqa: D301  \b is click's mark for a paragraph to leave alone
    from pixstream.privacy import keys
    from pixstream.runtime import letters_directory

    settings = root.load()
    if reveal and not why:
        raise click.UsageError("--reveal needs --why: it is written to the audit log")
    client = root.client(settings)
    matches = [x for x in views(client.scan(DLQ)) if x.letter_id.startswith(letter_id)]
    if len(matches) != 1:
        what = "no letter" if not matches else f"{len(matches)} letters"
        raise PixstreamError(f"{what} with an id that starts with {letter_id}")
    letter = matches[0]
    mark = mark_of(client, letter.letter_id)
    _, vault = keys(settings.privacy)
    raw = content(letter, vault, letters_directory(settings))
    facts: dict[str, Any] = {**letter.headers, "state": OPEN}
    if mark is not None:
        facts |= {"state": mark.state, "since": mark.time, "who": mark.who, "why": mark.why}
    for name, text in facts.items():
        click.echo(f"{name:<18} {text}")
    click.echo()
    if not reveal:
        click.echo(masked(raw))
        return
    account(settings, "reveal", letter.letter_id, who, why)
    sys.stdout.flush()
    sys.stdout.buffer.write(raw)
    sys.stdout.buffer.write(b"\n")
