"""The selection of dead letters for a command: its options, and the search."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import click

from pixstream.cli.moments import moment_option
from pixstream.dead_letters.letters import STAGES
from pixstream.dead_letters.reading import views
from pixstream.dead_letters.selection import ALL, Selection, choose
from pixstream.dead_letters.state import STATES
from pixstream.kafka.names import DLQ

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping

    from pixstream.kafka.ports import Client


def selecting(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `[ID]…` and the filters to a command, which receives them as `selection`."""

    @click.argument("ids", nargs=-1, metavar="[ID]...")
    @click.option("--reason", help="Only letters with this reason code.")
    @click.option("--from", "component", help="Only letters of this producer or consumer.")
    @click.option(
        "--stage", type=click.Choice(STAGES), help="Only letters that failed at this stage."
    )
    @click.option(
        "--since",
        callback=moment_option,
        metavar="TIME",
        help="Only letters since this time: 2h or 7d ago, or an ISO time.",
    )
    @click.option(
        "--until", callback=moment_option, metavar="TIME", help="Only letters before this time."
    )
    @functools.wraps(function)
    def command(
        *arguments: Any,
        ids: tuple[str, ...],
        reason: str | None,
        component: str | None,
        stage: str | None,
        since: dt.datetime | None,
        until: dt.datetime | None,
        **others: Any,
    ) -> Any:
        selection = Selection(ids, reason, component, stage, since, until)
        return function(*arguments, selection=selection, **others)

    return command


state_option = click.option(
    "--state",
    type=click.Choice([*STATES, ALL]),
    default=STATES[0],
    show_default=True,
    help="Only letters in this state.",
)


every_option = click.option(
    "--all", "every", is_flag=True, help="Select every letter; takes no filter."
)


def check_named(selection: Selection, *, every: bool) -> None:
    """Refuse to change all letters by accident.

    Raises:
        UsageError: there is neither an id nor a filter nor --all, or --all with a filter.
    """
    if selection.named == every:
        what = "--all takes no filter" if every else "give letter ids, a filter, or --all"
        raise click.UsageError(what)


def find(client: Client, selection: Selection, marks: Mapping[bytes, str]) -> set[bytes]:
    """Return the ids of the selected letters; print how many were skipped because of their state.

    Raises:
        PixstreamError: an id prefix matches no letter, or more than one.
    """
    chosen = choose(views(client.scan(DLQ)), marks, selection)
    for state, count in chosen.otherwise.items():
        click.echo(f"{count:>9,}  {state}, skipped", err=True)
    if not chosen.ids:
        click.echo(f"{0:>9,}  {selection.state} letters selected", err=True)
    return chosen.ids
