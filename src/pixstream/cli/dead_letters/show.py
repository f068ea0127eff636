"""`pixstream dead-letters show`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from pixstream.cli.audited import audited, log_action
from pixstream.dead_letters import content, unmasked, views
from pixstream.dead_letters.state import OPEN, mark_of
from pixstream.errors import PixstreamError
from pixstream.kafka.names import DLQ
from pixstream.wording import counted

if TYPE_CHECKING:
    from pixstream.cli.root import Root


@click.command()
@click.argument("letter_id", metavar="ID")
@click.option("--reveal", is_flag=True, help="Print headers and raw bytes in clear; audited.")
@audited
@click.pass_obj
def show_command(root: Root, letter_id: str, *, reveal: bool, who: str, why: str | None) -> None:
    """Print one letter: its headers, its state, and its content with every value masked.

    \b
    A unique prefix of the ID is enough. --reveal prints the raw bytes and needs --why: the person,
    the time and the reason are written to DATA_DIR/audit.log, synced to disk, before anything is
    printed.
      pixstream dead-letters show 3f2a…
      pixstream dead-letters show 3f2a… --reveal --why "ticket 4711"
    """  # noqa: D301  \b keeps click from rewrapping the paragraph
    from pixstream.dead_letters.masking import masked
    from pixstream.privacy import keys
    from pixstream.runtime import letters_directory

    settings = root.load()
    if reveal and not why:
        raise click.UsageError("--reveal needs --why, which is written to the audit log")
    client = root.client(settings)
    matches = [x for x in views(client.scan(DLQ)) if x.letter_id.startswith(letter_id)]
    if len(matches) != 1:
        what = counted(len(matches), "letter") if matches else "no letter"
        raise PixstreamError(f"{what} with an id that starts with {letter_id}")
    letter = matches[0]
    mark = mark_of(client, letter.letter_id)
    _, vault = keys(settings.privacy)
    raw = content(letter, vault, letters_directory(settings))
    if reveal:
        log_action(settings, "reveal", letter.letter_id, who, why)
        letter = unmasked(letter, vault)
    facts: dict[str, Any] = {**letter.headers, "state": OPEN}
    if mark is not None:
        facts |= {"state": mark.state, "since": mark.time, "who": mark.who, "why": mark.why}
    for name, text in facts.items():
        click.echo(f"{name:<18} {text}")
    click.echo()
    if not reveal:
        click.echo(masked(raw))
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(raw)
    sys.stdout.buffer.write(b"\n")
