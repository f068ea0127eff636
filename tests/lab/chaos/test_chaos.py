"""The promises on the real thing: everything is broken while facts flow, and it adds up."""

import json
import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from pixstream.lab.chaos.storm import PROCESS_FAULTS, WORLD_FAULTS

MINUTES = float(os.environ.get("CHAOS_MINUTES", "3"))
SEED = int(os.environ.get("CHAOS_SEED", secrets.randbelow(10**6)))

RATES = {**PROCESS_FAULTS, **WORLD_FAULTS}
KILLS = {
    "producers": "kill_producer",
    "consumers": "kill_consumer",
    "supervisor": "kill_supervisor",
    "broker": "kill_broker",
}


@pytest.mark.broker
@pytest.mark.demo
@pytest.mark.timeout(7200)
def test_whatever_is_broken_nothing_is_lost_doubled_or_altered(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pixstream.cli", "chaos", "--events", "15000"]
    command += ["--minutes", str(MINUTES), "--seed", str(SEED), "--directory", str(tmp_path / "c")]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "NO_COLOR": "1"}
    )
    assert done.returncode == 0, f"seed {SEED}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    *told, last = done.stdout.splitlines()
    assert any(line.startswith("longest stalls in the storm: ") for line in told)
    verdict = json.loads(last)
    zeros = {name: verdict[name] for name in ("lost", "duplicates", "unknown", "altered")}
    assert zeros == {"lost": 0, "duplicates": 0, "unknown": 0, "altered": 0}
    assert verdict["offered"] >= 15_000
    assert verdict["acknowledged"] > 14_000
    kills = verdict["kills"]
    for killed, fault in KILLS.items():
        assert kills[killed] >= round(RATES[fault] * MINUTES)
