"""`pixstream preview`: show how a producer would read some files, without Kafka."""

from __future__ import annotations

import datetime as dt
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from pixstream.errors import ConfigError, Refused
from pixstream.event.model import Refusal
from pixstream.event.sealing import Sealer
from pixstream.plugins import discovery
from pixstream.plugins.producer import Producer
from pixstream.privacy import KEY_BYTES, Pseudonymiser, Vault

if TYPE_CHECKING:
    from pixstream.cli.root import Root
    from pixstream.event.model import Draft


@click.command()
@click.argument("type_name", metavar="TYPE")
@click.argument("files", nargs=-1, required=True, metavar="FILE…")
@click.pass_obj
def preview(root: Root, type_name: str, files: tuple[str, ...]) -> int:
    """Print one JSON line for each event or dead letter that a producer of TYPE would read.

    \b
    A line is {"event": {…}} or {"dead_letter": {"reason": "…", "message": "…"}}. The FILE `-` is
    standard input. Pseudonyms use the configured keys, or throwaway keys if there are none.
      pixstream preview webhook body.json
      pixstream preview iso20022 messages/*.xml
      tail -n 5 app.jsonl | pixstream preview system_log -
    """  # noqa: D301  \b keeps click from rewrapping the paragraph
    producer, sealer = _as_configured(root, type_name)
    failed = False
    for name in files:
        try:
            raw = _read(name)
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            click.echo(f"{_shown(name)}: cannot be read: {why}", err=True)
            failed = True
            continue
        for content in producer.parse(raw):
            click.echo(msgspec.json.encode(_line(content, producer, sealer, name)))
    return 1 if failed else 0


def _read(name: str) -> bytes:
    """Return the bytes of a file, or of standard input.

    Raises:
        OSError: it cannot be read.
        ValueError: standard input is closed, or the name is not possible.
    """
    if name != "-":
        return Path(name).read_bytes()
    if sys.stdin is None:
        raise ValueError("standard input is closed")
    return sys.stdin.buffer.read()


def _shown(name: str) -> str:
    """Return a file's name as text, with \ufffd for what is not UTF-8."""
    return os.fsencode(name).decode(errors="replace")


def _line(
    content: Draft | Refusal, producer: Producer, sealer: Sealer, name: str
) -> dict[str, Any]:
    if isinstance(content, Refusal):
        return {"dead_letter": {"reason": content.reason, "message": content.message}}
    if content.source_ref is None:
        content.source_ref = "stdin" if name == "-" else _shown(Path(name).name)
    try:
        now = dt.datetime.now(dt.UTC)
        return {"event": sealer.seal(content, source=producer.name, now=now)}
    except Refused as refused:
        return {"dead_letter": {"reason": refused.reason, "message": refused.message}}


def _as_configured(root: Root, type_name: str) -> tuple[Producer, Sealer]:
    """Return the configured producer and keys, or the default producer and throwaway keys."""
    from pixstream.runtime import sealer

    kind = discovery.load(Producer, type_name)
    fallback = kind(type=type_name)
    try:
        settings = root.load()
        configured = [p for p in settings.producers.values() if p.type == type_name]
        return (configured or [fallback])[0], sealer(settings)
    except ConfigError as error:
        if root.path.exists() and not _only_keys_missing(error):
            raise
        click.echo(
            "no privacy keys are configured: the pseudonyms below use throwaway keys",
            err=True,
        )
        throwaway = Sealer(
            Pseudonymiser(os.urandom(KEY_BYTES), "once"), Vault(os.urandom(32), "once")
        )
        return fallback, throwaway


def _only_keys_missing(error: ConfigError) -> bool:
    from pixstream.errors import KeysMissingError

    return isinstance(error, KeysMissingError)
