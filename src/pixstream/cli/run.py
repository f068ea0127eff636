"""`pixstream run`: the supervisor in the foreground."""

from __future__ import annotations

import logging
import os
import signal
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pixstream import logs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pixstream.cli.main import Root
    from pixstream.config.settings import Settings

log = logging.getLogger("pixstream.supervisor")

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@click.command()
@click.argument("names", nargs=-1)
@click.pass_obj
def run(root: Root, names: tuple[str, ...]) -> int:
    """Run the named components, or every enabled one, until SIGTERM or Ctrl-C.

    \b
    Each component is a process of its own, restarted with back-off when it fails. Without
    kafka.bootstrap_servers the embedded broker is started with the declared topics, and stopped
    again if it was not running. SIGTERM, Ctrl-C or the end of the terminal (SIGHUP) lets every
    component finish what it has in hand; a second signal ends them at once, and they resume where
    they committed. Exit code: 0 stopped as asked, 1 one failed or had to be killed.
      pixstream run
      pixstream --env prod run webhook delta_lake
    """  # noqa: D301  \b is click's mark for a paragraph to leave alone
    from pixstream.privacy import keys
    from pixstream.processes.component import Order
    from pixstream.processes.supervisor import Supervisor, select

    with stop_signals() as requested:
        settings = root.load()
        components = select(settings.producers, settings.consumers, names)
        keys(settings.privacy)
        logs.configure(settings.logging, "supervisor")
        try:
            with _kafka(root, settings) as overrides:
                base = Order(
                    config_path=os.fspath(root.path),
                    environment=root.env,
                    overrides=overrides,
                    name="",
                    replica=0,
                )
                directory = Path(settings.data_dir) / "run"
                supervisor = Supervisor(
                    base,
                    components,
                    settings.supervisor,
                    directory=directory,
                    metrics=settings.metrics,
                )
                return supervisor.run(requested)
        except KeyboardInterrupt:
            log.info("stopped while it was starting")
            return 0


@contextmanager
def _kafka(root: Root, settings: Settings) -> Iterator[list[str]]:
    """Yield the overrides that children need; an embedded broker that was not running ends."""
    from pixstream.cli.broker import embedded, fetching

    if settings.kafka.bootstrap_servers:
        yield list(root.overrides)
        return
    broker = embedded(settings)
    own = not broker.status().running
    try:
        with _ending_at_once(), fetching() as progress:
            timeout = settings.broker.start_timeout_seconds
            address = broker.start(timeout=timeout, progress=progress)
            _create_topics(root, settings)
        yield [*root.overrides, f"kafka.bootstrap_servers={address}"]
    finally:
        if own:
            broker.stop()


def _create_topics(root: Root, settings: Settings) -> None:
    """Create what an embedded broker lacks; what exists is left to `pixstream topics apply`."""
    from contextlib import closing

    from pixstream.kafka.topics.declared import declared

    with closing(root.client(settings).admin()) as admin:
        existing = admin.topics()
        for spec in declared(settings.topics):
            if spec.name not in existing:
                admin.create(spec)


@contextmanager
def stop_signals() -> Iterator[Callable[[], int]]:
    """Count SIGTERM, SIGINT and SIGHUP instead of dying of them; what nohup ignores stays so."""
    count = 0

    def note(number: int, frame: object) -> None:
        nonlocal count
        del number, frame
        count += 1

    with handling(note):
        yield lambda: count


@contextmanager
def _ending_at_once() -> Iterator[None]:
    """Let each of them raise KeyboardInterrupt: while nothing is in hand there is none to wait."""
    with handling(signal.default_int_handler):
        yield


@contextmanager
def handling(handler: Callable[..., object]) -> Iterator[None]:
    """Let `handler` take SIGTERM, SIGINT and SIGHUP; what nohup ignores stays so."""
    former = {
        number: signal.signal(number, handler)
        for number in _STOP_SIGNALS
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, old in former.items():
            signal.signal(number, old)
