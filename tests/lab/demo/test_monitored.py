"""What a demo under monitoring concludes from what its servers hold."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest

from pixstream.config.settings import MonitoringSettings
from pixstream.errors import MonitoringError
from pixstream.lab.demo import monitored
from pixstream.lab.demo.monitored import Monitored, Watch
from pixstream.monitoring import opensearch
from pixstream.monitoring.missing import Missing
from pixstream.monitoring.process import Seen
from pixstream.monitoring.prometheus import Targets
from pixstream.monitoring.servers import Begun, Monitoring

SHIPPED = {"host.name": "vm", "log.file.path": "/logs/pixstream.log"}


class Store:
    """A store with these documents."""

    documents: tuple[dict[str, Any], ...] = ()

    def __init__(self, address: str) -> None:
        assert address == "http://store"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def count(self) -> int:
        return len(self.documents)

    def lines(self) -> Iterator[dict[str, Any]]:
        yield from self.documents


@pytest.fixture
def watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watch:
    store = Seen(name=opensearch.NAME, what="", address="http://store", log=tmp_path, process=None)
    monkeypatch.setattr(Monitoring, "status", lambda _: [store])
    monkeypatch.setattr(monitored, "LogStore", Store)
    monkeypatch.setattr(monitored, "IDLE_SECONDS", 0.2)
    return Watch(tmp_path / "monitoring", MonitoringSettings(), lambda _: None)


def conclude(
    watch: Watch, tmp_path: Path, lines: list[dict[str, Any]], stored: list[dict[str, Any]]
) -> Monitored:
    file = tmp_path / "pixstream.log"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    Store.documents = tuple(stored)
    seen = Monitored(metrics=1, alerts_firing=0)
    watch.logs(seen, [file])
    return seen


def line(number: int) -> dict[str, Any]:
    return {"@timestamp": "t", "message": f"line {number}", "process.pid": 7}


def test_every_line_is_compared_whole_whatever_the_order_of_its_fields(
    watch: Watch, tmp_path: Path
) -> None:
    stored = [SHIPPED | dict(reversed(line(n).items())) for n in (2, 1)]
    seen = conclude(watch, tmp_path, [line(1), line(2)], stored)
    assert (seen.log_lines, seen.log_lines_missing) == (2, 0)
    assert watch.problems == []
    assert seen.ok


def test_a_line_that_is_missing_altered_or_there_twice_is_told(
    watch: Watch, tmp_path: Path
) -> None:
    altered = line(2) | {"message": "another"}
    seen = conclude(watch, tmp_path, [line(1), line(2), line(3)], [line(1), line(1), altered])
    assert (seen.log_lines, seen.log_lines_missing) == (3, 2)
    assert watch.problems == [
        "2 log lines are in OpenSearch more often than in files",
        "2 log lines are not in OpenSearch",
    ]
    assert not seen.ok


@pytest.mark.parametrize(
    "seen",
    [
        Monitored(metrics=0, alerts_firing=0, log_lines=1),
        Monitored(metrics=1, alerts_firing=1, log_lines=1),
        Monitored(metrics=1, alerts_firing=0, log_lines=0),
        Monitored(metrics=1, alerts_firing=0, log_lines=1, empty_queries=1),
    ],
)
def test_what_is_not_as_it_should_be_is_not_ok(seen: Monitored) -> None:
    assert not seen.ok


def test_no_dashboard_is_no_empty_query() -> None:
    assert Monitored(metrics=1, alerts_firing=0, log_lines=1).ok
    assert Monitored(metrics=1, alerts_firing=0, log_lines=1, empty_queries=0).ok


def test_a_machine_that_lacks_a_server_is_told_what_to_install_and_nothing_is_left(
    watch: Watch, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lack = Missing("prometheus", "Prometheus", "apt-get install prometheus", "no metrics are kept")
    monkeypatch.setattr(
        Monitoring, "up", lambda *_: Begun(missing=[lack], failed=["opensearch ended"])
    )
    stopped: list[Monitoring] = []
    monkeypatch.setattr(Monitoring, "down", lambda one: stopped.append(one))  # noqa: PLW0108  a builtin is not bound
    with pytest.raises(MonitoringError, match="apt-get install prometheus; opensearch ended"):
        watch.up(Targets(), tmp_path / "pixstream.log")
    assert len(stopped) == 1
