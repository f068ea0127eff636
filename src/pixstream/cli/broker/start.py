"""`pixstream broker start`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pixstream.cli.embedded import downloading, embedded_broker
from pixstream.errors import ConfigError

if TYPE_CHECKING:
    from pixstream.cli.root import Root


@click.command()
@click.pass_obj
def start_command(root: Root) -> None:
    """Start the broker, wait until it answers, and print its address.

    \b
    Example:
      pixstream broker start
    """  # noqa: D301  \b keeps click from rewrapping the paragraph
    settings = root.load()
    if settings.kafka.bootstrap_servers:
        raise ConfigError(
            "kafka.bootstrap_servers is set, so the embedded broker is never started; remove the "
            "setting to use the embedded broker"
        )
    with downloading() as progress:
        address = embedded_broker(settings).start(
            timeout=settings.broker.start_timeout_seconds, progress=progress
        )
    click.echo(address)
