"""Standard output of the commands: its width, and aligned columns."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

PLAIN_WIDTH = 160
"""Columns of output that does not go to a terminal."""

PLAIN_SECONDS = 5.0
"""Seconds between two lines of progress that does not go to a terminal."""


def output() -> Console:
    """Return standard output: as wide as its terminal, or PLAIN_WIDTH without one."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH)


def print_columns(rows: Sequence[Sequence[str]]) -> None:
    """Print aligned columns, two spaces apart; the last column may itself contain spaces."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())
