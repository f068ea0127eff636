"""The first configuration of somebody who has none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixstream.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

TEXT = """\
# A first configuration of pixstream. Every setting that is not here has its default:
# `pixstream config show` prints them all, docs/reference/configuration.md explains them.
#
#   ${NAME}, ${NAME:-default}   an environment variable; the default applies if it is unset or empty

# Directory for everything that pixstream itself writes.
data_dir: data

institution:
  # Your own ISPBs, 8 characters each: they decide the direction of an event, in or out.
  ispbs: []

privacy:
  # `pixstream keys create` makes these two files.
  pseudonym_key: ${PIXSTREAM_PSEUDONYM_KEY:-file:data/keys/pseudonym.key}
  encryption_key: ${PIXSTREAM_ENCRYPTION_KEY:-file:data/keys/encryption.key}

kafka:
  # host:port,…; null: the embedded broker, for development; it needs the extra `lab`.
  bootstrap_servers: null

producers:
  # Takes the callbacks of API Pix: POST http://127.0.0.1:8080/pix
  webhook:
    port: 8080

consumers:
  # One Delta table for each category: `pixstream query "SELECT * FROM recebimentos"`
  delta_lake:
    uri: data/lake
"""


def create(file: Path) -> None:
    """Write the configuration; an existing file is never changed.

    Raises:
        ConfigError: the file exists.
        OSError: it cannot be written.
    """
    try:
        with file.open("x", encoding="utf-8") as out:
            out.write(TEXT)
    except FileExistsError:
        raise ConfigError(f"{file} exists and was not changed; --config names another") from None
