"""`pixstream keys`: the two privacy keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pixstream.errors import ConfigError
from pixstream.privacy import create_key_file, key_files

if TYPE_CHECKING:
    from pixstream.cli.main import Root


@click.group()
def keys() -> None:
    """Create the privacy keys.

    \b
      pixstream keys create
    """  # noqa: D301  \b is click's mark for a paragraph to leave alone


@keys.command()
@click.pass_obj
def create(root: Root) -> None:
    """Make the key files that the configuration names, mode 0600; existing ones stay.

    \b
    A lost pseudonym key ends the joining of new events with old ones; a lost encryption key makes
    dead letters and sealed fields unreadable for good. Keep both in your secret store.
      pixstream keys create
    """  # noqa: D301  \b is click's mark for a paragraph to leave alone
    files = key_files(root.load().privacy)
    if not files:
        raise ConfigError(
            "privacy.pseudonym_key and privacy.encryption_key name no file (file:PATH): "
            "they come from the environment, and there is nothing to create"
        )
    for file in files:
        made = create_key_file(file)
        click.echo(f"{file}  {'created' if made else 'exists, left as it is'}")
