"""`pixstream check`: check that everything a run needs is in place."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pixstream.errors import BrokerError, PixstreamError

if TYPE_CHECKING:
    from pixstream.cli.root import Root
    from pixstream.config.settings import Settings
    from pixstream.kafka.settings import KafkaSettings
    from pixstream.preflight import Finding

MARKS = {True: "ok   ", False: "FAIL ", None: "--   "}
WARNS = "warn "


@click.command()
@click.pass_obj
def check(root: Root) -> int:
    """Validate the configuration, then probe the broker, topics, sources and destinations.

    \b
    Prints one line per probe. Keys that others may read, certificates that expire within 14 days
    and what a source finds wrong but can work with are warnings. A run of the same components may
    go on meanwhile. Exit code 0: every probe succeeded, perhaps with warnings; 2: at least one
    failed.
      pixstream --env prod check
    """  # noqa: D301  \b keeps click from rewrapping the paragraph
    from pixstream.preflight import examine

    settings = root.load()
    click.echo(f"{MARKS[True]}configuration  {root.path}")
    failed = False
    for found in examine(settings, _address(settings)):
        finding = _beside(found, settings)
        mark = WARNS if finding.warns else MARKS[finding.ok]
        click.echo(f"{mark}{finding.what}  {finding.text}")
        failed = failed or finding.ok is False
    return 2 if failed else 0


def _beside(finding: Finding, settings: Settings) -> Finding:
    """Return the finding, or a better one if only our own running component has its port."""
    if not finding.port_taken:
        return finding
    name = finding.what.split()[-1]
    port = getattr(settings.components.get(name), "port", None)
    for pid in _processes(name, Path(settings.data_dir) / "run"):
        if port in _ports(pid):
            text = f"port {port} is in use by the running {name} itself, process {pid}"
            return finding._replace(ok=True, text=text)
    return finding


def _processes(component: str, directory: Path) -> list[int]:
    """Return the processes of a component that run now; none if another release started them."""
    from pixstream.processes import run_status

    try:
        seen = run_status.read(directory)
    except PixstreamError:
        return []
    return [
        one.pid
        for supervisor in seen
        if supervisor.alive
        for one in supervisor.status.components
        if one.component == component and one.pid is not None
    ]


def _ports(pid: int) -> set[int]:
    """Return the TCP ports on which a process listens; none if it has just ended."""
    import psutil

    try:
        connections = psutil.Process(pid).net_connections("tcp")
    except psutil.Error:
        return set()
    return {c.laddr.port for c in connections if c.status == psutil.CONN_LISTEN}


def _address(settings: Settings) -> KafkaSettings | None:
    from pixstream import runtime

    try:
        return runtime.kafka_settings(settings)
    except BrokerError:
        return None
