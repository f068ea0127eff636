"""The embedded broker of a data directory, and the progress bar while its jars are downloaded."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixstream.config.settings import Settings
    from pixstream.java.maven import Progress
    from pixstream.lab.broker.embedded import EmbeddedBroker


def embedded_broker(settings: Settings) -> EmbeddedBroker:
    """Return the embedded broker of this configuration's data directory, running or not."""
    from pixstream.lab.broker.embedded import EmbeddedBroker

    return EmbeddedBroker(
        Path(settings.data_dir) / "kafka",
        heap=settings.broker.heap,
        properties=settings.broker.properties,
        port=settings.broker.port,
        metrics_port=settings.broker.metrics_port,
    )


@contextmanager
def downloading(what: str = "Apache Kafka") -> Iterator[Progress]:
    """Show a progress bar while a program is downloaded; draw nothing if nothing is missing."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    columns = (TextColumn(f"downloading {what}"), BarColumn(), DownloadColumn())
    with Progress(*columns, transient=True) as bar:
        task = bar.add_task("jars", total=None, visible=False)

        def progress(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, visible=True)

        yield progress
