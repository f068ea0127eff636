"""`pixstream simulate`: write files of realistic Pix traffic, with fraud labels."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import click

from pixstream.wording import counted

SOURCES = ("bank_api", "webhook", "system_log", "iso20022")


@click.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--events", type=click.IntRange(1), default=1000, show_default=True, help="Number of facts."
)
@click.option("--seed", type=int, default=7, show_default=True, help="Seed of the simulation.")
@click.option(
    "--start",
    type=click.DateTime(["%Y-%m-%d"]),
    default="2026-01-05",
    show_default=True,
    help="First day, UTC.",
)
@click.option(
    "--days",
    type=click.FloatRange(0, min_open=True),
    default=1.0,
    show_default=True,
    help="Days that the traffic spans.",
)
@click.option(
    "--source",
    "sources",
    type=click.Choice(SOURCES),
    multiple=True,
    help="Write only the files that this producer reads; repeatable.  [default: all]",
)
def simulate(
    directory: Path,
    events: int,
    seed: int,
    start: dt.datetime,
    days: float,
    sources: tuple[str, ...],
) -> None:
    """Write simulated Pix traffic into a new DIRECTORY.

    \b
    The traffic has people and merchants, a daily rhythm, returns of older Pix, and fraud patterns
    whose transfers are listed in labels.jsonl. The same options always write the same bytes.
      pixstream simulate /tmp/pix --events 5000 --days 3
      pixstream preview iso20022 /tmp/pix/spi/*.xml
    """  # noqa: D301  \b keeps click from rewrapping the paragraph
    from rich.progress import Progress

    from pixstream.lab.simulation.directory import simulate as write

    with Progress(transient=True) as bar:
        task = bar.add_task("simulating", total=events)
        summary = write(
            directory,
            events=events,
            seed=seed,
            start=start.replace(tzinfo=dt.UTC),
            days=days,
            sources=sources or SOURCES,
            progress=lambda done: bar.update(task, completed=done),
        )
    click.echo(
        f"{directory}: {counted(summary.facts, 'fact')}, "
        f"{counted(summary.malformed, 'malformed input')}, "
        f"{counted(summary.repeats, 'repeat')} in {counted(summary.documents, 'document')}; "
        f"{counted(summary.labels, 'transfer')} in fraud patterns"
    )
