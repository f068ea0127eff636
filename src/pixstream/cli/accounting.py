"""Who does what and why: the options of every audited command, and their line in the audit log."""

from __future__ import annotations

import getpass
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pixstream import audit
from pixstream.event.identifiers import document_valid, normalise_document

if TYPE_CHECKING:
    from collections.abc import Callable

    from pixstream.config.settings import Settings

_DOCUMENT = re.compile(r"[0-9A-Za-z][0-9A-Za-z./-]{9,17}")


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
