"""`pixstream dead-letters list`."""

from __future__ import annotations

import datetime as dt
import heapq
from collections import Counter, deque
from typing import TYPE_CHECKING, NamedTuple

import click
import msgspec

from pixstream.cli.console import output
from pixstream.cli.dead_letters.selection import selecting, state_option
from pixstream.dead_letters import views
from pixstream.dead_letters.selection import ALL
from pixstream.dead_letters.state import state_of, states
from pixstream.kafka.names import DLQ
from pixstream.wording import noun

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pixstream.cli.root import Root
    from pixstream.dead_letters import LetterView
    from pixstream.dead_letters.selection import Selection


class _Row(NamedTuple):
    """A row of the list, without the letter's content."""

    time: str
    number: int
    letter_id: str
    state: str
    headers: dict[str, str]


@click.command()
@selecting
@state_option
@click.option(
    "--limit", type=click.IntRange(1), default=50, show_default=True, help="Show only the newest."
)
@click.option("--count", "only_count", is_flag=True, help="Only count the letters by reason.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="json prints one object per line; with --count one object.",
)
@click.pass_obj
def list_command(
    root: Root, *, selection: Selection, state: str, limit: int, only_count: bool, form: str
) -> None:
    """Print the newest letters, without their content, and the number of letters by reason.

    \b
    Only open letters are listed unless --state selects others.
      pixstream dead-letters list
      pixstream dead-letters list --from webhook --since 2h
      pixstream dead-letters list --count
      pixstream dead-letters list --state all --limit 1000 --format json
    """  # noqa: D301  \b keeps click from rewrapping the paragraph
    settings = root.load()
    client = root.client(settings)
    counts: Counter[str] = Counter()
    chosen = selection._replace(state=state)
    found = _rows(views(client.scan(DLQ)), states(client), chosen, counts)
    rows = heapq.nlargest(0 if only_count else limit, found)[::-1]
    if only_count:
        deque(found, maxlen=0)  # `nlargest` of none takes none
    if form == "json" and only_count:
        sums = {"reasons": dict(counts.most_common()), "total": counts.total()}
        click.echo(msgspec.json.encode(sums))
        return
    if form == "json":
        for row in rows:
            click.echo(msgspec.json.encode({**row.headers, "state": row.state}))
        return
    if not only_count:
        _table(rows, with_state=state == ALL)
    total = counts.total()
    for reason, count in counts.most_common():
        click.echo(f"{count:>9,}  {reason}")
    shown = "" if only_count else f", {len(rows):,} shown"
    click.echo(f"{total:>9,}  {noun(total, 'letter')}{shown}")


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


def _time(text: str) -> str:
    """Return the time of a letter in UTC, to the second; any other text as it is."""
    try:
        time = dt.datetime.fromisoformat(text)
    except ValueError:
        return text
    utc = time.astimezone(dt.UTC) if time.tzinfo else time.replace(tzinfo=dt.UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}Z"


def _table(rows: Sequence[_Row], *, with_state: bool) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    titles = ["letter", "time", "from", "stage", "reason", "message"]
    for title in titles + ["state"] * with_state:
        table.add_column(title, overflow="fold" if title == "message" else "ellipsis")
    for row in rows:
        origin = row.headers.get("source") or row.headers.get("consumer", "?")
        cells = [row.letter_id[:12], _time(row.time), origin]
        cells += [row.headers.get(name, "?") for name in ("stage", "reason", "message")]
        table.add_row(*map(Text, cells + [row.state] * with_state))
    output().print(table)
