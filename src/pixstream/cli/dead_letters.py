"""`pixstream dead-letters`: list and read what could not go on."""

from __future__ import annotations

import getpass
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from pixstream import audit
from pixstream import dead_letters as letters
from pixstream.errors import PixstreamError
from pixstream.kafka.topics import DLQ
from pixstream.masking import masked
from pixstream.privacy import keys

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixstream.cli.main import Root
    from pixstream.config.settings import Settings
    from pixstream.dead_letters import LetterView


@click.group()
def dead_letters() -> None:
    """List and read dead letters: records that could not go on, kept whole.

    \b
      pixstream dead-letters list
      pixstream dead-letters list --reason malformed_json --format json
      pixstream dead-letters show 3f2a…
    """  # noqa: D301  \b is click's mark for a paragraph to leave alone


@dead_letters.command("list")
@click.option("--reason", help="Only letters with this reason code.")
@click.option("--from", "origin", help="Only letters of this producer or consumer.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="Newest N.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table")
@click.pass_obj
def list_(root: Root, reason: str | None, origin: str | None, limit: int, form: str) -> None:
    """Print the newest letters and how many there are of each reason; no content."""
    found = [
        letter
        for letter in _read(root, root.load())
        if (reason is None or letter.headers.get("reason") == reason)
        and (
            origin is None
            or origin in {letter.headers.get("source"), letter.headers.get("consumer")}
        )
    ]
    if form == "json":
        for letter in found[-limit:]:
            click.echo(msgspec.json.encode(letter.headers))
        return
    _table(found[-limit:])
    for name, count in Counter(x.headers.get("reason", "?") for x in found).most_common():
        click.echo(f"{count:>9,}  {name}")
    click.echo(f"{len(found):>9,}  letters, {min(limit, len(found)):,} shown")


@dead_letters.command()
@click.argument("letter_id")
@click.option("--reveal", is_flag=True, help="Print the raw bytes in clear; audited.")
@click.option("--who", default=None, help="Who reveals; default: the login name.")
@click.option("--why", default=None, help="Why; mandatory with --reveal.")
@click.pass_obj
def show(root: Root, letter_id: str, *, reveal: bool, who: str | None, why: str | None) -> None:
    """Print one letter: its headers, and its content with every value masked.

    \b
    --reveal prints the raw bytes and needs privacy.encryption_key and --why; who, when and why are
    on disk in DATA_DIR/audit.log before anything is printed.
      pixstream dead-letters show 3f2a… --reveal --why "ticket 4711"
    """  # noqa: D301  \b is click's mark for a paragraph to leave alone
    settings = root.load()
    matches = [x for x in _read(root, settings) if x.letter_id.startswith(letter_id)]
    if len(matches) != 1:
        what = "no letter" if not matches else f"{len(matches)} letters"
        raise PixstreamError(f"{what} with an id that starts with {letter_id}")
    letter = matches[0]
    _, vault = keys(settings.privacy)
    if reveal and not why:
        raise click.UsageError("--reveal needs --why: it is written to the audit log")
    raw = letters.content(letter, vault, Path(settings.data_dir) / "letters")
    for name, text in letter.headers.items():
        click.echo(f"{name:<18} {text}")
    click.echo()
    if not reveal:
        click.echo(masked(raw))
        return
    log = Path(settings.data_dir) / "audit.log"
    audit.record(log, "reveal", letter.letter_id, who or getpass.getuser(), why or "")
    sys.stdout.flush()
    sys.stdout.buffer.write(raw)
    sys.stdout.buffer.write(b"\n")


def _read(root: Root, settings: Settings) -> Iterator[LetterView]:
    return letters.views(root.client(settings).scan(DLQ))


def _table(found: list[LetterView]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for title in ("letter", "time", "from", "stage", "reason", "message"):
        table.add_column(title, overflow="fold" if title == "message" else "ellipsis")
    for letter in found:
        head = letter.headers
        origin = head.get("source") or head.get("consumer", "?")
        table.add_row(
            letter.letter_id[:12],
            head.get("time", "?")[:19],
            origin,
            head.get("stage", "?"),
            head.get("reason", "?"),
            head.get("message", "?"),
        )
    Console().print(table)
