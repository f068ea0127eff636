"""`pixstream chaos`: break everything on purpose, and prove that nothing was lost or doubled."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console

    from pixstream.lab.chaos.run import Run

PLAIN_WIDTH = 160
"""Columns where there is no terminal to ask."""

PLAIN_SECONDS = 5.0
"""A line of progress for so many seconds, where there is no terminal."""


@click.command()
@click.option("--events", type=click.IntRange(100), default=20_000, show_default=True)
@click.option(
    "--minutes",
    type=click.FloatRange(0.1),
    default=3.0,
    show_default=True,
    help="How long faults strike; start, settling and reading everything come on top.",
)
@click.option("--seed", type=int, default=7, show_default=True, help="Of facts and strikes.")
@click.option(
    "--client",
    type=click.Choice(["confluent", "kafka-python"]),
    default=None,
    help="Kafka client library of every component; default: by the seed, odd ones confluent.",
)
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("data/chaos"),
    show_default=True,
    help="Emptied first; keeps configuration, letters, tables and logs for a look afterwards.",
)
def chaos(events: int, minutes: float, seed: int, client: str | None, directory: Path) -> int:
    """Kill, stop, cut, fill and poison a running pipeline, then compare every row.

    \b
    Numbered facts with a payload that follows from their number go to every kind of source. Faults
    strike producers, consumers, supervisor, broker, connections and the tables' disk. Afterwards
    every acknowledged fact must stand exactly once in its table, or as a dead letter, unaltered.
    The last line is one JSON object; exit 0 only if lost, duplicates, unknown and altered are 0,
    a new fact passes in good time, SIGTERM ends everything with 0, the supervisor never ended by
    itself, and no component ended by an error that nobody foresaw.
      pixstream chaos --events 1000000 --minutes 30 --seed 7
    """  # noqa: D301  \b is click's mark for a paragraph to leave alone
    import msgspec
    from rich.console import Console

    from pixstream.cli.broker import fetching
    from pixstream.cli.run import stop_signals
    from pixstream.lab.broker.jars import BROKER_JARS
    from pixstream.lab.chaos.run import Run
    from pixstream.lab.chaos.site import Site
    from pixstream.lab.chaos.storm import Weather

    console = Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    with fetching() as progress:
        BROKER_JARS.ensure(progress)
    chosen = client or ("confluent" if seed % 2 else "kafka-python")

    def say(text: str) -> None:
        console.print(text, highlight=False)

    with stop_signals() as interrupted, _view(console) as show:
        run = Run(
            Site(directory, chosen, events),
            Weather(events, minutes * 60, seed),
            say=say,
            show=show,
            interrupted=interrupted,
        )
        verdict = run.run()
    settled, fresh = _seconds(run.settled_seconds), _seconds(run.fresh_seconds)
    say(f"client {chosen}; after the storm everything had arrived after: {settled}")
    say(f"a new fact then reached its table after: {fresh}")
    for problem in [*run.problems, *run.auditor.examples]:
        console.print(f"[red]wrong:[/] {problem}", highlight=False)
    click.echo(msgspec.json.encode(verdict))
    return 0 if verdict.ok and not run.problems else 1


def _seconds(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds:.1f} s"


@contextmanager
def _view(console: Console) -> Iterator[Callable[[Run], None]]:
    """A progress bar with a terminal, else a line now and then."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    spoke = 0.0
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("starting", total=None)

        def show(run: Run) -> None:
            nonlocal spoke
            if time.monotonic() - spoke < (0.25 if console.is_terminal else PLAIN_SECONDS):
                return
            spoke = time.monotonic()
            text, told = _state(run)
            if console.is_terminal:
                progress.update(task, description=text, completed=told, total=run.weather.facts)
            else:
                console.print(f"{spoke - run.started:6.1f} s  {text}", highlight=False)

        yield show


def _state(run: Run) -> tuple[str, int]:
    told = run.oracle.offered.count()
    parts = [f"{told:,} of {run.weather.facts:,} facts told"]
    if hasattr(run, "storm"):
        parts += [f"{name} {count}" for name, count in run.storm.kills.items()]
        parts.append(f"other faults {run.storm.faults.total()}")
        parts.append(f"callbacks waiting {run.sources.callbacks.pending}")
    return ", ".join(parts), told
