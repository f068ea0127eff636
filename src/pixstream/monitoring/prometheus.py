"""Prometheus: its configuration, and what it scrapes."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from pixstream.monitoring import files
from pixstream.monitoring.missing import Missing
from pixstream.monitoring.ports import HOST
from pixstream.monitoring.process import Server

if TYPE_CHECKING:
    from pathlib import Path

NAME = "prometheus"
SCRAPE_SECONDS = 5
KAFKA_SECONDS = 15
"""The JMX exporter takes a broker 0.08 s of processor time for each scrape."""

_MISSING = Missing(
    NAME,
    "Prometheus",
    "apt-get install prometheus",
    "no metrics are kept and no alert is evaluated",
)


@dataclass(frozen=True, kw_only=True)
class Targets:
    """What is scraped: `host:port` of each page, by job.

    Attributes:
        pixstream: every `pixstream run`.
        kafka: the JMX exporter of each broker.
    """

    pixstream: Sequence[str] = ()
    kafka: Sequence[str] = ()

    def write(self, directory: Path) -> None:
        """Write a file for each job; Prometheus notices a changed one by itself."""
        directory.mkdir(parents=True, exist_ok=True)
        for job, addresses in (("pixstream", self.pixstream), ("kafka", self.kafka)):
            groups = [{"targets": list(addresses)}] if addresses else []
            part = directory / f"{job}.part"
            part.write_text(json.dumps(groups), "utf-8")
            part.replace(directory / f"{job}.json")


def configuration(targets: Path, own: str, alertmanager: str | None) -> str:
    """Return the text of prometheus.yml.

    Args:
        targets: directory of `pixstream.json` and `kafka.json`, see `Targets`.
        own: `host:port` of this Prometheus.
        alertmanager: that of Alertmanager; None: alerts are only shown.
    """
    static = [("prometheus", own), ("alertmanager", alertmanager)]
    settings: dict[str, Any] = {
        "global": {
            "scrape_interval": f"{SCRAPE_SECONDS}s",
            "evaluation_interval": f"{SCRAPE_SECONDS}s",
        },
        "rule_files": [str(files.path("prometheus/rules") / "*.yml")],
        "scrape_configs": [
            *_found(targets),
            *(
                {"job_name": job, "static_configs": [{"targets": [address]}]}
                for job, address in static
                if address is not None
            ),
        ],
    }
    if alertmanager is not None:
        settings["alerting"] = {
            "alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]
        }
    return "# Made by `pixstream monitoring up`.\n" + yaml.safe_dump(settings, sort_keys=False)


def targets_in(directory: Path) -> Path:
    """Return where the files of its targets are, below its directory."""
    return directory / "targets"


def scraping(targets: Path) -> str:
    """Return a configuration that only scrapes, for another server that reads this format."""
    settings = {
        "global": {"scrape_interval": f"{SCRAPE_SECONDS}s"},
        "scrape_configs": _found(targets),
    }
    return "# Made by `pixstream monitoring up`.\n" + yaml.safe_dump(settings, sort_keys=False)


def _found(targets: Path) -> list[dict[str, Any]]:
    return [
        {
            "job_name": job,
            "scrape_interval": f"{seconds}s",
            "file_sd_configs": [{"files": [str(targets / f"{job}.json")]}],
        }
        for job, seconds in (("pixstream", SCRAPE_SECONDS), ("kafka", KAFKA_SECONDS))
    ]


def server(
    directory: Path, port: int, targets: Targets, alertmanager: str | None
) -> Server | Missing:
    """Write the files of Prometheus and return how it is run.

    Args:
        directory: of its files; created.
        port: where it listens.
        targets: what it scrapes.
        alertmanager: `host:port`; None: none runs.
    """
    program = shutil.which("prometheus")
    if program is None:
        return _MISSING
    directory.mkdir(parents=True, exist_ok=True)
    targets.write(targets_in(directory))
    file = directory / "prometheus.yml"
    own = f"{HOST}:{port}"
    file.write_text(configuration(targets_in(directory), own, alertmanager), "utf-8")
    return Server(
        name=NAME,
        what="Prometheus: metrics and rules; its page is at /classic/graph",
        command=[
            program,
            f"--config.file={file}",
            f"--storage.tsdb.path={directory / 'data'}",
            "--storage.tsdb.retention.time=35d",
            f"--web.listen-address={own}",
            "--log.level=warn",
        ],
        directory=directory,
        address=f"http://{own}",
        ready="/-/ready",
        rereads=signal.SIGHUP,
    )
