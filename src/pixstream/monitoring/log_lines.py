"""Log lines on their way into the store: rsyslog, or pixstream's own shipper where it is absent."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import msgspec

from pixstream.errors import MonitoringError
from pixstream.monitoring.index import DATA_STREAM, requests
from pixstream.monitoring.process import Server
from pixstream.monitoring.shipper import ShipperSettings
from pixstream.monitoring.shipping import VICTORIALOGS_PREFIX, rsyslog_conf

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pixstream.monitoring.shipping import Store

RSYSLOG, SHIPPER = "rsyslog", "shipper"
INSTALL_RSYSLOG = "apt-get install rsyslog rsyslog-elasticsearch"
_SUPERUSERS = os.pathsep.join(("", "/usr/local/sbin", "/usr/sbin"))
"""Where the program is, also for those who have not the path of root."""

VICTORIALOGS_BULK = (
    f"{VICTORIALOGS_PREFIX}/_bulk"
    "?_msg_field=message&_time_field=@timestamp&_stream_fields=service.name,service.node.name"
)

_CHECK_SECONDS = 60


def prepare(store: str) -> None:
    """Put the index template into OpenSearch, or the present one again.

    Args:
        store: its URL.

    Raises:
        MonitoringError: it refuses it, or does not answer.
    """
    with httpx2.Client(base_url=store, trust_env=False, timeout=60) as client:
        for path, body in requests(replicas=0):
            try:
                answer = client.put(path, json=body)
            except httpx2.TransportError as error:
                raise MonitoringError(f"{store}{path}: {type(error).__name__}") from None
            if answer.is_error:
                raise MonitoringError(f"{store}{path}: HTTP {answer.status_code}")


def server(
    directory: Path, address: str, logs: Sequence[Path | str], store: Store = "opensearch"
) -> tuple[Server, bool]:
    """Write the configuration of what ships; return how it is run, and whether that is news.

    Args:
        directory: of all servers.
        address: URL of the store.
        logs: files, with wildcards in their names.
        store: what it is.
    """
    # Whoever ships runs elsewhere, where a relative path would mean another file.
    absolute = [Path(path).absolute() for path in logs]
    rsyslog = shutil.which("rsyslogd", path=os.environ.get("PATH", "") + _SUPERUSERS)
    if rsyslog is not None:
        folder = directory / RSYSLOG
        (folder / "work").mkdir(parents=True, exist_ok=True)
        file = folder / "rsyslog.conf"
        changed = _write(
            file, rsyslog_conf(absolute, address, folder / "work", store=store).encode()
        )
        if _accepts(rsyslog, file):
            return _of_rsyslog(rsyslog, folder, file), changed
    folder = directory / SHIPPER
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "shipper.json"
    settings = ShipperSettings(
        patterns=[str(path) for path in absolute],
        url=address,
        path=VICTORIALOGS_BULK if store == "victorialogs" else f"/{DATA_STREAM}/_bulk",
        positions=str(folder / "positions.json"),
    )
    changed = _write(file, msgspec.json.encode(settings))
    shipper = Server(
        name=SHIPPER,
        what=f"ships log lines; for rsyslog instead: {INSTALL_RSYSLOG}",
        command=[sys.executable, "-m", "pixstream.monitoring.shipper", file],
        directory=folder,
    )
    return shipper, changed


def _of_rsyslog(program: str, folder: Path, file: Path) -> Server:
    return Server(
        name=RSYSLOG,
        what="rsyslog: ships log lines",
        command=[program, "-n", "-f", file, "-i", folder / "rsyslog.pid"],
        directory=folder,
    )


def _write(file: Path, content: bytes) -> bool:
    """Write a file; return whether it was another before."""
    if file.exists() and file.read_bytes() == content:
        return False
    file.write_bytes(content)
    return True


def _accepts(program: str, file: Path) -> bool:
    """Return whether this rsyslog has the modules that the configuration names."""
    checked = subprocess.run(
        [program, "-N1", "-f", file], capture_output=True, check=False, timeout=_CHECK_SECONDS
    )
    return checked.returncode == 0
