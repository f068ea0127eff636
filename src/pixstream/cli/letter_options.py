"""What the commands about dead letters share: how letters are chosen, who asks and why."""

from __future__ import annotations

import datetime as dt
import functools
import getpass
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pixstream import audit
from pixstream.dead_letters.letters import STAGES
from pixstream.dead_letters.reading import views
from pixstream.dead_letters.selection import ALL, Selection, choose, moment
from pixstream.dead_letters.state import STATES
from pixstream.errors import ConfigError
from pixstream.identifiers import document_valid, normalise_document
from pixstream.kafka.topics import DLQ

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pixstream.config.settings import Settings
    from pixstream.kafka import Client

_DOCUMENT = re.compile(r"[0-9A-Za-z][0-9A-Za-z./-]{9,17}")


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


def _why(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """It is kept in clear, in the audit log and in Kafka: nobody's document may stand in it."""
    for word in _DOCUMENT.findall(value or ""):
        if document_valid(normalise_document(word)):
            raise click.BadParameter("it holds a CPF or CNPJ; name a ticket", ctx, param)
    return value


def _login() -> str:
    """Who runs this; the user's number where the machine has no name for it."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return f"user {os.getuid()}"


def accounting(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--who` and `--why`."""
    why = click.option("--why", callback=_why, help="Why: a ticket. It goes to the audit log.")
    who = click.option("--who", default=_login, show_default="login name", help="Who does it.")
    return who(why(function))


def account(settings: Settings, action: str, target: str, who: str, why: str | None) -> str:
    """Have it in DATA_DIR/audit.log, on disk, before it happens; the reason.

    Raises:
        UsageError: without a reason.
        PixstreamError: the log cannot be written.
    """
    if not why:
        raise click.UsageError(f"{action} needs --why: it is written to the audit log")
    audit.record(Path(settings.data_dir) / "audit.log", action, target, who, why)
    return why


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
