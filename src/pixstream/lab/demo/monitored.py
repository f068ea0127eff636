"""The demo under monitoring: real servers beside it, asked at the end what they have seen."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from pixstream.errors import MonitoringError
from pixstream.monitoring import opensearch, panels, prometheus
from pixstream.monitoring.asking import LogStore, Prometheus
from pixstream.monitoring.prometheus import SCRAPE_SECONDS, Targets
from pixstream.monitoring.servers import Monitoring
from pixstream.patience import Patience

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path
    from typing import Any

    from pixstream.config.settings import MonitoringSettings

ADDED = ("host.name", "log.file.path")
"""What shippers add to a line."""

EXPECTED = {
    "PixDlqGrowing": "the demo offers malformed inputs",
    "PixDlqFlood": "the same",
    "PixFreshnessBurnFast": "the demo reads the bank's last five days",
    "PixFreshnessBurnSlow": "the same",
}
"""Alerts that a demo provokes on purpose; a short one is over before they fire."""

IDLE_SECONDS = 120.0
"""Servers that show nothing new for so long, while nothing works, have nothing more to show."""

_PAUSE_SECONDS = 0.2


class Monitored(msgspec.Struct, kw_only=True):
    """What the servers have seen of the demo: `monitoring` in its last line."""

    metrics: int
    """Families of pixstream's metrics with data."""

    empty_queries: int | msgspec.UnsetType = msgspec.UNSET
    """Queries of dashboards without data; absent while there are no dashboards."""

    alerts_firing: int
    """Alerts that fire at the end, without those that the demo provokes on purpose."""

    log_lines: int = 0
    """Lines in the log files."""

    log_lines_missing: int = 0
    """Those that are not in the store."""

    @property
    def ok(self) -> bool:
        """Whether there are metrics and lines, and nothing is missing or alarming."""
        return bool(self.metrics and self.log_lines) and not (
            self.alerts_firing or self.log_lines_missing or self.empty_queries or False
        )


class Watch:
    """The servers beside one demo.

    Args:
        directory: of their files.
        settings: the `monitoring` section.
        say: tells a person.
        interrupted: returns the number of stop signals received; a wait ends then.
    """

    def __init__(
        self,
        directory: Path,
        settings: MonitoringSettings,
        say: Callable[[str], None],
        interrupted: Callable[[], int] = lambda: 0,
    ) -> None:
        self._interrupted = interrupted
        self._servers = Monitoring(directory, settings)
        self._say = say
        self._began = time.time()
        self.problems: list[str] = []

    def up(self, targets: Targets, logs: Path) -> None:
        """Start the servers.

        Args:
            targets: what Prometheus scrapes.
            logs: the log file; its renamed ones beside it.

        Raises:
            MonitoringError: a program is not installed, or does not start. The servers are stopped.
        """
        begun = self._servers.up(targets, [f"{logs}*"])
        lacks = [*map(str, begun.missing), *begun.failed]
        if lacks:
            self.down()
            raise MonitoringError("the demo cannot be monitored: " + "; ".join(lacks))
        for seen in self._servers.status():
            self._say(f"{seen.what}: {seen.address or 'running'}, {seen.memory / 10**6:.0f} MB")

    def down(self) -> None:
        """Stop the servers; their data stay."""
        self._servers.down()

    def metrics(self) -> Monitored:
        """Return what Prometheus holds, once it has read the last state of everything."""
        with Prometheus(self._address(prometheus.NAME)) as server:
            self._await_scrape(server, time.time())
            firing = [name for name in server.firing() if name not in EXPECTED]
            seen = Monitored(metrics=len(server.families()), alerts_firing=len(firing))
            self.problems += [f"the alert {name} fires" for name in sorted(set(firing))]
            queries = panels.queries()
            now = time.time()
            empty = [one for one in queries if not server.has_data(one, self._began, now)]
            self.problems += [f"no data for the panel's query {query}" for query in empty]
            if queries:
                seen.empty_queries = len(empty)
        return seen

    def logs(self, seen: Monitored, files: Iterable[Path]) -> None:
        """Compare the log files, to which nothing is written any more, with the store.

        Args:
            seen: gets the numbers.
            files: all log files.
        """
        lines = Counter(line for file in files for line in _lines(file))
        seen.log_lines = lines.total()
        with LogStore(self._address(opensearch.NAME)) as store:
            patience = Patience(IDLE_SECONDS)
            while (held := store.count()) < seen.log_lines and not self._over(patience):
                patience.saw(held)
                time.sleep(_PAUSE_SECONDS)
            stored = Counter(map(_shipped, store.lines()))
        seen.log_lines_missing = (lines - stored).total()
        twice = (stored - lines).total()
        if twice:
            self.problems.append(f"{twice:,} log lines are in OpenSearch more often than in files")
        if seen.log_lines_missing:
            self.problems.append(f"{seen.log_lines_missing:,} log lines are not in OpenSearch")

    def _await_scrape(self, server: Prometheus, moment: float) -> None:
        """Wait until Prometheus has read our page after a moment, and has looked at its rules."""
        patience = Patience(IDLE_SECONDS)
        oldest = 'min(timestamp(up{job="pixstream"}))'
        while not self._over(patience):
            found = server.query(oldest)
            if found and float(found[0]["value"][1]) > moment + SCRAPE_SECONDS:
                return
            time.sleep(_PAUSE_SECONDS)
        raise MonitoringError("Prometheus has not read the metrics of the demo")

    def _over(self, patience: Patience) -> bool:
        return patience.exhausted or self._interrupted() > 0

    def _address(self, name: str) -> str:
        return next(one.address for one in self._servers.status() if one.name == name)


def _lines(file: Path) -> Iterable[bytes]:
    with file.open("rb") as log:
        for line in log:
            yield _canonical(msgspec.json.decode(line))


def _shipped(document: dict[str, Any]) -> bytes:
    return _canonical({name: value for name, value in document.items() if name not in ADDED})


def _canonical(document: dict[str, Any]) -> bytes:
    return msgspec.json.encode(document, order="sorted")
