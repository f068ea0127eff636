"""What Prometheus is told to scrape."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from pixstream.monitoring import prometheus
from pixstream.monitoring.prometheus import Targets


def test_targets_are_files_that_it_reads_again_by_itself(tmp_path: Path) -> None:
    Targets(pixstream=["a:9464", "b:9465"]).write(tmp_path)
    assert json.loads((tmp_path / "pixstream.json").read_text()) == [
        {"targets": ["a:9464", "b:9465"]}
    ]
    assert json.loads((tmp_path / "kafka.json").read_text()) == []


@pytest.mark.parametrize("alertmanager", [None, "127.0.0.1:9093"])
def test_promtool_accepts_the_configuration(tmp_path: Path, alertmanager: str | None) -> None:
    text = prometheus.configuration(tmp_path, "127.0.0.1:9090", alertmanager)
    assert ("alerting" in yaml.safe_load(text)) == (alertmanager is not None)
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed: apt-get install prometheus")
    Targets(pixstream=["a:9464"], kafka=["b:9404"]).write(tmp_path)
    file = tmp_path / "prometheus.yml"
    file.write_text(text, "utf-8")
    done = subprocess.run(
        [promtool, "check", "config", file], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "4 rule files found" in done.stdout
