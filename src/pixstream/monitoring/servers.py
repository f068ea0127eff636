"""All servers of one data directory: started together, looked at, stopped, by any process.

They outlive the command that starts them. `up` may be repeated: what runs is left alone, reads its
configuration again, and what does not run is started.
"""

from __future__ import annotations

import fcntl
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import httpx2

from pixstream.errors import ArtefactError, MonitoringError
from pixstream.monitoring import alertmanager, log_lines, opensearch, prometheus, victoria
from pixstream.monitoring.missing import Missing
from pixstream.monitoring.ports import Ports
from pixstream.monitoring.process import Processes, Seen, Server
from pixstream.patience import Patience

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from pixstream.config.settings import MonitoringSettings
    from pixstream.java.maven import Progress
    from pixstream.monitoring.prometheus import Targets
    from pixstream.monitoring.shipping import Store

STOP_SECONDS = 60.0
"""A server that idles for so long after SIGTERM is killed."""

START_SECONDS = 120.0
"""A server that idles for so long without an answer hangs."""

OPENSEARCH: Final = "opensearch"

ORDER = (
    *(log_lines.RSYSLOG, log_lines.SHIPPER, prometheus.NAME, alertmanager.NAME),
    *(opensearch.NAME, victoria.METRICS, victoria.LOGS),
)
"""The order in which they are stopped: who sends before who receives."""

_ASK_SECONDS = 5.0
_PAUSE_SECONDS = 0.1


@dataclass
class Begun:
    """What `up` did.

    Attributes:
        missing: programs that this machine lacks.
        failed: what went wrong with the others, a sentence each.
        notes: what a person should know besides.
    """

    missing: list[Missing] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class Monitoring:
    """The servers of one directory.

    Args:
        directory: of all their files, `DATA_DIR/monitoring`.
        settings: the `monitoring` section.
    """

    def __init__(self, directory: Path, settings: MonitoringSettings) -> None:
        self._directory = directory.resolve()
        self._settings = settings
        self._processes = Processes(self._directory / "run")

    def up(
        self, targets: Targets, logs: Sequence[Path | str] = (), progress: Progress | None = None
    ) -> Begun:
        """Start every server that does not run and wait until each works.

        Args:
            targets: what Prometheus scrapes.
            logs: log files to ship, with wildcards.
            progress: called while something is downloaded, once a user.

        Returns:
            What could not be started; everything else works.
        """
        begun = Begun()
        settings, folder = self._settings, self._directory
        with self._exclusively():
            ports = Ports(folder / "ports.json")

            def port(name: str, of: str = "") -> int:
                return ports.of(name, in_use=self._processes.find(of or name) is not None)

            alerts = self._begin(
                begun,
                lambda: alertmanager.server(
                    folder / alertmanager.NAME, port(alertmanager.NAME), settings.alert_webhook
                ),
            )
            told = alerts.address.removeprefix("http://") if alerts else None
            metrics = self._begin(
                begun,
                lambda: prometheus.server(
                    folder / prometheus.NAME, port(prometheus.NAME), targets, told
                ),
            )
            page = self._begin(
                begun,
                lambda: victoria.metrics_server(
                    folder / victoria.METRICS,
                    port(victoria.METRICS),
                    prometheus.targets_in(folder / prometheus.NAME),
                ),
            )
            store = self._begin(begun, lambda: self._store(port, progress))
            working = self._wait([one for one in (alerts, metrics, page, store) if one], begun)
            if store is not None and store in working:
                self._ship(begun, store, logs)
        return begun

    def status(self) -> list[Seen]:
        """Return every server that was started and not stopped, running or not."""
        return self._processes.seen()

    def down(self) -> list[str]:
        """Stop every server, also those of an `up` that was killed; return the names.

        Raises:
            MonitoringError: one belongs to another user, or cannot be killed.
        """
        if not self._directory.is_dir():
            return []
        with self._exclusively():
            begun = {seen.name for seen in self.status()}
            names = [*(n for n in ORDER if n in begun), *sorted(begun - set(ORDER))]
            return [name for name in names if self._processes.stop(name, STOP_SECONDS)]

    def _store(self, port: Callable[..., int], progress: Progress | None) -> Server | Missing:
        """Return how the store of log lines is run."""
        wanted = self._settings.log_store
        if wanted != OPENSEARCH:
            found = victoria.logs_server(self._directory / victoria.LOGS, port(victoria.LOGS))
            if found is not None:
                return found
            if wanted == victoria.LOGS:
                return victoria.MISSING_LOGS
        return opensearch.server(
            self._directory / opensearch.NAME,
            port(opensearch.NAME),
            port("transport", of=opensearch.NAME),
            self._settings.opensearch_heap,
            progress,
        )

    def _runs(self, name: str) -> bool:
        return self._processes.find(name) is not None

    def _begin(self, begun: Begun, make: Callable[[], Server | Missing | None]) -> Server | None:
        """Start one server, or have it read its configuration again; note why it cannot."""
        try:
            server = make()
        except ModuleNotFoundError as error:
            begun.failed.append(f'{error.msg}: pip install "pixstream[lab]"')
            return None
        except (ArtefactError, OSError) as error:
            begun.failed.append(str(error))
            return None
        if isinstance(server, Missing):
            begun.missing.append(server)
            return None
        if server is None:
            return None
        if not self._runs(server.name):
            self._processes.start(server)
        elif server.rereads is not None:
            self._processes.signal(server.name, server.rereads)
        return server

    def _wait(self, servers: Sequence[Server], begun: Begun) -> list[Server]:
        """Wait until each server works, has ended or hangs; return those that work."""
        working: list[Server] = []
        waiting = list(servers)
        patience = Patience(START_SECONDS)
        with httpx2.Client(timeout=_ASK_SECONDS, trust_env=False) as client:
            while waiting:
                for server in list(waiting):
                    if not self._runs(server.name):
                        begun.failed.append(self._ended(server))
                    elif not server.ready or _works(client, server):
                        working.append(server)
                    elif patience.exhausted:
                        begun.failed.append(
                            f"{server.name} runs but does not answer at {server.address}; see "
                            f"{self._processes.log(server.name)}"
                        )
                    else:
                        continue
                    waiting.remove(server)
                patience.saw(len(waiting))
                time.sleep(_PAUSE_SECONDS if waiting else 0)
        return working

    def _ended(self, server: Server) -> str:
        log = self._processes.log(server.name)
        said = log.read_text("utf-8", "replace").strip().splitlines() if log.exists() else []
        last = f": {said[-1][:300]}" if said else ""
        return f"{server.name} ended during its start{last} (all of it is in {log})"

    def _ship(self, begun: Begun, store: Server, logs: Sequence[Path | str]) -> None:
        """Prepare the store for log lines, and start what sends them."""
        if not logs:
            begun.notes.append(
                "no log lines are shipped: pixstream logs to its standard error. Set logging.file"
            )
            return
        kind: Store = "victorialogs" if store.name == victoria.LOGS else OPENSEARCH
        if kind == OPENSEARCH:
            try:
                log_lines.prepare(store.address)
            except MonitoringError as error:
                begun.failed.append(f"OpenSearch does not take the index template: {error}")
                return
        server, changed = log_lines.server(self._directory, store.address, logs, kind)
        for name in (log_lines.RSYSLOG, log_lines.SHIPPER):
            if changed or name != server.name:
                self._processes.stop(name, STOP_SECONDS)
        self._begin(begun, lambda: server)
        self._wait([server], begun)

    @contextmanager
    def _exclusively(self) -> Iterator[None]:
        """Serialise `up` and `down` of one directory."""
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            lock = (self._directory / "lock").open("w")
        except OSError as error:
            raise MonitoringError(
                f"{self._directory} cannot be written: {error.strerror}. Nothing was started. Free "
                "disk space, or let this user write there"
            ) from None
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _works(client: httpx2.Client, server: Server) -> bool:
    try:
        return client.get(server.address + server.ready).is_success
    except httpx2.TransportError:
        return False
