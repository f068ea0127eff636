"""The servers of monitoring, started for real: metrics to alerts, log lines to the store."""

import datetime as dt
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

from pixstream.config.settings import MonitoringSettings
from pixstream.java.runtime import find_java
from pixstream.monitoring import log_lines, opensearch, prometheus, victoria
from pixstream.monitoring.asking import LogStore, Prometheus
from pixstream.monitoring.ports import is_free
from pixstream.monitoring.process import Processes
from pixstream.monitoring.prometheus import Targets
from pixstream.monitoring.servers import Monitoring
from pixstream.testing.waiting import wait_for

PACKAGES = {"prometheus": "prometheus", "prometheus-alertmanager": "prometheus-alertmanager"}
BYTES = 10**9
"""What all servers may take together."""

PAGE = """\
# HELP pix_build_info 1
# TYPE pix_build_info gauge
pix_build_info{version="1"} 1
# TYPE pix_records counter
pix_records_total{stage="read"} 7
# TYPE pix_commit_duration_seconds histogram
pix_commit_duration_seconds_bucket{le="+Inf"} 1
pix_commit_duration_seconds_sum 1
pix_commit_duration_seconds_count 1
# TYPE kafka_log_logmanager_offlinelogdirectorycount gauge
kafka_log_logmanager_offlinelogdirectorycount{} {offline}
"""


class Site(ThreadingHTTPServer):
    """A page of metrics that is scraped, and a webhook that is told of alerts."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.offline = 1
        self.told: list[dict[str, Any]] = []

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


class Answer(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        page = PAGE.replace("{}", "").replace("{offline}", str(self.server.offline)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(page)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.told.extend(body["alerts"])
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  its parent's name
        """Keep the test's output quiet."""


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def _needed() -> None:
    for name, package in PACKAGES.items():
        if shutil.which(name) is None:
            pytest.skip(f"{name} is not installed: apt-get install {package}")
    if find_java(newest=opensearch.NEWEST_JAVA) is None:
        pytest.skip("no Java 17 to 23: apt-get install openjdk-17-jre-headless")


def _clear(directory: Path) -> None:
    """Stop what a test left, and remove what OpenSearch keeps elsewhere for root."""
    Monitoring(directory, MonitoringSettings()).down()
    user = opensearch.NOBODY if os.geteuid() == 0 else None
    shutil.rmtree(opensearch.home_of(directory / "opensearch", user))


class Running:
    """The servers of this module's tests, and a log file that they ship."""

    def __init__(self, directory: Path, site: Site) -> None:
        self.directory = directory / "monitoring"
        self.log = directory / "logs" / "pixstream.log"
        self.log.parent.mkdir()
        self.log.touch()
        self.settings = MonitoringSettings(
            alert_webhook=f"http://{site.address}/alerts", log_store="opensearch"
        )
        self.servers = Monitoring(self.directory, self.settings)
        self.targets = Targets(pixstream=[site.address], kafka=[site.address])

    def up(self) -> None:
        begun = self.servers.up(self.targets, [f"{self.log}*"])
        assert (begun.missing, begun.failed, begun.notes) == ([], [], [])

    def address(self, name: str) -> str:
        return next(one.address for one in self.servers.status() if one.name == name)

    def write(self, *numbers: int) -> None:
        with self.log.open("a", encoding="utf-8") as log:
            for number in numbers:
                line = {
                    "@timestamp": "2026-11-30T15:00:00.000Z",
                    "message": f"line {number}",
                    "event.id": f"id-{number}",
                }
                log.write(json.dumps(line) + "\n")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, site: Site) -> Iterator[Running]:
    _needed()
    found = Running(tmp_path_factory.mktemp("monitoring"), site)
    try:
        found.up()
        yield found
    finally:
        _clear(found.directory)


def test_every_server_works_and_together_they_are_small(running: Running) -> None:
    seen = {one.name: one for one in running.servers.status() if one.name != victoria.METRICS}
    ships = log_lines.RSYSLOG if "rsyslog" in seen else log_lines.SHIPPER
    assert set(seen) == {"prometheus", "alertmanager", "opensearch", ships}
    assert all(one.process for one in seen.values())
    assert 0 < sum(one.memory for one in seen.values()) < BYTES
    for one in seen.values():
        if one.address:
            assert httpx2.get(one.address + "/", timeout=60).status_code < 400


def test_up_again_leaves_alone_what_runs(running: Running) -> None:
    before = {one.name: one.process for one in running.servers.status()}
    running.up()
    assert {one.name: one.process for one in running.servers.status()} == before


def test_prometheus_holds_our_metrics_and_an_alert_reaches_the_webhook_and_clears(
    running: Running, site: Site
) -> None:
    with Prometheus(running.address(prometheus.NAME)) as server:
        families = {"pix_build_info", "pix_records", "pix_commit_duration_seconds"}
        wait_for(lambda: server.families() == families, server.families)
        name = "KafkaOfflineLogDirectory"
        wait_for(lambda: name in server.firing(), "the alert", progress=lambda: len(site.told))
        assert server.query("absent_metric") == []

    def told(status: str) -> bool:
        return any(
            (one["labels"]["alertname"], one["status"]) == (name, status) for one in site.told
        )

    wait_for(lambda: told("firing"), "the alert at the webhook")
    site.offline = 0
    wait_for(lambda: told("resolved"), "its end at the webhook")


def test_every_log_line_is_in_the_store_once(running: Running) -> None:
    running.write(1, 2, 3)
    with LogStore(running.address(opensearch.NAME)) as store:
        wait_for(lambda: store.count() == 3, "three lines", progress=store.count)
        running.log.rename(running.log.with_name("pixstream.log.20261130T150000Z"))
        running.write(4, 5)
        wait_for(lambda: store.count() == 5, "five lines", progress=store.count)
        assert sorted(line["message"] for line in store.lines()) == [
            f"line {number}" for number in range(1, 6)
        ]


def test_a_server_that_ended_is_started_again_on_its_port_with_its_data(running: Running) -> None:
    before = {one.name: one for one in running.servers.status()}
    for name in (prometheus.NAME, opensearch.NAME):
        process = before[name].process
        assert process is not None
        process.kill()
        wait_for(lambda: Processes(running.directory / "run").find(name) is None, "its end")  # noqa: B023
        # The kernel closes the sockets of a killed process when its last thread has ended.
        port = int(before[name].address.rpartition(":")[2])
        wait_for(lambda: is_free(port), "its port")  # noqa: B023
    assert not all(one.process for one in running.servers.status())

    running.up()
    after = {one.name: one for one in running.servers.status()}
    assert {n: one.address for n, one in after.items()} == {
        n: one.address for n, one in before.items()
    }
    with LogStore(running.address(opensearch.NAME)) as store:
        held = store.count()
        running.write(100)
        wait_for(lambda: store.count() == held + 1, "a further line", progress=store.count)


def test_without_rsyslog_our_own_shipper_goes_on_and_no_line_is_there_twice(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    with LogStore(running.address(opensearch.NAME)) as store:
        held = store.count()
        paths = os.environ["PATH"].split(os.pathsep)
        without = [path for path in paths if not Path(path, "rsyslogd").exists()]
        monkeypatch.setenv("PATH", os.pathsep.join(without))
        monkeypatch.setattr(log_lines, "_SUPERUSERS", "")
        running.up()
        names = {one.name for one in running.servers.status()}
        assert names - {victoria.METRICS} == {
            *("prometheus", "alertmanager", "opensearch", "shipper")
        }
        running.write(200, 201)
        positions = running.directory / "shipper" / "positions.json"
        wait_for(positions.exists, "the shipper's first lines")
        wait_for(lambda: store.count() == held + 2, "two more lines", progress=store.count)
        ids = [line["event.id"] for line in store.lines()]
        assert len(ids) == len(set(ids)) == held + 2


def test_victoria_takes_its_place_where_it_is(directory: Path) -> None:
    for name in ("victoria-logs", "victoria-metrics"):
        if shutil.which(name) is None:
            pytest.skip(f"{name} is not on PATH: it is built with `go install`")
    directory.mkdir(parents=True)
    log = directory / "pixstream.log"
    line = {"@timestamp": f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H:%M:%SZ}", "message": "hello"}
    log.write_text(json.dumps({**line, "event.id": "1"}) + "\n", "utf-8")
    servers = Monitoring(directory, MonitoringSettings())
    begun = servers.up(Targets(), [log])
    assert (begun.missing, begun.failed) == ([], [])
    addresses = {one.name: one.address for one in servers.status()}
    assert "opensearch" not in addresses
    for name, page in ((victoria.METRICS, "/vmui/"), (victoria.LOGS, "/select/vmui/")):
        assert httpx2.get(addresses[name] + page, timeout=60).status_code == 200

    def found() -> str:
        query = f"{addresses[victoria.LOGS]}/select/logsql/query"
        return httpx2.post(query, data={"query": "hello"}, timeout=60).text

    wait_for(lambda: '"_msg":"hello"' in found(), "the line", progress=found)


def test_victorialogs_is_named_where_it_is_wanted_and_absent(
    directory: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    begun = Monitoring(directory, MonitoringSettings(log_store="victorialogs")).up(Targets())
    assert begun.missing[-1] == victoria.MISSING_LOGS


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "data" / "monitoring"
    _clear(tmp_path / "data" / "monitoring")


def test_down_stops_what_a_killed_up_has_started(directory: Path) -> None:
    _needed()
    command = [sys.executable, "-m", "pixstream.cli", "monitoring", "up"]
    configuration = directory.parent.parent / "kafka_config.yaml"
    text = f"data_dir: {directory.parent}\nmonitoring: {{log_store: opensearch}}\n"
    configuration.write_text(text, "utf-8")
    found = Processes(directory / "run")
    with subprocess.Popen([*command, "-c", str(configuration)]) as starter:
        wait_for(
            lambda: found.find("opensearch"), "the last server", alive=lambda: not starter.poll()
        )
        starter.send_signal(signal.SIGKILL)
    begun = {one.name for one in found.seen()}
    assert begun >= {"prometheus", "alertmanager", "opensearch"}
    processes = [one.process for one in found.seen() if one.process]
    assert len(processes) == len(begun)

    down = subprocess.run(
        [*command[:-1], "down", "-c", str(configuration)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(down.stdout.removeprefix("stopped: ").strip().split(", ")) == begun
    assert not any(psutil.pid_exists(process.pid) for process in processes)
    again = subprocess.run(
        [*command[:-1], "status", "-c", str(configuration)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (again.returncode, "nothing is running" in again.stdout) == (1, True)


def test_what_is_not_installed_is_named_with_what_installs_it(
    directory: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    begun = Monitoring(directory, MonitoringSettings()).up(Targets())
    assert [str(one) for one in begun.missing] == [
        (
            "Alertmanager is not installed, so alerts are shown by Prometheus, but sent to nobody: "
            "apt-get install prometheus-alertmanager"
        ),
        (
            "Prometheus is not installed, so no metrics are kept and no alert is evaluated: "
            "apt-get install prometheus"
        ),
        (
            "Java 17 to 23 for OpenSearch 2.19.6 is not installed, so no log lines are kept: "
            "apt-get install openjdk-17-jre-headless"
        ),
    ]
    assert begun.failed == []
    assert Monitoring(directory, MonitoringSettings()).status() == []


def test_a_server_that_refuses_its_configuration_is_told_and_the_others_work(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _needed()
    monkeypatch.setattr(opensearch, "find_java", lambda **_: None)
    settings = MonitoringSettings(alert_webhook="no address", log_store="opensearch")
    servers = Monitoring(directory, settings)
    begun = servers.up(Targets())
    (failure,) = begun.failed
    assert failure.startswith("alertmanager ended during its start: ")
    assert str(directory / "run" / "alertmanager.log") in failure
    states = {one.name: one.process is not None for one in servers.status()}
    assert states.pop(victoria.METRICS, True)
    assert states == {"alertmanager": False, "prometheus": True}
    assert "prometheus" in servers.down()


def test_root_keeps_opensearch_where_nobody_reaches_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    monkeypatch.setattr(opensearch, "FOR_ROOT", tmp_path / "lib")
    place = opensearch.home_of(closed / "opensearch", opensearch.NOBODY)
    assert place.parent == tmp_path / "lib"
    assert opensearch.home_of(closed / "opensearch", opensearch.NOBODY) == place
    assert opensearch.home_of(closed / "other", opensearch.NOBODY) != place
    assert opensearch.home_of(closed / "opensearch", None) == closed / "opensearch"
