"""The place of a demo: one directory with its own configuration, keys, inputs, tables and logs.

The configuration is an ordinary file, so that every command can inspect the demo afterwards:
`pixstream -c data/demo/kafka_config.yaml dead-letters list`.
"""

from __future__ import annotations

import secrets
import shutil
import socket
from typing import TYPE_CHECKING, Any

import yaml

from pixstream.kafka.names import DLQ, DLQ_STATE, EVENT_TOPICS, POSITIONS
from pixstream.lab.simulation.world import OWN_ISPB
from pixstream.privacy import create_key_file

if TYPE_CHECKING:
    from pathlib import Path

ACCOUNT = "main"
CLIENT_ID = "pixstream-demo"


class Place:
    """The directory of one demo.

    Args:
        directory: emptied by `prepare`; the broker of an old demo must be stopped before.
        client: `confluent` or `kafka-python`.
        spark: run the Spark job in addition to the Delta consumer.
        monitored: the broker serves its own metrics too.
    """

    def __init__(
        self, directory: Path, client: str, *, spark: bool = False, monitored: bool = False
    ) -> None:
        self.directory = directory
        self.client = client
        self.spark = spark
        self.monitored = monitored
        self.config = directory / "kafka_config.yaml"
        self.spi = directory / "spi"
        self.app_log = directory / "app" / "pix.jsonl"
        self.lake = directory / "lake"
        self.silver = directory / "spark"
        self.logs = directory / "logs"
        self.log = self.logs / "pixstream.log"
        self.monitoring = directory / "monitoring"
        self.letters = directory / "letters"
        self.secret = secrets.token_urlsafe(16)
        self.bank_port = free_port()
        self.webhook_port = free_port()
        self.page_port = free_port()
        self.metrics_port = free_port()

    @property
    def webhook_url(self) -> str:
        """The URL registered at the bank, which posts to it with /pix appended."""
        return f"http://127.0.0.1:{self.webhook_port}/hooks"

    @property
    def page_url(self) -> str:
        """The URL of the operator's page, while the components run."""
        return f"http://127.0.0.1:{self.page_port}/"

    def prepare(self) -> None:
        """Empty the directory, create the keys, and write the configuration."""
        shutil.rmtree(self.directory, ignore_errors=True)
        for directory in (self.spi, self.app_log.parent, self.logs):
            directory.mkdir(parents=True)
        for name in ("pseudonym", "encryption"):
            create_key_file(self.directory / "keys" / f"{name}.key")
        text = yaml.safe_dump(self._settings(), sort_keys=False, allow_unicode=True)
        self.config.write_text(
            "# Made by `pixstream demo`; kafka_config.yaml at the root explains every setting.\n"
            + text,
            encoding="utf-8",
        )
        self.config.chmod(0o600)

    def _settings(self) -> dict[str, Any]:
        keys = self.directory / "keys"
        events = {"partitions": 3, "retention": "7d"}
        bank = f"http://127.0.0.1:{self.bank_port}"
        return {
            "data_dir": str(self.directory),
            "institution": {"ispbs": [OWN_ISPB]},
            "privacy": {
                "pseudonym_key": f"file:{keys / 'pseudonym.key'}",
                "encryption_key": f"file:{keys / 'encryption.key'}",
            },
            "kafka": {"client": self.client},
            "broker": {"metrics_port": 0 if self.monitored else None},
            # A free port: demos and storms run beside other supervisors.
            "metrics": {"port": self.metrics_port},
            "page": {"port": self.page_port, "token": secrets.token_urlsafe(16)},
            "logging": {"file": str(self.log)},
            "topics": {
                **{topic: dict(events) for topic in EVENT_TOPICS.values()},
                **{topic: {} for topic in (DLQ, POSITIONS, DLQ_STATE)},
            },
            "producers": {
                "bank_api": {
                    "url": f"{bank}/pix/v2",
                    "token_url": f"{bank}/oauth/token",
                    "client_id": CLIENT_ID,
                    "client_secret": self.secret,
                    "accounts": [{"name": ACCOUNT, "ispb": OWN_ISPB}],
                    "start": "5d",
                    "poll_seconds": 2,
                    "overlap_seconds": 60,
                    "returns_every_seconds": 5,
                },
                "webhook": {
                    "port": self.webhook_port,
                    "path": "/hooks",
                    "ispb": OWN_ISPB,
                },
                "system_log": {"paths": [str(self.app_log)], "start": "beginning"},
                "iso20022": {"directory": str(self.spi)},
            },
            "consumers": {
                "delta_lake": {
                    "uri": str(self.lake),
                    "batch": {"rows": 20_000, "seconds": 2.0},
                },
            }
            | ({"spark": {"batch": {"seconds": 5.0}}} if self.spark else {}),
            "spark": {
                "path": str(self.silver),
                "checkpoints": str(self.silver / "checkpoints"),
            },
        }


def free_port() -> int:
    """Return a free port of the loopback address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
