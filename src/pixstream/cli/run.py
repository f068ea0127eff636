"""`pixstream run`: run the supervisor in the foreground."""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pixstream import logs
from pixstream.cli.consumer_groups import consumer_groups
from pixstream.cli.signals import interrupting, stop_signals
from pixstream.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixstream.cli.root import Root
    from pixstream.config.settings import Settings
    from pixstream.processes.lag_watch import LagWatch

log = logging.getLogger("pixstream.supervisor")

PRODUCTION = "prod"
"""The environment in which nothing listens for everybody unless `open: true` says so."""


@click.command()
@click.argument("names", nargs=-1)
@click.pass_obj
def run(root: Root, names: tuple[str, ...]) -> int:
    """Run the named components, or every enabled one, until SIGTERM or Ctrl-C.

    \b
    Each component runs in its own process and is restarted with back-off when it fails. Without
    kafka.bootstrap_servers, the embedded broker is started with the declared topics, and stopped
    at the end unless it was already running. SIGTERM, Ctrl-C or a closed terminal (SIGHUP) lets
    every component finish its current work; a second signal ends them immediately, and they resume
    from their last commit. In the environment prod, nothing starts that listens for everybody
    unless its settings say open: true. Exit code 0: stopped on request; 1: a component failed or
    was killed; 2: the configuration is wrong.
      pixstream run
      pixstream --env prod run webhook delta_lake
    """  # noqa: D301  \b keeps click from rewrapping the paragraph
    from pixstream.page.opening import opener
    from pixstream.preflight import exposed
    from pixstream.privacy import keys
    from pixstream.processes import endpoint
    from pixstream.processes.component import ChildSpec
    from pixstream.processes.supervisor import Supervisor, select

    with stop_signals() as requested:
        settings = root.load()
        components = select(settings.components, names)
        keys(settings.privacy)
        logs.configure(settings.logging, "supervisor")
        _refuse_strangers(exposed(settings, components), root.environment)
        try:
            with _kafka(root, settings) as overrides:
                base = ChildSpec(
                    config_path=os.fspath(root.path),
                    environment=root.env,
                    overrides=overrides,
                    name="",
                    replica=0,
                )
                directory = Path(settings.data_dir) / "run"
                lag = _lag_watch(root, settings)
                supervisor = Supervisor(
                    base,
                    components,
                    settings.supervisor,
                    directory=directory,
                    serve=endpoint.opener(settings.metrics, lag),
                )
                if settings.page.enabled:
                    supervisor.open_page = opener(base, lag.samples)
                return supervisor.run(requested)
        except KeyboardInterrupt:
            log.info("stopped during startup")
            return 0


def _lag_watch(root: Root, settings: Settings) -> LagWatch:
    from pixstream.processes.lag_watch import LagWatch

    return LagWatch(
        lambda: root.client(settings).admin(),
        consumer_groups(settings),
        settings.metrics.lag_seconds,
    )


def _refuse_strangers(exposures: list[str], environment: str) -> None:
    """Let nothing listen for everybody by mistake in production; elsewhere a warning is enough.

    Raises:
        ConfigError: something does, and the environment is prod.
    """
    if exposures and environment == PRODUCTION:
        raise ConfigError("\n".join(exposures))
    for text in exposures:
        log.warning("%s", text)


@contextmanager
def _kafka(root: Root, settings: Settings) -> Iterator[list[str]]:
    """Yield the overrides for the children; stop an embedded broker that was not running before."""
    from pixstream.cli.embedded import downloading, embedded_broker

    if settings.kafka.bootstrap_servers:
        yield list(root.overrides)
        return
    broker = embedded_broker(settings)
    own = not broker.status().running
    try:
        with interrupting(), downloading() as progress:
            timeout = settings.broker.start_timeout_seconds
            address = broker.start(timeout=timeout, progress=progress)
            _create_topics(root, settings)
        yield [*root.overrides, f"kafka.bootstrap_servers={address}"]
    finally:
        if own:
            broker.stop()


def _create_topics(root: Root, settings: Settings) -> None:
    """Create missing topics in an embedded broker; `topics apply` alters existing ones."""
    from contextlib import closing

    with closing(root.client(settings).admin()) as admin:
        existing = admin.topics()
        for spec in settings.declared_topics:
            if spec.name not in existing:
                admin.create(spec)
