"""The demo, whole: what `make demo` shows a stranger."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest

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
