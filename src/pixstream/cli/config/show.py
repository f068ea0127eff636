"""`pixstream config show`: print the effective configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pixstream.cli.root import Root


@click.command()
@click.pass_obj
def show_command(root: Root) -> None:
    """Print the effective value of every setting and where it was set.

    \b
    The environment and every --set are applied. The output is YAML; secrets are shown as ***.
      pixstream config show
      pixstream --env prod --set kafka.linger_ms=5 config show
    """  # noqa: D301  \b keeps click from rewrapping the paragraph
    from pixstream.config.loading import build, resolve
    from pixstream.config.show import lines

    effective = resolve(root.path, env=root.env, overrides=root.overrides)
    for line in lines(effective, build(effective)):
        click.echo(line)
