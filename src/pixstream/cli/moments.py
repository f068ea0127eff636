"""Options that take a time: `2h` or `7d` ago, or an ISO time."""

from __future__ import annotations

import datetime as dt

import click

from pixstream.dead_letters.selection import moment
from pixstream.errors import ConfigError


def moment_option(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> dt.datetime | None:
    """Return the time of an option, UTC, as the option's callback.

    Raises:
        BadParameter: it is not a time.
    """
    try:
        return None if value is None else moment(value, dt.datetime.now(dt.UTC))
    except ConfigError as error:
        raise click.BadParameter(str(error), ctx, param) from None
