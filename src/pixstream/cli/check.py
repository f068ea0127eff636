"""`pixstream check`: check that everything a run needs is in place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pixstream.errors import BrokerError

if TYPE_CHECKING:
    from pixstream.cli.root import Root
    from pixstream.config.settings import Settings
    from pixstream.kafka.settings import KafkaSettings

MARKS = {True: "ok   ", False: "FAIL ", None: "--   "}


@click.command()
@click.pass_obj
def check(root: Root) -> int:
    """Validate the configuration, then probe the broker, topics, sources and destinations.

    \b
    Prints one line per probe. Exit code 0: every probe succeeded; 2: at least one failed.
      pixstream --env prod check
    """  # noqa: D301  \b keeps click from rewrapping the paragraph
    from pixstream.preflight import examine

    settings = root.load()
    click.echo(f"{MARKS[True]}configuration  {root.path}")
    failed = False
    for finding in examine(settings, _address(settings)):
        click.echo(f"{MARKS[finding.ok]}{finding.what}  {finding.text}")
        failed = failed or finding.ok is False
    return 2 if failed else 0


def _address(settings: Settings) -> KafkaSettings | None:
    from pixstream import runtime

    try:
        return runtime.kafka_settings(settings)
    except BrokerError:
        return None
