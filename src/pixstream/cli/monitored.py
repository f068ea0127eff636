"""What the commands of `monitoring` share: the servers, what they watch, and how they are shown."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from pixstream.kafka import embedded
from pixstream.logs.settings import COMPONENT
from pixstream.processes import run_status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pixstream.config.settings import Settings
    from pixstream.monitoring.process import Seen
    from pixstream.monitoring.prometheus import Targets
    from pixstream.monitoring.servers import Monitoring

_MB = 10**6


def servers(settings: Settings) -> Monitoring:
    """Return the servers of this configuration's data directory, running or not."""
    from pixstream.monitoring.servers import Monitoring

    return Monitoring(Path(settings.data_dir) / "monitoring", settings.monitoring)


def targets(settings: Settings) -> Targets:
    """Return what to scrape: the configured port, what runs now elsewhere, the embedded broker."""
    from pixstream.monitoring.prometheus import Targets

    found: list[str] = []
    if settings.metrics.enabled and settings.metrics.port:
        host = settings.metrics.host
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)  # noqa: S104  not to bind
        found.append(f"{host}:{settings.metrics.port}")
    for seen in run_status.read(Path(settings.data_dir) / "run"):
        address = seen.status.metrics
        if seen.alive and address:
            found.append(address.removeprefix("http://").removesuffix("/metrics"))
    broker = embedded.metrics_address(Path(settings.data_dir))
    return Targets(
        pixstream=list(dict.fromkeys(found)), kafka=[broker] if broker is not None else []
    )


def log_files(settings: Settings) -> list[str]:
    """Return the log files to ship, with wildcards for renamed ones; empty: there are none."""
    if settings.logging.file is None:
        return []
    file = str(Path(settings.logging.file).absolute())
    return [file.replace(COMPONENT, "*") + "*"]


def table(seen: Sequence[Seen]) -> Table:
    """Return the servers for people."""
    shown = Table("server", "state", "address", "pid", "memory", "what", box=None, pad_edge=False)
    for one in seen:
        runs = one.process is not None
        shown.add_row(
            one.name,
            Text("running" if runs else "ended", style="" if runs else "red"),
            one.address or "-",
            str(one.process.pid) if one.process else "-",
            f"{one.memory / _MB:,.0f} MB" if runs else "-",
            one.what if runs else f"see {one.log}",
        )
    total = sum(one.memory for one in seen)
    shown.add_row("", "", "", "", f"{total / _MB:,.0f} MB", "in all")
    return shown
