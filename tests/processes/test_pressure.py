"""Memory under pressure, in short; benchmarks/bench_memory.py measures it at length."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "benchmarks" / "bench_memory.py"
SMALL = {"batch": {"rows": 5000, "bytes": 8 * 2**20, "seconds": 1.0}}
MOST_MB = 600
"""Well above what is measured, 200 to 400 MB of which 110 are there before any event."""


@pytest.mark.broker
def test_a_backlog_a_stuck_destination_and_large_bodies_stay_within_the_bound() -> None:
    done = subprocess.run(
        [
            *(sys.executable, str(BENCH), "--client", "both", "--events", "10000"),
            *("--extra-bytes", "10000", "--seconds", "1", "--banks", "8"),
            *("--consumer", json.dumps(SMALL)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    cases = json.loads(done.stdout.splitlines()[-1])["cases"]
    assert len(cases) == 6
    for name, case in cases.items():
        assert case["peak_mb"] < MOST_MB, (name, case)
        assert case["peak_mb"] <= case["bound_mb"], (name, case)
    for name in ("stuck confluent", "stuck kafka-python"):
        # One batch, and what came along with its last poll: the rest of the backlog waits in Kafka.
        assert cases[name]["consumed"] < 5000
        assert cases[name]["retries"] > 0
