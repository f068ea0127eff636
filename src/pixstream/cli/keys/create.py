"""`pixstream keys create`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pixstream.errors import ConfigError

if TYPE_CHECKING:
    from pixstream.cli.root import Root


@click.command()
@click.pass_obj
def create_command(root: Root) -> None:
    """Create the key files that the configuration names, with mode 0600; existing files are kept.

    \b
    If the pseudonym key is lost, new events can no longer be joined with old ones; if the
    encryption key is lost, dead letters and sealed fields can never be read again. Keep a copy of
    both in your secret store.
      pixstream keys create
    """  # noqa: D301  \b keeps click from rewrapping the paragraph
    from pixstream.privacy import create_key_file, key_files

    files = key_files(root.load().privacy)
    if not files:
        raise ConfigError(
            "neither privacy.pseudonym_key nor privacy.encryption_key names a file (file:PATH): "
            "both keys come from the environment, so there is nothing to create"
        )
    for file in files:
        created = create_key_file(file)
        click.echo(f"{file}  {'created' if created else 'already exists, not changed'}")
