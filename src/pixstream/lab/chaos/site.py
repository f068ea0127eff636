"""The pipeline under test: its directory and disk, its broker behind a proxy, its processes."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec
import psutil

from pixstream import config, kafka
from pixstream.errors import PixstreamError
from pixstream.lab.broker.embedded import EmbeddedBroker
from pixstream.lab.broker.properties import PROXIED
from pixstream.lab.chaos.proxy import Proxy
from pixstream.lab.chaos.supervised import Supervised
from pixstream.lab.demo import declaring
from pixstream.lab.demo.place import Place, free_port
from pixstream.patience import Patience
from pixstream.processes.component import ChildSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from pixstream.config.settings import Settings
    from pixstream.kafka.ports import Client

log = logging.getLogger("pixstream.lab.chaos")

CONSUMER = "delta_lake"
PROCESSOR = "tally"
REPLICAS = 2
SESSION_MS = 6_000
ORPHAN_SECONDS = 30.0
"""Longest time that children of a killed supervisor may idle before they exit."""

_DISK_BYTES, _DISK_BYTES_PER_FACT = 256 * 2**20, 1024


class _Place(Place):
    """The demo's directory, with settings for fast recovery and a broker behind the proxy."""

    def __init__(self, directory: Path, client: str) -> None:
        super().__init__(directory, client)
        self.proxy_port = free_port()

    def _settings(self) -> dict[str, Any]:
        settings = super()._settings()
        settings["kafka"] |= {
            "bootstrap_servers": f"127.0.0.1:{self.proxy_port}",
            "session_timeout_ms": SESSION_MS,
            "transaction_timeout_ms": 10_000,
        }
        settings["retry"] = {"max_seconds": 1.0}
        settings["supervisor"] = {"restart": {"min_seconds": 0.1, "max_seconds": 1.0}}
        settings["producers"]["bank_api"] |= {
            "poll_seconds": 1,
            "overlap_seconds": 5,
            # Each sweep reads every return again: frequent sweeps would dominate a long run.
            "returns_every_seconds": 15,
        }
        settings["consumers"][CONSUMER] |= {
            "replicas": REPLICAS,
            "batch": {"rows": 5_000, "seconds": 0.5},
        }
        settings["processors"] = {
            PROCESSOR: {
                "type": "chaos_tally",
                "replicas": REPLICAS,
                "batch": {"rows": 500, "seconds": 0.2},
            }
        }
        return settings


class Site:
    """Everything that faults can hit.

    Args:
        directory: emptied by `prepare`.
        client: `confluent` or `kafka-python`.
        facts: number of facts to come; it sizes the disk of the tables.
        environment: environment variables for the pipeline's processes in addition to our own.
    """

    def __init__(
        self,
        directory: Path,
        client: str,
        facts: int,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.place = _Place(directory, client)
        self.broker = EmbeddedBroker(directory / "kafka", proxy_port=self.place.proxy_port)
        self.proxy = Proxy(self.place.proxy_port)
        self._environment = {**os.environ, **(environment or {})}
        self._supervised = Supervised(self._environment)
        self._disk_bytes = _DISK_BYTES + facts * _DISK_BYTES_PER_FACT
        self._joined: subprocess.Popen[bytes] | None = None
        self._starts = 0
        self._errors: Any = None
        self.settings: Settings
        self.client: Client
        self.own_disk = False

    def prepare(self) -> None:
        """Prepare directory, disk, broker, topics and proxy, without starting the pipeline.

        Raises:
            PixstreamError: the broker does not start, or a port is in use.
        """
        self.broker.stop()
        self._unmount()
        self.place.prepare()
        self.place.lake.mkdir()
        self._mount()
        bootstrap = self.broker.start()
        self.proxy.upstream = int(self.broker.status().listeners[PROXIED].rpartition(":")[2])
        self.proxy.start()
        self.settings = config.load(self.place.config)
        direct = msgspec.structs.replace(self.settings.kafka, bootstrap_servers=bootstrap)
        self.client = kafka.connect(direct)
        admin = self.client.admin()
        declaring.create(self.settings.declared_topics, admin)
        admin.close()
        self._errors = (self.place.logs / "components.err").open("ab")

    def close(self) -> None:
        """Stop every process and unmount the disk; safe to call at any time."""
        if self._joined is not None and self._joined.poll() is None:
            self._joined.kill()
            self._joined.wait()
        self._supervised.kill()
        self.proxy.stop()
        self.broker.stop()
        if self._errors is not None:
            self._errors.close()
        self._unmount()

    # Processes

    def start(self) -> None:
        """Start the supervisor, which starts the components.

        Every other time the logs have one reader more: streams move between replicas.
        """
        replicas = f"producers.system_log.replicas={1 + self._starts % 2}"
        self._starts += 1
        command = [sys.executable, "-m", "pixstream.cli", "-c", str(self.place.config)]
        self._supervised.start([*command, "--set", replicas, "run"], self._errors)

    def unasked_ends(self) -> Sequence[str]:
        """Return every unexpected exit of the supervisor so far, as text."""
        self._supervised.look()
        return self._supervised.ends

    def revive(self) -> None:
        """Start another supervisor if it exited on its own, so that the run can still be judged.

        Only outside a storm, which does the same with its next kill.
        """
        if not self.is_running():
            self.start()

    def is_running(self) -> bool:
        """Return whether a supervisor is running."""
        return self._supervised.look() is not None

    def drain(self, seconds: float) -> int | None:
        """Stop the supervisor with SIGTERM, like an operator.

        Returns:
            Its exit code; None if it had exited on its own.

        Raises:
            PixstreamError: it idles for that many seconds and does not exit.
        """
        return self._supervised.drain(seconds)

    def components(self) -> dict[str, psutil.Process]:
        """Return the running processes of components, by `name-replica`."""
        supervisor = self._supervised.look()
        if supervisor is None:
            return {}
        found: dict[str, psutil.Process] = {}
        with suppress(psutil.NoSuchProcess):
            for child in psutil.Process(supervisor).children():
                with suppress(psutil.Error, msgspec.DecodeError, IndexError):
                    order = msgspec.json.decode(child.cmdline()[-1], type=ChildSpec)
                    if child.status() != psutil.STATUS_ZOMBIE:
                        found[f"{order.name}-{order.replica}"] = child
        return found

    def kill_supervisor(self) -> bool:
        """SIGKILL it, check that its children exit, start another; False if none was running.

        Raises:
            PixstreamError: children outlived it.
        """
        children = list(self.components().values())
        killed = self._supervised.kill()
        self.start()
        patience = Patience(ORPHAN_SECONDS)
        while any(map(_is_alive, children)):
            if patience.exhausted:
                raise PixstreamError("components outlived their killed supervisor")
            time.sleep(0.1)
        return killed

    def join(self) -> None:
        """Add a replica of the consumer to the group; an earlier extra replica leaves first."""
        self.leave()
        order = ChildSpec(
            config_path=str(self.place.config),
            environment=None,
            overrides=[],
            name=CONSUMER,
            replica=REPLICAS,
        )
        self._joined = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "pixstream.processes.component",
                msgspec.json.encode(order).decode(),
            ],
            stdin=subprocess.PIPE,
            stderr=self._errors,
            env=self._environment,
        )

    def leave(self) -> None:
        """Drain and stop the extra replica; kill it if it does not stop."""
        if self._joined is None:
            return
        self._joined.terminate()
        try:
            self._joined.wait(20)
        except subprocess.TimeoutExpired:
            self._joined.kill()
            self._joined.wait()
        self._joined = None

    def kill_broker(self, after: Callable[[], None]) -> None:
        """SIGKILL Kafka, call `after`, and start Kafka again on its data."""
        self.broker.kill()
        after()
        self.broker.start()

    # The tables' disk

    def fill_disk(self) -> Path | None:
        """Fill the tables' disk; return the file to remove, or None without a separate disk."""
        if not self.own_disk:
            return None
        ballast = self.place.lake / ".ballast"
        with ballast.open("wb") as out, suppress(OSError):
            while True:
                free = os.statvfs(self.place.lake)
                size = ballast.stat().st_size
                os.posix_fallocate(out.fileno(), size, max(1, free.f_bavail) * free.f_frsize)
        return ballast

    def read_only(self, *, on: bool) -> bool:
        """Remount the tables' disk read-only or writable; False if that is not possible now."""
        if not self.own_disk:
            return False
        how = "remount,ro" if on else "remount,rw"
        done = subprocess.run(
            ["mount", "-o", how, str(self.place.lake)],  # noqa: S607  the system's own command
            capture_output=True,
            check=False,
        )
        return done.returncode == 0

    def _mount(self) -> None:
        """Mount a separate disk for the tables, if this user may mount one."""
        size = f"size={self._disk_bytes}"
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(self.place.lake)],  # noqa: S607
            capture_output=True,
            check=False,
        )
        self.own_disk = done.returncode == 0

    def _unmount(self) -> None:
        lake = self.place.lake
        if lake.is_mount():
            command = ["umount", "-l", str(lake)]
            subprocess.run(command, capture_output=True, check=False)
            self.own_disk = False

    def keep_tables(self) -> None:
        """Copy the tables from their separate disk, so that they outlive the run."""
        if self.own_disk:
            shutil.copytree(self.place.lake, self.place.directory / "lake-kept")


def _is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
