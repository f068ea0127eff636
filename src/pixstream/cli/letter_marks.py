"""`pixstream dead-letters discard` and `reopen`: a decision about letters, and its undo."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pixstream.cli.accounting import account, accounting
from pixstream.cli.letter_options import check_named, choosing, every_option, find
from pixstream.dead_letters.replay_transaction import Desk
from pixstream.dead_letters.state import DISCARDED, OPEN

if TYPE_CHECKING:
    from pixstream.cli.main import Root
    from pixstream.dead_letters.selection import Selection


@click.command()
@choosing
@every_option
@accounting
@click.pass_obj
def discard(root: Root, *, selection: Selection, every: bool, who: str, why: str | None) -> None:
    """Decide that open letters are no events; they are kept, and no longer listed as open.

    \b
      pixstream dead-letters discard --reason charge_not_pix --why "ticket 4711: charges only"
    """  # noqa: D301  \b is click's mark for a paragraph to leave alone
    check_named(selection, every=every)
    _mark(root, "discard", selection, DISCARDED, who, why)


@click.command()
@choosing
@every_option
@accounting
@click.pass_obj
def reopen(root: Root, *, selection: Selection, every: bool, who: str, why: str | None) -> None:
    """Open discarded letters again; what was replayed stays replayed.

    \b
      pixstream dead-letters reopen 3f2a… --why "ticket 4712: it was a Pix"
    """  # noqa: D301  \b is click's mark for a paragraph to leave alone
    check_named(selection, every=every)
    _mark(root, "reopen", selection._replace(state=DISCARDED), OPEN, who, why)


def _mark(
    root: Root, verb: str, selection: Selection, state: str, who: str, why: str | None
) -> None:
    """Give every chosen letter its new state."""
    if not why:
        raise click.UsageError(f"{verb} needs --why: it is written to the audit log")
    settings = root.load()
    client = root.client(settings)
    with Desk(client, settings.retry, who=who, why=why) as desk:
        ids = find(client, selection, desk.states)
        if not ids:
            return
        account(settings, verb, f"{selection} ({len(ids)} letters)", who, why)
        for letter_id in sorted(ids):
            desk.put(letter_id.hex(), None if state == OPEN else state)
        desk.flush()
        click.echo(f"{desk.counts['letters']:>9,}  {state} now")
