"""`pixstream dead-letters discard` and `reopen`: discard letters, and undo it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pixstream.cli.audited import audited, log_action
from pixstream.cli.dead_letters.selection import check_named, every_option, find, selecting
from pixstream.dead_letters.replay_transaction import ReplayTransaction
from pixstream.dead_letters.state import DISCARDED, OPEN
from pixstream.wording import counted

if TYPE_CHECKING:
    from pixstream.cli.root import Root
    from pixstream.dead_letters.selection import Selection


@click.command()
@selecting
@every_option
@audited
@click.pass_obj
def discard_command(
    root: Root, *, selection: Selection, every: bool, who: str, why: str | None
) -> None:
    """Mark open letters as discarded; they are kept but no longer listed as open.

    \b
    Example:
      pixstream dead-letters discard --reason charge_not_pix --why "ticket 4711: charges only"
    """  # noqa: D301  \b keeps click from rewrapping the paragraph
    check_named(selection, every=every)
    _mark(root, "discard", selection, DISCARDED, who, why)


@click.command()
@selecting
@every_option
@audited
@click.pass_obj
def reopen_command(
    root: Root, *, selection: Selection, every: bool, who: str, why: str | None
) -> None:
    """Reopen discarded letters; replayed letters stay replayed.

    \b
    Example:
      pixstream dead-letters reopen 3f2a… --why "ticket 4712: it was a Pix"
    """  # noqa: D301  \b keeps click from rewrapping the paragraph
    check_named(selection, every=every)
    _mark(root, "reopen", selection._replace(state=DISCARDED), OPEN, who, why)


def _mark(
    root: Root, verb: str, selection: Selection, state: str, who: str, why: str | None
) -> None:
    """Set the new state of every selected letter."""
    if not why:
        raise click.UsageError(f"{verb} needs --why, which is written to the audit log")
    settings = root.load()
    client = root.client(settings)
    with ReplayTransaction(client, settings.retry, who=who, why=why) as transaction:
        ids = find(client, selection, transaction.states)
        if not ids:
            return
        log_action(settings, verb, f"{selection} ({counted(len(ids), 'letter')})", who, why)
        for letter_id in sorted(ids):
            transaction.put(letter_id.hex(), None if state == OPEN else state)
        transaction.flush()
        click.echo(f"{transaction.counts['letters']:>9,}  now {state}")
