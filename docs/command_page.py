"""docs/reference/commands.md: what `--help` of every command says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pixstream.cli.main import cli

if TYPE_CHECKING:
    from collections.abc import Iterator

WIDTH = 96


def build() -> str:
    """The page."""
    head = "# Commands\n\nWhat `--help` says, made by `docs/generate.py`.\n"
    return head + "".join(f"\n## {name}\n\n```\n{text}\n```\n" for name, text in helps())


def helps() -> Iterator[tuple[str, str]]:
    """Name and help text of every command, groups before what they hold."""
    yield from _helps(cli, "pixstream", None)


def _helps(
    command: click.Command, name: str, parent: click.Context | None
) -> Iterator[tuple[str, str]]:
    context = click.Context(
        command, info_name=name.rpartition(" ")[2], parent=parent, max_content_width=WIDTH
    )
    context.terminal_width = WIDTH
    yield name, command.get_help(context)
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            found = command.get_command(context, inner)
            if found is not None:
                yield from _helps(found, f"{name} {inner}", context)
