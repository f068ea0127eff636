"""What the commands about dead letters share: how letters are chosen."""

from __future__ import annotations

import datetime as dt
import functools
from typing import TYPE_CHECKING, Any

import click

from pixstream.dead_letters.letters import STAGES
from pixstream.dead_letters.reading import views
from pixstream.dead_letters.selection import ALL, Selection, choose, moment
from pixstream.dead_letters.state import STATES
from pixstream.errors import ConfigError
from pixstream.kafka.names import DLQ

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pixstream.kafka.ports import Client


def _moment(ctx: click.Context, param: click.Parameter, value: str | None) -> dt.datetime | None:
    try:
        return None if value is None else moment(value, dt.datetime.now(dt.UTC))
    except ConfigError as error:
        raise click.BadParameter(str(error), ctx, param) from None


def choosing(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `[ID]…` and the filters; it gets them as `selection`."""

    @click.argument("ids", nargs=-1, metavar="[ID]...")
    @click.option("--reason", help="Only letters with this reason code.")
    @click.option("--from", "component", help="Only letters of this producer or consumer.")
    @click.option("--stage", type=click.Choice(STAGES), help="Only letters that stopped there.")
    @click.option(
        "--since", callback=_moment, metavar="TIME", help="From then on: 2h, 7d, ISO time."
    )
    @click.option("--until", callback=_moment, metavar="TIME", help="Before then.")
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
    help="What became of them.",
)


every_option = click.option(
    "--all", "every", is_flag=True, help="Every one of them, without any filter."
)


def check_named(selection: Selection, *, every: bool) -> None:
    """Refuse to change all letters by an oversight.

    Raises:
        UsageError: neither an id nor a filter nor --all, or --all beside a filter.
    """
    if selection.named == every:
        what = "--all takes no filter" if every else "name letters, a filter, or --all"
        raise click.UsageError(what)


def find(client: Client, selection: Selection, marks: Mapping[bytes, str]) -> set[bytes]:
    """The ids of the letters to do; what is left alone for its state is counted on the way.

    Raises:
        PixstreamError: an id that no letter or more than one begins with.
    """
    chosen = choose(views(client.scan(DLQ)), marks, selection)
    for state, count in chosen.otherwise.items():
        click.echo(f"{count:>9,}  {state}, left alone", err=True)
    if not chosen.ids:
        click.echo(f"{0:>9,}  {selection.state} letters to do", err=True)
    return chosen.ids
