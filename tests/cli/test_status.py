"""`pixstream status` beside a real supervisor with small children."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pixstream.cli import main
from pixstream.privacy import create_key_file
from pixstream.testing.waiting import wait_for

CHILD = """
import json, os, sys, time
order = json.loads(sys.argv[1])
mood = sys.argv[0] + ".mood"
read = 0
while True:
    state = open(mood).read()
    if state == "killed":
        os.kill(os.getpid(), 9)
    read += 10
    metrics = [
        {"name": f"pix_{name}_total", "kind": "counter", "short": name, "value": value}
        for name, value in {"read": read, "committed": read, "letters": 2}.items()
    ]
    fresh = {"name": "pix_freshness_seconds", "short": "freshness_seconds"}
    metrics.append(fresh | {"kind": "gauge", "value": 1.5})
    over = {"name": "pix_passed_over_files", "short": "passed_over"}
    metrics.append(over | {"kind": "gauge", "value": 3})
    line = {"state": state, "metrics": metrics, "warning": "the bank says no", "warned_at": 1.8e9}
    os.write(order["report_fd"], json.dumps(line).encode() + b"\\n")
    time.sleep(0.05)
"""
SUPERVISOR = """
import sys
from pathlib import Path
from pixstream.cli.signals import stop_signals
from pixstream.processes.component import ChildSpec
from pixstream.processes.endpoint import opener
from pixstream.config.settings import MetricsSettings, SupervisorSettings
from pixstream.backoff import BackoffSettings
from pixstream.plugins.producer import Producer
from pixstream.processes.supervisor import Supervisor
directory, script, name = sys.argv[1:]
base = ChildSpec(config_path="", environment=None, overrides=[], name="", replica=0)
restart = BackoffSettings(min_seconds=1e6, max_seconds=1e6)
settings = SupervisorSettings(restart=restart, stop_timeout_seconds=2)
command = (sys.executable, script)
with stop_signals() as requested:
    play = Supervisor(
        base,
        [Producer(type=name)],
        settings,
        None,
        command,
        Path(directory),
        serve=opener(MetricsSettings(port=0)),
    )
    sys.exit(play.run(requested))
"""


class Site:
    """A configuration, and supervisors on its data directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.script = directory / "child.py"
        self.script.write_text(CHILD)
        self.mood("ready")
        self.supervisors: list[subprocess.Popen[bytes]] = []
        for name in ("pseudonym", "encryption"):
            create_key_file(directory / f"{name}.key")
        keys = {
            "pseudonym_key": f"file:{directory / 'pseudonym.key'}",
            "encryption_key": f"file:{directory / 'encryption.key'}",
        }
        settings = {"data_dir": str(directory / "data"), "privacy": keys}
        (directory / "kafka_config.yaml").write_text(yaml.safe_dump(settings))

    def mood(self, state: str) -> None:
        part = self.directory / "mood.part"
        part.write_text(state)
        part.replace(self.directory / "child.py.mood")

    def supervise(self, name: str) -> subprocess.Popen[bytes]:
        run = str(self.directory / "data" / "run")
        command = [sys.executable, "-c", SUPERVISOR, run, str(self.script), name]
        self.supervisors.append(subprocess.Popen(command, stderr=subprocess.DEVNULL))
        return self.supervisors[-1]

    def file(self) -> str:
        return str(self.directory / "kafka_config.yaml")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    for process in made.supervisors:
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait()


@pytest.fixture
def look(site: Site, capsysbinary: pytest.CaptureFixture[bytes]) -> Callable[..., tuple[int, str]]:
    def call(*options: str) -> tuple[int, str]:
        code = main.run(["-c", site.file(), "status", *options])
        return code, capsysbinary.readouterr().out.decode()

    return call


Look = Callable[..., tuple[int, str]]


def looked(look: Look, state: str, supervisors: int = 1) -> dict[str, Any]:
    """Wait until every component is in this state."""
    found: dict[str, Any] = {}

    def all_are() -> bool:
        code, out = look("--format", "json")
        found.clear()
        found.update(json.loads(out))
        states = [c["state"] for s in found["supervisors"] for c in s["components"]]
        assert states != [state] * supervisors or found["ready"] == (code == 0)
        return states == [state] * supervisors

    wait_for(all_are, lambda: found, every=0.1)
    return found


def test_nothing_runs_and_that_is_said(look: Look) -> None:
    code, out = look()
    assert code == 1
    assert "nothing is running" in out
    code, out = look("--format", "json")
    assert (code, json.loads(out)) == (1, {"ready": False, "supervisors": []})


def test_two_supervisors_that_are_ready_are_exit_0(site: Site, look: Look) -> None:
    processes = [site.supervise(name) for name in ("webhook", "delta_lake")]
    found = looked(look, "ready", 2)
    assert found["ready"] is True
    assert {s["pid"] for s in found["supervisors"]} == {process.pid for process in processes}
    code, out = look()
    assert code == 0
    lines = {words[0]: words for words in map(str.split, out.splitlines()) if words}
    assert lines["webhook-0"][1] == "ready"
    assert lines["delta_lake-0"][1] == "ready"
    assert "the bank says no" in out
    assert "webhook-0: entries of its directory that are not read: 3; `pixstream check`" in out
    addresses = {s["metrics"] for s in found["supervisors"]}
    assert len(addresses) == 2
    assert all(f"metrics at {address}" in out.replace("\n", " ") for address in addresses)
    for process in processes:
        process.terminate()
        assert process.wait() == 0
    assert look()[0] == 1


def test_counters_rates_freshness_and_letters_are_told(site: Site, look: Look) -> None:
    process = site.supervise("webhook")

    def reading() -> list[dict[str, Any]]:
        (supervisor,) = looked(look, "ready")["supervisors"]
        return [c for c in supervisor["components"] if c["rates"].get("read", 0) > 0]

    (component,) = wait_for(reading, every=0.2)
    assert component["counts"]["letters"] == 2
    assert component["counts"]["freshness_seconds"] == 1.5
    assert "freshness_seconds" not in component["rates"]
    assert component["pid"] != process.pid
    assert component["last_warning"] == "the bank says no"
    assert (component["restarts"], component["last_exit"]) == (0, None)


def test_a_component_in_back_off_tells_why_and_when_it_starts_again(site: Site, look: Look) -> None:
    site.supervise("webhook")
    looked(look, "ready")
    site.mood("killed")
    (supervisor,) = looked(look, "restarting")["supervisors"]
    (component,) = supervisor["components"]
    assert component["last_exit"].startswith("signal SIGKILL: killed from outside")
    assert 0 <= component["next_start_seconds"] <= 1e6
    assert component["restarts"] == 1
    code, out = look()
    assert code == 1
    assert "lack of memory; starts again in" in out


def test_a_component_that_waits_is_exit_1(site: Site, look: Look) -> None:
    site.mood("breaker_open")
    site.supervise("webhook")
    assert looked(look, "breaker_open")["ready"] is False


def test_a_supervisor_that_was_killed_or_hangs_is_told_apart(site: Site, look: Look) -> None:
    process = site.supervise("webhook")
    looked(look, "ready")
    process.send_signal(signal.SIGSTOP)
    wait_for(lambda: "is alive but has not reported for" in look()[1], every=0.5)
    assert look()[0] == 1
    process.kill()
    process.wait()
    code, out = look()
    assert code == 1
    assert "nothing is running" in out
    assert f"supervisor {process.pid} ended without notice" in out


def test_watch_looks_again_until_interrupted(site: Site) -> None:
    site.supervise("webhook")
    command = [sys.executable, "-m", "pixstream.cli", "-c", site.file(), "status", "--watch"]
    options = ["--interval", "0.2", "--format", "json"]
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, env=os.environ) as watch:
        assert watch.stdout is not None
        while not json.loads(watch.stdout.readline())["ready"]:
            continue
        watch.send_signal(signal.SIGINT)
        watch.communicate()
        assert watch.returncode == 0
