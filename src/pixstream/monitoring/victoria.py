"""VictoriaMetrics and VictoriaLogs, where their programs are: a page to look at, in little memory.

VictoriaMetrics scrapes what Prometheus does and stands beside it, since Prometheus evaluates the
alerts. VictoriaLogs takes the place of OpenSearch, which has no page; it does not know a line that
it has already, so what is shipped again after a crash is there twice.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from pixstream.monitoring import files, prometheus
from pixstream.monitoring.missing import Missing
from pixstream.monitoring.ports import HOST
from pixstream.monitoring.process import Server

if TYPE_CHECKING:
    from pathlib import Path

METRICS, LOGS = "victoriametrics", "victorialogs"
MISSING_LOGS = Missing(
    LOGS,
    "VictoriaLogs (victoria-logs)",
    "put its program on PATH",
    "no log lines are kept",
)
KEEP = "-retentionPeriod=35d"


def metrics_server(directory: Path, port: int, targets: Path) -> Server | None:
    """Write the files of VictoriaMetrics and return how it is run; None: it is not installed.

    Args:
        directory: of its files; created.
        port: where it listens.
        targets: directory of the files that Prometheus reads its targets from.
    """
    program = shutil.which("victoria-metrics")
    if program is None:
        return None
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / "scrape.yml"
    file.write_text(prometheus.scraping(targets), "utf-8")
    return Server(
        name=METRICS,
        what="VictoriaMetrics: metrics; its page is at /vmui",
        command=[
            program,
            f"-httpListenAddr={HOST}:{port}",
            f"-storageDataPath={directory / 'data'}",
            KEEP,
            f"-promscrape.config={file}",
            f"-vmui.customDashboardsPath={files.path('victoriametrics')}",
            "-loggerLevel=WARN",
        ],
        directory=directory,
        address=f"http://{HOST}:{port}",
        ready="/health",
    )


def logs_server(directory: Path, port: int) -> Server | None:
    """Return how VictoriaLogs is run; None: it is not installed.

    Args:
        directory: of its files; created.
        port: where it listens.
    """
    program = shutil.which("victoria-logs")
    if program is None:
        return None
    directory.mkdir(parents=True, exist_ok=True)
    return Server(
        name=LOGS,
        what="VictoriaLogs: log lines; its page is at /select/vmui",
        command=[
            program,
            f"-httpListenAddr={HOST}:{port}",
            f"-storageDataPath={directory / 'data'}",
            KEEP,
            "-loggerLevel=WARN",
        ],
        directory=directory,
        address=f"http://{HOST}:{port}",
        ready="/health",
    )
