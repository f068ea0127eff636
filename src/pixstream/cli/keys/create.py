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
    Where the configuration names no keys at all, the files are made in DATA_DIR/keys, and the lines
    that name them are printed.
    If the pseudonym key is lost, new events can no longer be joined with old ones; if the
    encryption key is lost, dead letters and sealed fields can never be read again. Keep a copy of
    both in your secret store.
      pixstream keys create
    """  # noqa: D301  \b keeps click from rewrapping the paragraph
    from pixstream.config.show import text
    from pixstream.privacy import create_key_file, key_files, usual_key_files

    settings = root.load()
    privacy = settings.privacy
    unset = not privacy.pseudonym_key and not privacy.encryption_key
    files = usual_key_files(settings.data_dir) if unset else key_files(privacy)
    if not files:
        raise ConfigError(
            "privacy.pseudonym_key and privacy.encryption_key are keys themselves, or one of them "
            "is empty, so there is no file to create; name files: file:PATH"
        )
    for file in files:
        created = create_key_file(file)
        click.echo(f"{file}  {'created' if created else 'already exists, not changed'}")
    if unset:
        click.echo(f"\nNow add these lines to {root.path}:\n\nprivacy:")
        for name, file in zip(("pseudonym_key", "encryption_key"), files, strict=True):
            click.echo(f"  {name}: {text(f'file:{file}')}")
