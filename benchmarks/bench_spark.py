"""The delta_lake consumer and Spark on the same topics: rows a second, CPU-seconds a million rows.

Each reads everything that lies in Kafka once, in the process that `pixstream run` starts, on a real
embedded broker, one after the other. A run begins when the process starts: `start_seconds` is the
time until its first row is committed, rows a second are counted from there. CPU is that of the
process and its children (Spark's JVM and Python workers), the start included in `cpu_in_all`.

    python benchmarks/bench_spark.py --events 300000

The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from bench_memory import Bench, load
from deltalake import DeltaTable

from pixstream.event.categories import Category
from pixstream.lab.broker.embedded import EmbeddedBroker
from pixstream.lake import files
from pixstream.processes.child import COMMAND
from pixstream.spark import session

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pixstream.processes.supervisor import Child

STALLED_SECONDS = 180.0


class Cpu:
    """CPU-seconds of a process and of its descendants, those that ended too as far as seen."""

    def __init__(self) -> None:
        self._seen: dict[int, float] = {}

    def look(self, child: Child) -> float:
        """Take a sample; all of them together so far."""
        if child.process is not None:
            try:
                root = psutil.Process(child.process.pid)
                for process in [root, *root.children(recursive=True)]:
                    times = process.cpu_times()
                    self._seen[process.pid] = times.user + times.system
            except psutil.Error:
                pass  # one ended meanwhile: its last sample counts
        return sum(self._seen.values())


def rows(lake: Path) -> int:
    """Rows of the tables of all categories, by their logs."""
    total = 0
    for category in Category:
        path = str(lake / category.plural)
        if DeltaTable.is_deltatable(path):
            total += sum(file.rows or 0 for file in files.live(DeltaTable(path)).values())
    return total


def measure(bench: Bench, name: str, lake: Path, events: int) -> Mapping[str, float]:
    """Run a consumer until its tables hold all events."""
    cpu = Cpu()
    began = moved = time.monotonic()
    first = last = 0.0
    first_rows = found = 0
    first_cpu = spent = 0.0
    with bench.running(name, COMMAND) as (supervisor, child):
        while found < events:
            supervisor.step(0.2)
            spent = cpu.look(child)
            if (now := rows(lake)) != found:
                found, moved = now, time.monotonic()
                last = moved
                if not first:
                    first, first_rows, first_cpu = moved, found, spent
            if time.monotonic() - moved > STALLED_SECONDS:
                raise SystemExit(f"{name}: stands at {found} of {events} rows")
    seconds, more = last - first, found - first_rows
    return {
        "start_seconds": round(first - began, 1),
        "rows_per_second": round(more / seconds) if seconds else 0,
        "cpu_seconds_per_million": round((spent - first_cpu) / more * 1e6, 1) if more else 0,
        "cpu_in_all": round(spent, 1),
        "seconds_in_all": round(last - began, 1),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Fill the topics, measure both, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=300_000)
    parser.add_argument("--batch", type=int, default=50_000, help="rows of one batch")
    options = parser.parse_args(arguments)
    if lack := session.missing():
        print(f"left out: Spark cannot run here: {lack}")
        return
    load_options = argparse.Namespace(events=options.events, extra_bytes=0, compressible=True)
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        broker = EmbeddedBroker(directory / "kafka")
        bootstrap = broker.start()
        try:
            load(bootstrap, directory, load_options)
            batch = {"rows": options.batch, "seconds": 1.0}
            sections: dict[str, Any] = {
                "spark": {
                    "path": str(directory / "spark"),
                    "checkpoints": str(directory / "checkpoints"),
                },
                "consumers": {
                    "delta_lake": {"uri": str(directory / "lake"), "batch": batch},
                    "spark": {"batch": batch},
                },
            }
            bench = Bench(directory, bootstrap, "confluent", **sections)
            found: dict[str, Any] = {"events": options.events, "batch": options.batch}
            for consumer, lake in (("delta_lake", "lake"), ("spark", "spark")):
                found[consumer] = measure(bench, consumer, directory / lake, options.events)
                print(consumer, json.dumps(found[consumer]), flush=True)
            ours, theirs = found["delta_lake"], found["spark"]
            if ours["cpu_seconds_per_million"]:
                ratio = theirs["cpu_seconds_per_million"] / ours["cpu_seconds_per_million"]
                found["cpu_ratio"] = round(ratio, 2)
            print(json.dumps(found))
        finally:
            broker.stop()


if __name__ == "__main__":
    main()
