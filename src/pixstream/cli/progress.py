"""Progress of a command: a bar on a terminal, otherwise a plain line every few seconds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self

import click

from pixstream.cli.console import PLAIN_SECONDS

if TYPE_CHECKING:
    from rich.progress import Progress as Bar


class Progress:
    """A progress display on standard error, which leaves standard output to the command.

    Args:
        what: the name of the counted things.
        total: their number.
        shown: False draws nothing, because the command's own output is on the screen.
    """

    def __init__(self, what: str, total: int, *, shown: bool = True) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )
        from rich.progress import Progress as Bar

        self._what, self._total, self._shown = what, total, shown
        console = Console(stderr=True)
        self._bar: Bar | None = None
        if shown and console.is_terminal:
            columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
            words = TextColumn("{task.description}")
            self._bar = Bar(words, *columns, TimeRemainingColumn(), console=console)
            self._task = self._bar.add_task(what, total=total)
        self._spoke = time.monotonic()

    def __enter__(self) -> Self:
        """Start drawing if standard error is a terminal."""
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop drawing; the last state stays on the screen."""
        if self._bar is not None:
            self._bar.stop()

    def at(self, done: int) -> None:
        """Show that `done` of the total are done."""
        if self._bar is not None:
            self._bar.update(self._task, completed=done)
        elif self._shown and time.monotonic() - self._spoke >= PLAIN_SECONDS:
            self._spoke = time.monotonic()
            click.echo(f"{self._what}: {done:,} of {self._total:,}", err=True)
