"""`pixstream simulate`: files of realistic Pix traffic, with fraud labels."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import click

SOURCES = ("bank_api", "webhook", "system_log", "iso20022")


@click.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@click.option("--events", type=click.IntRange(1), default=1000, show_default=True)
@click.option("--seed", type=int, default=7, show_default=True)
@click.option(
    "--start",
    type=click.DateTime(["%Y-%m-%d"]),
    default="2026-01-05",
    show_default=True,
    help="First day, UTC.",
)
@click.option("--days", type=click.FloatRange(0, min_open=True), default=1.0, show_default=True)
@click.option(
    "--source",
    "sources",
    type=click.Choice(SOURCES),
    multiple=True,
    help="Only what this producer reads; may be repeated. Default: all.",
)
def simulate(
    directory: Path,
    events: int,
    seed: int,
    start: dt.datetime,
    days: float,
    sources: tuple[str, ...],
) -> None:
    """Write EVENTS facts of simulated Pix traffic into the new DIRECTORY.

    \b
    People and merchants, night and day, returns of old Pix too, and fraud patterns, whose transfers
    labels.jsonl names. The same options write the same bytes.
      pixstream simulate /tmp/pix --events 5000 --days 3
      pixstream preview iso20022 /tmp/pix/spi/*.xml
    """  # noqa: D301  \b is click's mark for a paragraph to leave alone
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
        f"{directory}: {summary.facts:,} facts, {summary.malformed:,} malformed inputs, "
        f"{summary.repeats:,} repeats in {summary.documents:,} documents; "
        f"{summary.labels:,} transfers of fraud patterns"
    )
