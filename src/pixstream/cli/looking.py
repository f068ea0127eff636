"""Commands that look once, or again and again: their options, and how a look is shown."""

from __future__ import annotations

import functools
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click
from rich.console import Console
from rich.live import Live

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import RenderableType

T = TypeVar("T")

_PIPE_COLUMNS = 160


class Looking(NamedTuple):
    """What the options say: `interval` in seconds, None to look once; `form` table or json."""

    interval: float | None
    form: str


def looking(seconds: float) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command `--watch`, `--interval` (these seconds) and `--format`; it gets `how`."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @click.option("--watch", is_flag=True, help="Look again and again, until Ctrl-C.")
        @click.option(
            "--interval",
            type=click.FloatRange(min=0.1),
            default=seconds,
            show_default=True,
            help="Seconds between two looks of --watch.",
        )
        @click.option(
            "--format",
            "form",
            type=click.Choice(["table", "json"]),
            default="table",
            show_default=True,
            help="json: one object a look, on one line.",
        )
        @functools.wraps(function)
        def command(*arguments: Any, watch: bool, interval: float, form: str, **others: Any) -> Any:
            how = Looking(interval if watch else None, form)
            return function(*arguments, how=how, **others)

        return command

    return decorate


def show(
    how: Looking,
    look: Callable[[], T],
    *,
    as_json: Callable[[T], bytes],
    page: Callable[[T], RenderableType],
) -> T | None:
    """Look and show until told to end; the last look, None if there was none."""
    console = Console()
    if not console.is_terminal:
        console.width = _PIPE_COLUMNS
    in_place = how.interval is not None and how.form == "table" and console.is_terminal
    last = None
    try:
        with Live(console=console, auto_refresh=False) if in_place else nullcontext() as live:
            while True:
                last = look()
                if how.form == "json":
                    click.echo(as_json(last))
                elif live is not None:
                    live.update(page(last), refresh=True)
                else:
                    console.print(page(last))
                if how.interval is None:
                    break
                time.sleep(how.interval)
    except KeyboardInterrupt:
        click.echo()
    return last
