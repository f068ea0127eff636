"""The options that select a Databricks bundle and one of its targets."""

from pathlib import Path

import click

bundle_option = click.option(
    "--bundle",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("databricks"),
    show_default=True,
    help="Folder that contains databricks.yml.",
)
target_option = click.option(
    "--target", default="dev", show_default=True, help="Target of the bundle whose values apply."
)
