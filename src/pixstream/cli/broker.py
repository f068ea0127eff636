"""`pixstream broker`: the embedded Apache Kafka, for development and tests."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pixstream.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixstream.cli.main import Root
    from pixstream.config.settings import Settings
    from pixstream.java.maven import Progress
    from pixstream.lab.broker.embedded import EmbeddedBroker


def embedded(settings: Settings) -> EmbeddedBroker:
    """The embedded broker of this configuration's data directory."""
    from pixstream.lab.broker.embedded import EmbeddedBroker

    return EmbeddedBroker(
        Path(settings.data_dir) / "kafka",
        heap=settings.broker.heap,
        properties=settings.broker.properties,
    )


@contextmanager
def fetching() -> Iterator[Progress]:
    """A progress bar for the first download of Kafka's jars; nothing when all are there."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    columns = (TextColumn("fetching Apache Kafka"), BarColumn(), DownloadColumn())
    with Progress(*columns, transient=True) as bar:
        task = bar.add_task("jars", total=None, visible=False)

        def progress(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, visible=True)

        yield progress


@click.group()
def broker() -> None:
    """Start, stop and look at the embedded Kafka broker.

    \b
    It is Apache Kafka itself, one node, for development, demo and tests; its data lies under
    data_dir. With kafka.bootstrap_servers configured it is never started.
      pixstream broker start
      pixstream broker status
      pixstream broker stop
    """  # noqa: D301  \b is click's mark for a paragraph to leave alone


@broker.command()
@click.pass_obj
def start(root: Root) -> None:
    """Start it and return once it answers; prints its address."""
    settings = root.load()
    if settings.kafka.bootstrap_servers:
        raise ConfigError(
            "kafka.bootstrap_servers is set: the embedded broker is never started beside it; "
            "remove the setting to use the embedded one"
        )
    with fetching() as progress:
        address = embedded(settings).start(
            timeout=settings.broker.start_timeout_seconds, progress=progress
        )
    click.echo(address)


@broker.command()
@click.pass_obj
def stop(root: Root) -> None:
    """Stop it cleanly; its data stays."""
    instance = embedded(root.load())
    if not instance.status().running:
        click.echo("not running")
        return
    instance.stop()
    click.echo("stopped")


@broker.command()
@click.pass_obj
def status(root: Root) -> int:
    """Say whether it runs, where, and where its data and log are (exit 1 when it does not run)."""
    found = embedded(root.load()).status()
    click.echo(f"Apache Kafka {found.version}: {'running' if found.running else 'not running'}")
    if found.running:
        click.echo(f"address  {found.bootstrap}\npid      {found.pid}")
    click.echo(f"data     {found.data_dir}\nlog      {found.log_file}")
    return 0 if found.running else 1
