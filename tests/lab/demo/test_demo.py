"""The demo, whole: what `make demo` shows a stranger."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

from pixstream.java.runtime import find_java
from pixstream.monitoring import opensearch
from pixstream.spark import session
from pixstream.testing.waiting import wait_for

pytestmark = [pytest.mark.broker, pytest.mark.demo]


def run(directory: Path, events: int, *options: str) -> tuple[dict[str, Any], str]:
    """Run the demo; its last line, and all that it said."""
    command = [sys.executable, "-m", "pixstream.cli", "demo", "--directory", str(directory)]
    done = subprocess.run(
        [*command, "--events", str(events), *options],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "NO_COLOR": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    line: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    zeros = {name: line[name] for name in ("lost", "duplicates", "clear_identifiers")}
    assert zeros == {"lost": 0, "duplicates": 0, "clear_identifiers": 0}
    assert "does not add up" not in done.stdout
    assert line["offered"] == events
    return line, done.stdout


def test_the_demo_adds_up(tmp_path: Path) -> None:
    line, said = run(tmp_path / "demo", 3000)
    assert "spark_equal" not in line
    _, _, after = said.partition("Where to look next:\n")
    commands = [text for text in after.splitlines() if "kafka_config.yaml" in text]
    names = ["query", "broker start", "dead-letters list", "lag", "broker stop"]
    assert [name for name in names if name not in after] == []
    assert len(commands) == len(names)
    for command in commands:
        done = subprocess.run(shlex.split(command), capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        assert done.stdout


def test_a_demo_that_is_kept_serves_the_operator_s_page_until_ctrl_c(tmp_path: Path) -> None:
    words = ["demo", "--directory", str(tmp_path / "demo"), "--events", "300", "--keep"]
    command = [sys.executable, "-m", "pixstream.cli", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if line.startswith("{"):
                break
        try:
            assert json.loads(said[-1])["lost"] == 0
            (address,) = set(re.findall(r"http://127\.0\.0\.1:\d+/(?= )", said[-2]))
            assert any(address in line for line in said[:-2])  # also from the start

            def flows() -> bool:
                try:
                    text = httpx2.get(f"{address}components/system_log", timeout=600).text
                except httpx2.TransportError:
                    return False
                return "stage=produce, outcome=produced" in text

            wait_for(flows)
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait() == 0


def test_its_servers_have_seen_every_metric_and_each_log_line_once(tmp_path: Path) -> None:
    for name, package in (("prometheus",) * 2, ("prometheus-alertmanager",) * 2):
        if shutil.which(name) is None:
            pytest.skip(f"{name} is not installed: apt-get install {package}")
    if find_java(newest=opensearch.NEWEST_JAVA) is None:
        pytest.skip("no Java 17 to 23: apt-get install openjdk-17-jre-headless")
    directory = tmp_path / "demo"
    try:
        line, said = run(directory, 2000, "--monitoring")
    finally:  # for root, its files may be elsewhere
        user = opensearch.NOBODY if os.geteuid() == 0 else None
        shutil.rmtree(opensearch.home_of(directory / "monitoring" / "opensearch", user))
    seen = line["monitoring"]
    assert seen["metrics"] > 30
    assert seen["log_lines"] > 10
    zeros = {name: count for name, count in seen.items() if name not in {"metrics", "log_lines"}}
    assert set(zeros.values()) == {0}
    assert {"alerts_firing", "log_lines_missing"} <= set(zeros)
    assert "Prometheus: metrics and rules" in said
    left = [p for p in psutil.process_iter() if str(directory) in " ".join(_cmdline(p))]
    assert left == []


def _cmdline(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


@pytest.mark.campaign
@pytest.mark.spark
@pytest.mark.timeout(7200)
def test_spark_makes_the_same_of_a_hundred_thousand_events_as_the_delta_consumer(
    tmp_path: Path,
) -> None:
    if lack := session.missing():
        pytest.skip(f"Spark cannot run here: {lack}")
    line, _ = run(tmp_path / "demo", 100_000, "--spark")
    assert line["spark_equal"] is True
    assert line["dead_letters"] > 0
