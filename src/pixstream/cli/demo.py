"""`pixstream demo`: run the whole pipeline against the sandbox bank, then reconcile."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pixstream.cli.console import output
from pixstream.cli.embedded import downloading
from pixstream.cli.itself import command
from pixstream.cli.signals import stop_signals
from pixstream.wording import counted

if TYPE_CHECKING:
    from rich.console import Console

    from pixstream.lab.demo.reconcile import Outcome, Reconciliation


@click.command()
@click.option(
    "--events", type=click.IntRange(1), default=20_000, show_default=True, help="Number of facts."
)
@click.option("--seed", type=int, default=7, show_default=True, help="Seed of the simulation.")
@click.option(
    "--client",
    type=click.Choice(["confluent", "kafka-python"]),
    default="confluent",
    show_default=True,
    help="Kafka client library that every component uses.",
)
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("data/demo"),
    show_default=True,
    help="Emptied first; configuration, tables and logs stay there for inspection.",
)
@click.option(
    "--keep",
    is_flag=True,
    help="Leave everything running at the end, with the operator's page, until Ctrl-C.",
)
@click.option(
    "--spark",
    is_flag=True,
    help="Run the Spark job alongside the Delta consumer and compare their tables.",
)
@click.option(
    "--monitoring",
    is_flag=True,
    help="Run Prometheus, Alertmanager and OpenSearch alongside, and count what they have seen.",
)
def demo(
    events: int,
    seed: int,
    client: str,
    directory: Path,
    *,
    keep: bool,
    spark: bool,
    monitoring: bool,
) -> int:
    """Feed distinct Pix facts to every kind of source and account for each of them.

    \b
    A real Kafka, the sandbox bank, all producers and the Delta consumer run on this machine. The
    last line is one JSON object. Exit code 0: lost, duplicates and clear_identifiers are all 0;
    1: one of them is not, or something else does not add up.
      pixstream demo --events 200000 --client kafka-python
      pixstream demo --spark
      pixstream demo --keep
      pixstream demo --monitoring
    """  # noqa: D301  \b keeps click from rewrapping the paragraph
    from pixstream.errors import DestinationError
    from pixstream.lab.broker.agent import AGENT_JARS
    from pixstream.lab.broker.jars import BROKER_JARS
    from pixstream.lab.demo.place import Place
    from pixstream.lab.demo.run import Demo, as_line
    from pixstream.monitoring.opensearch import DISTRIBUTION
    from pixstream.spark import session
    from pixstream.spark.jars import SPARK_JARS

    console = output()
    lack = session.missing() if spark else None
    if lack is not None:
        raise DestinationError(f"Spark cannot run on this machine: {lack}")
    with downloading() as progress:
        BROKER_JARS.ensure(progress)
        if spark:
            SPARK_JARS.ensure(progress)
        if monitoring:
            AGENT_JARS.ensure(progress)
            DISTRIBUTION.ensure(progress)
    with stop_signals() as interrupted:
        place = Place(directory, client, spark=spark, monitored=monitoring)
        run = Demo(place, events, seed, console, interrupted, keep=keep)
        outcome = run.run()
        assert run.reconciliation is not None  # noqa: S101  `run` has returned
        problems = [*run.reconciliation.problems(outcome), *run.watch.problems]
        _report(console, run.reconciliation, outcome, problems, directory)
        if keep:
            click.echo(
                f"\nThe operator's page: {place.page_url} (page.token in {place.config} lets you "
                "act); Ctrl-C ends the demo"
            )
        click.echo(as_line(outcome))
        if keep:
            run.stay()
    return 0 if outcome.ok and not problems else 1


def _report(
    console: Console,
    reconciliation: Reconciliation,
    outcome: Outcome,
    problems: list[str],
    directory: Path,
) -> None:
    from rich.table import Table

    table = Table(title="Reconciliation", title_justify="left", box=None, pad_edge=False)
    table.add_column("category")
    heads = ("offered", "in Kafka", "in Delta", "facts", "revisions", "lost", "unknown", "double")
    for head in heads:
        table.add_column(head, justify="right")
    for row in reconciliation.tables:
        figures = (row.offered, row.kafka, row.rows, row.facts, row.revisions, row.lost)
        table.add_row(row.category, *(f"{n:,}" for n in (*figures, row.unknown, row.duplicates)))
    console.print(table)
    malformed = outcome.offered - sum(row.offered for row in reconciliation.tables)
    console.print(
        f"{counted(malformed, 'malformed input')} offered, "
        f"{reconciliation.malformed_lost:,} of them lost; "
        f"{counted(outcome.dead_letters, 'dead letter')}: "
        f"{reconciliation.producer_letters:,} of producers, "
        f"{reconciliation.consumer_letters:,} of consumers",
        highlight=False,
    )
    console.print(f"{counted(outcome.deduplicated, 'repeated arrival')} dropped", highlight=False)
    for problem in problems:
        console.print(f"[red]does not add up:[/] {problem}", highlight=False)
    _samples(console, directory)
    console.print("\nWhere to look next:", highlight=False)
    for line in _next_commands(directory):
        click.echo(f"  {line}")
    click.echo(f"  {directory}/lake/*, {directory}/logs/pixstream.log, docs/operations.md")


def _next_commands(directory: Path) -> list[str]:
    """Return commands that work as they are printed; those after `broker start` need Kafka."""
    config = str(directory / "kafka_config.yaml")
    sql = (
        "SELECT status, count(*) AS pix, sum(amount_centavos) / 100.0 AS reais "
        "FROM recebimentos WHERE revision = 0 GROUP BY status"
    )
    calls = (
        ("query", sql),
        ("broker", "start"),
        ("dead-letters", "list"),
        ("lag",),
        ("broker", "stop"),
    )
    return [command("-c", config, *call) for call in calls]


def _samples(console: Console, directory: Path) -> None:
    """Print a few rows of each table, as a person would query them."""
    from rich.table import Table

    from pixstream.lab.demo.tables import read

    columns = ["event_time", "status", "amount_centavos", "end_to_end_id", "source", "flags"]
    table = Table(title="\nSample rows", title_justify="left", box=None, pad_edge=False)
    for name in ("table", *columns):
        table.add_column(name, no_wrap=True)
    for path in sorted((directory / "lake").iterdir()):
        rows = read(path, columns)
        for row in rows.slice(0, 2).to_pylist() if rows else []:
            row["event_time"] = f"{row['event_time']:%Y-%m-%d %H:%M:%S}Z"
            row["flags"] = ",".join(row["flags"])
            table.add_row(path.name, *(str(row[c] if row[c] is not None else "") for c in columns))
    console.print(table)
