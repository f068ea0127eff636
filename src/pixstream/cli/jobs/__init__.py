"""`pixstream jobs`: run the jobs of the Databricks bundle on this machine."""

import click

from pixstream.cli.jobs.check import check_command
from pixstream.cli.jobs.list import list_command
from pixstream.cli.jobs.run import run_command


@click.group()
def jobs() -> None:
    """List, check and run the jobs of the Databricks bundle without a workspace.

    \b
    Examples:
      pixstream jobs list
      pixstream jobs run daily
    """  # noqa: D301  \b keeps click from rewrapping the paragraph


jobs.add_command(list_command)
jobs.add_command(check_command)
jobs.add_command(run_command)
