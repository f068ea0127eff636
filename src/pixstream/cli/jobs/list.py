"""`pixstream jobs list`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pixstream.cli.console import output
from pixstream.cli.jobs.bundle_options import bundle_option, target_option

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@bundle_option
@target_option
def list_command(directory: Path, target: str) -> None:
    """Show every job: its schedule, its tasks, their order and what each task does.

    \b
    Examples:
      pixstream jobs list
      pixstream jobs list --target prod
    """  # noqa: D301  \b keeps click from rewrapping the paragraph
    from pixstream.bundle.bundle import load
    from pixstream.cli.jobs.pages import list_page

    output().print(list_page(load(directory, target)))
