"""Commands that write to the audit log: their options `--who` and `--why`, and the log line."""

from __future__ import annotations

import getpass
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pixstream import audit
from pixstream.event.identifiers import has_document

if TYPE_CHECKING:
    from collections.abc import Callable

    from pixstream.config.settings import Settings


def _why(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """Reject a CPF or CNPJ: the reason is stored in clear, in the audit log and in Kafka."""
    if value and has_document(value):
        raise click.BadParameter(
            "it contains a CPF or CNPJ; give a ticket number instead", ctx, param
        )
    return value


def _login() -> str:
    """Return the login name of the current user, or the user id if there is no name."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return f"user {os.getuid()}"


def audited(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--who` and `--why` to a command."""
    why = click.option(
        "--why", callback=_why, help="The reason, such as a ticket; it is written to the audit log."
    )
    who = click.option(
        "--who", default=_login, show_default="login name", help="Who is doing this."
    )
    return who(why(function))


def log_action(settings: Settings, action: str, target: str, who: str, why: str | None) -> str:
    """Write the action to DATA_DIR/audit.log, synced to disk, before it happens; return `why`.

    Raises:
        UsageError: the reason is missing.
        PixstreamError: the log cannot be written.
    """
    if not why:
        raise click.UsageError(f"{action} needs --why, which is written to the audit log")
    audit.record(Path(settings.data_dir) / "audit.log", action, target, who, why)
    return why
