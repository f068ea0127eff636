"""The demo, whole: what `make demo` shows a stranger."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.broker, pytest.mark.demo, pytest.mark.timeout(400)]


def test_the_demo_adds_up(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pixstream.cli",
            "demo",
            "--events",
            "3000",
            "--directory",
            str(tmp_path / "demo"),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={**os.environ, "NO_COLOR": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    line = json.loads(done.stdout.splitlines()[-1])
    assert line["offered"] == 3000
    zeros = {name: line[name] for name in ("lost", "duplicates", "clear_identifiers")}
    assert zeros == {"lost": 0, "duplicates": 0, "clear_identifiers": 0}
    assert "Where to look next" in done.stdout
    assert "does not add up" not in done.stdout
