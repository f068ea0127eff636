"""A result of named columns, printed as a table, as CSV or as JSON lines."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import msgspec

from pixstream.cli.console import output
from pixstream.logs import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_MARGIN = 2
"""Columns of a terminal between two cells."""


class _Output:
    """Standard output for csv; nothing happens where it is closed."""

    def write(self, line: str) -> None:
        """Print a line that has its end."""
        click.echo(line, nl=False)


class ResultSet(NamedTuple):
    """Rows of plain values; they are read once, while they are printed."""

    names: Sequence[str]
    rows: Iterator[tuple[Any, ...]]


def print_json(result: ResultSet) -> None:
    """Print an object for each row; of columns with one name the second is called NAME_2."""
    names = _distinct(result.names)
    for row in result.rows:
        click.echo(msgspec.json.encode(dict(zip(names, row, strict=True)), enc_hook=str))


def print_csv(result: ResultSet) -> None:
    """Print a header and the rows; null is an empty field, and a list or struct is JSON."""
    writer = csv.writer(_Output(), lineterminator="\n")
    writer.writerow(result.names)
    writer.writerows(map(_text, row) for row in result.rows)


def print_table(result: ResultSet) -> None:
    """Print aligned columns; where they are too wide, a block of lines for each row."""
    from rich.table import Table
    from rich.text import Text

    console = output()
    rows = [[printable(_text(value)) for value in row] for row in result.rows]
    names = list(map(printable, result.names))
    widths = [max(map(len, column)) for column in zip(names, *rows, strict=True)]
    if sum(widths) + _MARGIN * len(widths) > console.width and rows:
        _print_blocks(names, rows)
        return
    table = Table(box=None, pad_edge=False)
    numeric = _numeric(rows)
    for name, is_number in (
        zip(names, numeric, strict=True) if rows else ((n, False) for n in names)
    ):
        table.add_column(Text(name), justify="right" if is_number else "left", no_wrap=True)
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)


def _print_blocks(names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    width = max(map(len, names))
    for number, row in enumerate(rows, 1):
        click.echo(f"row {number:,}")
        for name, text in zip(names, row, strict=True):
            click.echo(f"  {name.ljust(width)}  {text}".rstrip())


def _text(value: Any) -> str:
    """Return a value as text, as JSON writes it; text itself as it is, and null as nothing."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    text = msgspec.json.encode(value, enc_hook=str).decode()
    return text[1:-1] if text.startswith('"') else text


def _numeric(rows: Sequence[Sequence[str]]) -> list[bool]:
    return [all(_is_number(cell) for cell in column) for column in zip(*rows, strict=True)]


def _is_number(text: str) -> bool:
    try:
        float(text or "0")
    except ValueError:
        return False
    return True


def _distinct(names: Sequence[str]) -> list[str]:
    found: list[str] = []
    for name in names:
        again, distinct = 1, name
        while distinct in found:
            again += 1
            distinct = f"{name}_{again}"
        found.append(distinct)
    return found
