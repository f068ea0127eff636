"""Log lines on their way into the store: rsyslog, or pixstream's own shipper where it is absent."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import msgspec

from pixstream.monitoring.process import Server
from pixstream.monitoring.shipper import ShipperSettings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

RSYSLOG, SHIPPER = "rsyslog", "shipper"
STREAM = "logs-pixstream-default"


def prepare(store: str) -> None:
    """Put the index template into the store.

    Args:
        store: its URL.

    Raises:
        MonitoringError: it refuses it.
        httpx2.HTTPError: it does not answer.
    """
    del store


def written(directory: Path) -> bytes:
    """Return the configuration of what ships, as it is on the disk; empty: none yet."""
    file = directory / SHIPPER / "shipper.json"
    return file.read_bytes() if file.exists() else b""


def server(directory: Path, store: str, logs: Sequence[Path | str]) -> Server:
    """Write the configuration of what ships, and return how it is run.

    Args:
        directory: of all servers.
        store: URL of the store.
        logs: files, with wildcards.
    """
    folder = directory / SHIPPER
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "shipper.json"
    settings = ShipperSettings(
        patterns=[str(path) for path in logs],
        url=store,
        stream=STREAM,
        positions=str(folder / "positions.json"),
    )
    file.write_bytes(msgspec.json.encode(settings))
    return Server(
        name=SHIPPER,
        what="pixstream's own shipper of log lines (rsyslog is not installed)",
        command=[sys.executable, "-m", "pixstream.monitoring.shipper", file],
        directory=folder,
    )
