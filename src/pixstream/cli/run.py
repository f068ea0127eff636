"""`pixstream run`: the supervisor in the foreground."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from pixstream.observability import logs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pixstream.cli.main import Root
    from pixstream.config.settings import Settings


@click.command()
@click.argument("names", nargs=-1)
@click.pass_obj
def run(root: Root, names: tuple[str, ...]) -> int:
    """Run the named components, or every enabled one, until SIGTERM or Ctrl-C.

    \b
    Each component is a process of its own, restarted with back-off when it fails. Without
    kafka.bootstrap_servers the embedded broker is started with the declared topics, and stopped
    again if it was not running.
      pixstream run
      pixstream --env prod run webhook delta_lake
    """  # noqa: D301  \b is click's mark for a paragraph to leave alone
    from pixstream.cli.broker import embedded, fetching
    from pixstream.component import Order
    from pixstream.privacy import keys
    from pixstream.supervisor import Supervisor, select

    settings = root.load()
    components = select(settings.producers, settings.consumers, names)
    keys(settings.privacy)
    logs.configure(settings.logging, "supervisor")
    overrides, own_broker = list(root.overrides), None
    if not settings.kafka.bootstrap_servers:
        broker = embedded(settings)
        own_broker = None if broker.status().running else broker
        with fetching() as progress:
            timeout = settings.broker.start_timeout_seconds
            address = broker.start(timeout=timeout, progress=progress)
        overrides.append(f"kafka.bootstrap_servers={address}")
        _create_topics(root, settings)
    base = Order(
        config_path=os.fspath(root.path),
        environment=root.env,
        overrides=overrides,
        name="",
        replica=0,
    )
    try:
        with stop_signals() as requested:
            return Supervisor(base, components, settings.supervisor).run(requested)
    finally:
        if own_broker is not None:
            own_broker.stop()


def _create_topics(root: Root, settings: Settings) -> None:
    """Create what an embedded broker lacks; what exists is left to `pixstream topics apply`."""
    from contextlib import closing

    from pixstream.kafka.topics import declared

    with closing(root.client(settings).admin()) as admin:
        existing = admin.topics()
        for spec in declared(settings.topics):
            if spec.name not in existing:
                admin.create(spec)


@contextmanager
def stop_signals() -> Iterator[Callable[[], int]]:
    """Count SIGTERM and SIGINT instead of dying of them."""
    count = 0

    def note(number: int, frame: object) -> None:
        nonlocal count
        del number, frame
        count += 1

    former = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield lambda: count
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
