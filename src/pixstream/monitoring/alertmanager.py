"""Alertmanager: the routes of `monitoring/alertmanager/alertmanager.yml`, with local receivers."""

from __future__ import annotations

import shutil
import signal
from typing import TYPE_CHECKING, Any

import yaml

from pixstream.monitoring import files
from pixstream.monitoring.missing import Missing
from pixstream.monitoring.ports import HOST
from pixstream.monitoring.process import Server

if TYPE_CHECKING:
    from pathlib import Path

NAME = "alertmanager"
_MISSING = Missing(
    NAME,
    "Alertmanager",
    "apt-get install prometheus-alertmanager",
    "alerts are shown by Prometheus, but sent to nobody",
)


def configuration(webhook: str | None) -> str:
    """Return the text of alertmanager.yml for this machine.

    Routes and inhibition are those of the example, so what is tried here is what production does;
    its receivers need accounts, so here each posts to the webhook instead.

    Args:
        webhook: URL that every notification is posted to; None: they are only shown.
    """
    example = files.path("alertmanager/alertmanager.yml").read_text("utf-8")
    settings: dict[str, Any] = yaml.safe_load(example)
    settings.pop("global", None)
    posts = {} if webhook is None else {"webhook_configs": [{"url": webhook}]}
    settings["receivers"] = [{"name": one["name"], **posts} for one in settings["receivers"]]
    return "# Made by `pixstream monitoring up`.\n" + yaml.safe_dump(settings, sort_keys=False)


def server(directory: Path, port: int, webhook: str | None) -> Server | Missing:
    """Write the files of Alertmanager and return how it is run.

    Args:
        directory: of its files; created.
        port: where it listens.
        webhook: see `configuration`.
    """
    program = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    if program is None:
        return _MISSING
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / "alertmanager.yml"
    file.touch(mode=0o600)  # the webhook's URL may contain a token
    file.write_text(configuration(webhook), "utf-8")
    return Server(
        name=NAME,
        what="Alertmanager: routes and silences of alerts",
        command=[
            program,
            f"--config.file={file}",
            f"--storage.path={directory / 'data'}",
            f"--web.listen-address={HOST}:{port}",
            "--cluster.listen-address=",
            "--log.level=warn",
        ],
        directory=directory,
        address=f"http://{HOST}:{port}",
        ready="/-/ready",
        rereads=signal.SIGHUP,
    )
