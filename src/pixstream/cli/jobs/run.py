"""`pixstream jobs run`."""

from __future__ import annotations

import json
import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from pixstream.cli.console import output
from pixstream.cli.jobs.bundle_options import bundle_option, target_option
from pixstream.cli.signals import handling
from pixstream.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from pixstream.bundle.definition import Bundle
    from pixstream.bundle.results import JobResult
    from pixstream.cli.root import Root

_EXIT_INTERRUPTED = 130
_STOPPING = b"stopping after the running task; a second signal interrupts the task\n"


@click.command()
@click.argument("name", required=False)
@click.option(
    "--all", "everything", is_flag=True, help="Run every job except paused and continuous ones."
)
@click.option(
    "--param",
    "parameters",
    multiple=True,
    metavar="NAME=VALUE",
    help="Set a job parameter; repeatable.",
)
@bundle_option
@target_option
@click.option(
    "--max-wait",
    type=click.FloatRange(0),
    default=10.0,
    show_default=True,
    help="Longest wait before a retry, in seconds; caps the bundle's own, which may be minutes.",
)
@click.pass_obj
def run_command(
    root: Root,
    name: str | None,
    everything: bool,
    parameters: tuple[str, ...],
    directory: Path,
    target: str,
    max_wait: float,
) -> None:
    """Run the tasks of job NAME in this process, in the order of the graph.

    \b
    A failed task is retried as the bundle specifies, and stops only the tasks that depend on it.
    Notebooks, and tasks that depend on one, do not run here. The -c, --env and --set of pixstream
    itself replace the --config, --env and --set of every task that has a --config. SIGTERM or
    Ctrl-C stops after the running task; a second one interrupts it. The last line is one JSON
    object. Exit code 0: success; 1: a task failed; 130: stopped by a signal.

    \b
    Examples:
      pixstream jobs run daily --param since=2026-11-23
      pixstream -c data/demo/kafka_config.yaml jobs run --all --max-wait 1
    """  # noqa: D301  \b keeps click from rewrapping the paragraph
    from pixstream.bundle.all_jobs import run_all
    from pixstream.bundle.arguments import LocalContext
    from pixstream.bundle.bundle import load
    from pixstream.bundle.running import Runner
    from pixstream.cli.jobs.pages import JobView, left_out_lines, summary

    context = click.get_current_context()
    if everything == (name is not None):
        raise click.UsageError("give the NAME of one job, or --all")
    bundle = load(directory, target)
    given = _given(parameters)
    here = LocalContext(os.fspath(root.path), root.env, root.overrides)
    left_out: dict[str, str] = {}
    screen = output()
    with _stop_request() as asked, JobView(screen, bundle) as view:
        runner = Runner(bundle, here, view, stopping=asked, max_wait=max_wait)
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


@contextmanager
def _stop_request() -> Iterator[Callable[[], bool]]:
    """Record the first stop signal and report it immediately; a second one interrupts the task."""
    count = 0

    def note(number: int, frame: object) -> None:
        nonlocal count
        count += 1
        if count > 1:
            signal.default_int_handler(number, None)
        del frame
        # Unbuffered: the signal may have arrived while the stream itself was being written.
        os.write(2, _STOPPING)

    with handling(note):
        yield lambda: count > 0


def _given(parameters: tuple[str, ...]) -> dict[str, str]:
    pairs = [text.partition("=") for text in parameters]
    if not all(name and equals for name, equals, _ in pairs):
        raise ConfigError("--param needs a name and a value: write --param NAME=VALUE")
    return {name: value for name, _, value in pairs}


def _as_line(bundle: Bundle, results: list[JobResult], left_out: Mapping[str, str]) -> str:
    """Return the result for programs; further runs of the same job get a number."""
    jobs: dict[str, object] = {}
    for result in results:
        runs = sum(key.partition("#")[0] == result.job for key in jobs)
        jobs[f"{result.job}#{runs + 1}" if runs else result.job] = {
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
    return json.dumps({"jobs": jobs, "left_out": left_out, "target": bundle.target})
