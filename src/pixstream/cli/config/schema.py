"""`pixstream config schema`: print the JSON schema of the configuration, for editors."""

from __future__ import annotations

import json

import click


@click.command()
def schema_command() -> None:
    """Print the JSON schema of the configuration file, with every built-in producer and consumer.

    \b
    Editors with the YAML language server use it to complete and validate the file:
      pixstream config schema > kafka_config.schema.json
    """  # noqa: D301  \b keeps click from rewrapping the paragraph
    from pixstream.config.editor_schema import build

    click.echo(json.dumps(build(), indent=2, ensure_ascii=False))
