"""What `pixstream monitoring up` takes from a configuration: pages to scrape, files to ship."""

import datetime as dt
import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from pixstream.cli import monitored
from pixstream.config.loading import load
from pixstream.config.settings import Settings
from pixstream.kafka.embedded import METRICS_PORT
from pixstream.monitoring.process import Seen
from pixstream.processes import run_status
from pixstream.processes.run_status import ObservedSupervisor, SupervisorStatus


def settings(tmp_path: Path, text: str = "") -> Settings:
    file = tmp_path / "kafka_config.yaml"
    file.write_text(f"data_dir: {tmp_path / 'data'}\n{text}", "utf-8")
    return load(file)


def observed(metrics: str | None, *, alive: bool = True) -> ObservedSupervisor:
    now = dt.datetime.now(dt.UTC)
    status = SupervisorStatus(
        id="1-a",
        pid=1,
        started=now,
        written=now,
        clock=0.0,
        stopping=False,
        components=[],
        metrics=metrics,
    )
    return ObservedSupervisor(status=status, alive=alive, age_seconds=0.0)


def test_what_is_configured_and_what_runs_is_scraped_each_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = [
        observed("http://127.0.0.1:9464/metrics"),
        observed("http://127.0.0.1:9465/metrics"),
        observed("http://127.0.0.1:9466/metrics", alive=False),
        observed(None),
    ]
    monkeypatch.setattr(run_status, "read", lambda _: running)
    found = monitored.targets(settings(tmp_path))
    assert found.pixstream == ["127.0.0.1:9464", "127.0.0.1:9465"]
    assert found.kafka == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("metrics: {host: 0.0.0.0, open: true}", ["127.0.0.1:9464"]),
        ('metrics: {host: "::", open: true}', ["[::1]:9464"]),
        ("metrics: {port: 0}", []),
        ("metrics: {enabled: false}", []),
    ],
)
def test_a_page_is_asked_where_it_can_be_reached(
    tmp_path: Path, text: str, expected: list[str]
) -> None:
    assert monitored.targets(settings(tmp_path, text)).pixstream == expected


def test_the_embedded_broker_is_scraped_if_it_exports(tmp_path: Path) -> None:
    state = tmp_path / "data" / "kafka" / "broker.json"
    state.parent.mkdir(parents=True)
    ports = {"PLAINTEXT": 1, METRICS_PORT: 9404}
    state.write_text(json.dumps({"cluster_id": "x", "ports": ports, "pid": None}), "utf-8")
    assert monitored.targets(settings(tmp_path)).kafka == ["127.0.0.1:9404"]


@pytest.mark.parametrize(
    ("file", "patterns"),
    [
        (None, []),
        ("/logs/pixstream.log", ["/logs/pixstream.log*"]),
        ("/logs/{component}.log", ["/logs/*.log*"]),
    ],
)
def test_renamed_log_files_are_shipped_too(
    tmp_path: Path, file: str | None, patterns: list[str]
) -> None:
    text = "" if file is None else f'logging: {{file: "{file}"}}'
    assert monitored.log_files(settings(tmp_path, text)) == patterns


def test_a_server_that_has_ended_is_shown_with_its_log(tmp_path: Path) -> None:
    ended = Seen(
        name="prometheus", what="metrics", address="http://a", log=tmp_path / "x.log", process=None
    )
    drawn = io.StringIO()
    Console(file=drawn, width=300).print(monitored.table([ended]))
    assert "ended" in drawn.getvalue()
    assert f"see {tmp_path / 'x.log'}" in drawn.getvalue()
