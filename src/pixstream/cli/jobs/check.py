"""`pixstream jobs check`."""

from __future__ import annotations

from pathlib import Path

import click

from pixstream.cli.jobs.bundle_options import bundle_option

_EXIT_WRONG = 2


@click.command()
@bundle_option
@click.option("--target", help="Check only this target.  [default: all targets]")
@click.option(
    "--schema",
    type=click.Path(path_type=Path, dir_okay=False),
    help="JSON schema of bundles, as printed by `databricks bundle schema`.",
)
@click.pass_context
def check_command(
    context: click.Context, directory: Path, target: str | None, schema: Path | None
) -> None:
    """Find problems in the bundle before a workspace does.

    \b
    It finds variables, task keys, parameters, entry points, notebooks, clusters and environments
    that do not exist, and circular dependencies of tasks; with --schema, also unknown fields and
    wrong types. It prints one line per problem, with file, line and field. Exit code 0: there are
    no problems; 2: there is at least one.

    \b
    Examples:
      pixstream jobs check
      databricks bundle schema > bundle-schema.json
      pixstream jobs check --schema bundle-schema.json
    """  # noqa: D301  \b keeps click from rewrapping the paragraph
    from pixstream.bundle.checking import check

    report = check(directory, target=target, schema=schema)
    for line in report.problems:
        click.echo(line)
    for line in report.notes:
        click.echo(f"note: {line}")
    if schema is None:
        click.echo("note: without --schema, the names and types of fields are not checked")
    checked = ", ".join(report.targets)
    click.echo(f"{len(report.problems)} problems in {directory}, targets {checked}")
    if report.problems:
        context.exit(_EXIT_WRONG)
