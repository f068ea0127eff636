"""`pixstream jobs`: the jobs of the Databricks bundle on this machine."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pixstream.cli.job_pages import Watching, console, left_out_lines, list_page, stopping, summary
from pixstream.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixstream.bundle.definition import Bundle
    from pixstream.bundle.results import JobResult
    from pixstream.cli.main import Root

_EXIT_WRONG = 2
_EXIT_INTERRUPTED = 130

_bundle = click.option(
    "--bundle",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("databricks"),
    show_default=True,
    help="The folder with databricks.yml.",
)
_target = click.option(
    "--target", default="dev", show_default=True, help="Target of the bundle whose values count."
)


@click.group()
def jobs() -> None:
    """List, check and run the jobs of the Databricks bundle, without a workspace."""


@jobs.command("list")
@_bundle
@_target
def list_command(directory: Path, target: str) -> None:
    """Show every job: when it runs, its tasks, their order and what each does.

    \b
    Examples:
      pixstream jobs list
      pixstream jobs list --target prod
    """  # noqa: D301  \b is click's mark
    from pixstream.bundle.bundle import load

    bundle = load(directory, target)
    console().print(list_page(bundle))


@jobs.command("check")
@_bundle
@click.option("--target", help="The only target to check.  [default: every one]")
@click.option(
    "--schema",
    type=click.Path(path_type=Path, dir_okay=False),
    help="JSON schema of bundles, which `databricks bundle schema` prints.",
)
@click.pass_context
def check_command(
    context: click.Context, directory: Path, target: str | None, schema: Path | None
) -> None:
    """Find what is wrong with the bundle before a workspace does.

    \b
    Variables, task keys, parameters, entry points, notebooks, clusters and environments that do
    not exist, and tasks that wait for one another; with --schema also unknown fields and wrong
    types. One line a problem, with file, line and field. Exit code 0, or 2 if there is one.

    \b
    Examples:
      pixstream jobs check
      databricks bundle schema > bundle-schema.json
      pixstream jobs check --schema bundle-schema.json
    """  # noqa: D301
    from pixstream.bundle.checking import check

    report = check(directory, target=target, schema=schema)
    for line in report.problems:
        click.echo(line)
    for line in report.notes:
        click.echo(f"note: {line}")
    if schema is None:
        click.echo("note: without --schema, names and types of fields are not checked")
    checked = ", ".join(report.targets)
    click.echo(f"{len(report.problems)} problems in {directory}, targets {checked}")
    if report.problems:
        context.exit(_EXIT_WRONG)


@jobs.command("run")
@click.argument("name", required=False)
@click.option("--all", "everything", is_flag=True, help="Every job but paused and continuous ones.")
@click.option(
    "--param",
    "parameters",
    multiple=True,
    metavar="NAME=VALUE",
    help="A job parameter; may be repeated.",
)
@_bundle
@_target
@click.option(
    "--max-wait",
    type=click.FloatRange(0),
    default=10.0,
    show_default=True,
    help="Longest wait before a retry, in seconds; the bundle's own may be minutes.",
)
@click.pass_context
def run_command(
    context: click.Context,
    name: str | None,
    everything: bool,
    parameters: tuple[str, ...],
    directory: Path,
    target: str,
    max_wait: float,
) -> None:
    """Run the tasks of job NAME in this process, in the order of the graph.

    \b
    A failed task is tried again as the bundle says and stops only what depends on it. Notebooks,
    and tasks that depend on one, are not run here. The configuration is the root command's: its
    -c, --env and --set replace --config, --env and --set of every task that has a --config.
    SIGTERM and Ctrl-C stop after the running task, a second one in its midst. The last line is
    one JSON object. Exit code 0, 1 if a task failed, 130 after a stop.

    \b
    Examples:
      pixstream jobs run daily --param since=2026-11-23
      pixstream -c data/demo/kafka_config.yaml jobs run --all --max-wait 1
    """  # noqa: D301
    from pixstream.bundle.all_jobs import run_all
    from pixstream.bundle.arguments import Here
    from pixstream.bundle.bundle import load
    from pixstream.bundle.running import Runner

    if everything == (name is not None):
        raise click.UsageError("name one job, or give --all")
    root: Root = context.obj
    bundle = load(directory, target)
    given = _given(parameters)
    here = Here(os.fspath(root.path), root.env, root.overrides)
    left_out: dict[str, str] = {}
    screen = console()
    with stopping() as asked, Watching(screen, bundle) as watching:
        runner = Runner(bundle, here, watching, stopping=asked, max_wait=max_wait)
        if name is None:
            left_out = run_all(runner, bundle, given)
        else:
            runner.run(name, given)
    screen.print("", summary(runner.results), sep="\n")
    for line in left_out_lines(left_out):
        screen.print(line, highlight=False, markup=False)
    click.echo(_as_line(bundle, runner.results, left_out))
    if runner.stopped:
        context.exit(_EXIT_INTERRUPTED)
    if any(result.failed for result in runner.results):
        context.exit(1)


def _given(parameters: tuple[str, ...]) -> dict[str, str]:
    pairs = [text.partition("=") for text in parameters]
    if not all(name and equals for name, equals, _ in pairs):
        raise ConfigError("--param: no name and value; write --param NAME=VALUE")
    return {name: value for name, _, value in pairs}


def _as_line(bundle: Bundle, results: list[JobResult], left_out: Mapping[str, str]) -> str:
    """The result for programs; a job that ran more than once gets a number."""
    told: dict[str, object] = {}
    for result in results:
        runs = sum(key.partition("#")[0] == result.job for key in told)
        told[f"{result.job}#{runs + 1}" if runs else result.job] = {
            "state": result.state,
            "seconds": round(result.seconds, 3),
            "tasks": {
                task.task: {
                    "state": task.state,
                    "attempts": task.attempts,
                    "seconds": round(task.seconds, 3),
                    "reported": task.facts,
                    **({"note": task.note} if task.note else {}),
                }
                for task in result.tasks
            },
        }
    return json.dumps({"jobs": told, "left_out": left_out, "target": bundle.target})
