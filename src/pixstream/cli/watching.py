"""Commands with `--watch`: their options, and the display of one or repeated results."""

from __future__ import annotations

import functools
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from pixstream.cli.console import output

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import RenderableType

T = TypeVar("T")


class Watch(NamedTuple):
    """The options: `interval` in seconds, None for a single result; `form` is table or json."""

    interval: float | None
    form: str


def watchable(seconds: float) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add `--watch`, `--interval` and `--format` to a command, which receives them as `how`.

    Args:
        seconds: the default of `--interval`.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @click.option("--watch", is_flag=True, help="Refresh until Ctrl-C.")
        @click.option(
            "--interval",
            type=click.FloatRange(min=0.1),
            default=seconds,
            show_default=True,
            help="Seconds between refreshes with --watch.",
        )
        @click.option(
            "--format",
            "form",
            type=click.Choice(["table", "json"]),
            default="table",
            show_default=True,
            help="json prints one object per refresh, each on one line.",
        )
        @functools.wraps(function)
        def command(*arguments: Any, watch: bool, interval: float, form: str, **others: Any) -> Any:
            how = Watch(interval if watch else None, form)
            return function(*arguments, how=how, **others)

        return command

    return decorate


def watch(
    how: Watch,
    look: Callable[[], T],
    *,
    as_json: Callable[[T], bytes],
    page: Callable[[T], RenderableType],
) -> T | None:
    """Call `look` and show its result, once or until interrupted; return the last, if any."""
    from rich.live import Live

    console = output()
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
