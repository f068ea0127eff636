"""`pixstream config`: what counts in the end, and the schema for editors."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pixstream.cli.main import Root


@click.group()
def config() -> None:
    """Show the effective configuration, or its JSON schema.

    \b
      pixstream --env prod config show
      pixstream config schema
    """  # noqa: D301  \b is click's mark for a paragraph to leave alone


@config.command()
@click.pass_obj
def show(root: Root) -> None:
    """Print every setting as it counts with --env and --set, and where it was written.

    \b
    The output is YAML. Secrets are shown as ***.
      pixstream config show
      pixstream --env prod --set kafka.linger_ms=5 config show
    """  # noqa: D301  \b is click's mark for a paragraph to leave alone
    from pixstream.config.loading import build, resolve
    from pixstream.config.show import lines

    effective = resolve(root.path, env=root.env, overrides=root.overrides)
    for line in lines(effective, build(effective)):
        click.echo(line)


@config.command()
def schema() -> None:
    """Print the JSON schema of the whole file, with every built-in producer and consumer.

    \b
    Editors that speak the YAML language server complete and check the file with it:
      pixstream config schema > kafka_config.schema.json
    """  # noqa: D301  \b is click's mark for a paragraph to leave alone
    from pixstream.config.editor_schema import build

    click.echo(json.dumps(build(), indent=2, ensure_ascii=False))
