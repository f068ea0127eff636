"""`pixstream chaos`: break a pipeline on purpose; prove that nothing is lost or duplicated."""

from __future__ import annotations

import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from pixstream.cli.console import PLAIN_SECONDS, output
from pixstream.cli.embedded import downloading
from pixstream.cli.signals import stop_signals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console

    from pixstream.lab.chaos.run import Run


@click.command()
@click.option(
    "--events", type=click.IntRange(100), default=20_000, show_default=True, help="Number of facts."
)
@click.option(
    "--minutes",
    type=click.FloatRange(0.1),
    default=3.0,
    show_default=True,
    help="How long faults are injected; longer on a busy machine. Startup, settling and "
    "verification take extra time.",
)
@click.option("--seed", type=int, default=7, show_default=True, help="Seed of facts and faults.")
@click.option(
    "--client",
    type=click.Choice(["confluent", "kafka-python"]),
    default=None,
    help="Kafka client library that every component uses.  [default: confluent for odd seeds]",
)
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("data/chaos"),
    show_default=True,
    help="Emptied first; configuration, dead letters, tables and logs stay there for inspection.",
)
def chaos(events: int, minutes: float, seed: int, client: str | None, directory: Path) -> int:
    """Kill, pause, disconnect, fill and poison a running pipeline, then compare every row.

    \b
    Numbered facts, whose content is derived from their number, go to every kind of source. Faults
    hit producers, consumers, the supervisor, the broker, connections and the disk of the tables.
    Afterwards every acknowledged fact must be in its table exactly once and unaltered, or be a
    dead letter. The last line is one JSON object. Exit code 0: lost, duplicates, unknown and
    altered are all 0, a new fact arrives in time, SIGTERM ends everything cleanly, the supervisor
    never exited on its own, and no component ended with an unexpected error; 1: otherwise.
      pixstream chaos --events 1000000 --minutes 30 --seed 7
    """  # noqa: D301  \b keeps click from rewrapping the paragraph
    from pixstream.lab.broker.jars import BROKER_JARS
    from pixstream.lab.chaos.run import Run
    from pixstream.lab.chaos.site import Site
    from pixstream.lab.chaos.storm import Weather

    console = output()
    with downloading() as progress:
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
    say(f"client {chosen}; time until everything had arrived after the faults ended: {settled}")
    say(f"time for a new fact to reach its table after that: {fresh}")
    for problem in [*run.problems, *run.auditor.examples]:
        console.print(f"[red]wrong:[/] {problem}", highlight=False)
    click.echo(msgspec.json.encode(verdict))
    return 0 if verdict.ok and not run.problems else 1


def _seconds(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds:.1f} s"


@contextmanager
def _view(console: Console) -> Iterator[Callable[[Run], None]]:
    """Show a progress bar on a terminal, otherwise a line every few seconds."""
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
            text, sent = _state(run)
            if console.is_terminal:
                progress.update(task, description=text, completed=sent, total=run.weather.facts)
            else:
                console.print(f"{spoke - run.started:6.1f} s  {text}", highlight=False)

        yield show


def _state(run: Run) -> tuple[str, int]:
    sent = run.oracle.offered.count()
    parts = [f"{sent:,} of {run.weather.facts:,} facts sent"]
    if hasattr(run, "storm"):
        parts += [f"{name} {count}" for name, count in run.storm.kills.items()]
        parts.append(f"other faults {run.storm.faults.total()}")
        parts.append(f"callbacks waiting {run.sources.callbacks.pending}")
    return ", ".join(parts), sent
