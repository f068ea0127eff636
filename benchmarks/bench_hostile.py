"""What honest senders of a webhook notice of thousands of connections that only hold on.

A broker and `pixstream run webhook` run beside `hostile_clients.py` and a sender of 100 bodies a
second, each on a connection of its own. Measured without the hostile clients, and with them: what
was answered, how long it took from connecting, the CPU use of the webhook, and how much was logged.
The hostile clients have the senders' address, the worst case, unless another one is named.

    python benchmarks/bench_hostile.py --connections 5000 --seconds 30

The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random

import hostile_clients
from bench_webhook import bodies
from bench_webhook_gaps import Senders, Site

from pixstream import kafka
from pixstream.kafka.settings import KafkaSettings
from pixstream.kafka.topics.declared import DEFAULT_TOPICS, declared
from pixstream.lab.broker.embedded import EmbeddedBroker

RATE = 100.0
SETTLE_SECONDS = 5.0


async def honest(port: int, seconds: float) -> list[tuple[str, float]]:
    """Send at the rate; return what each body was answered, and after how many seconds."""
    rng, answers = Random(11), []

    async def one(request: bytes) -> None:
        began = time.perf_counter()
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            with contextlib.closing(writer):
                writer.write(request)
                what = (await reader.read(100))[9:12].decode() or "closed"
        except OSError as error:
            what = type(error).__name__
        answers.append((what, time.perf_counter() - began))

    async with asyncio.TaskGroup() as tasks:
        began = time.perf_counter()
        for number, request in enumerate(bodies(int(seconds * RATE), rng)):
            await asyncio.sleep(max(0.0, began + number / RATE - time.perf_counter()))
            tasks.create_task(one(request))
    return answers


def phase(name: str, site: Site, seconds: float) -> dict[str, object]:
    """Print and return what was answered, how long it took, in ms, and the webhook's CPU use."""
    began, used = time.perf_counter(), site.cpu_seconds()
    answers = asyncio.run(honest(site.port, seconds))
    share = (site.cpu_seconds() - used) / (time.perf_counter() - began)
    times = sorted(seconds * 1000 for _, seconds in answers)
    found: dict[str, object] = {
        "answers": dict(Counter(what for what, _ in answers)),
        "p50_ms": round(times[len(times) // 2], 1),
        "p99_ms": round(times[int(len(times) * 0.99)], 1),
        "longest_ms": round(times[-1], 1),
        "cpu_of_a_core": round(share, 2),
        "load": round(os.getloadavg()[0], 1),
    }
    print(f"{name}: {found}", flush=True)
    return found


def measure(bootstrap: str, place: Path, seconds: float, connections: int, address: str) -> None:
    with contextlib.closing(kafka.connect(KafkaSettings(bootstrap_servers=bootstrap)).admin()) as a:
        for spec in declared(DEFAULT_TOPICS):
            a.create(spec)
    site = Site(place, bootstrap, "confluent")
    try:
        senders = Senders(site.port)
        senders.first_200(0.0)
        senders.stop()
        alone = phase("alone", site, seconds)
        logged = len(site.told())
        command = [sys.executable, hostile_clients.__file__, "--port", str(site.port)]
        command += ["--connections", str(connections), "--address", address]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as crowd:
            time.sleep(SETTLE_SECONDS)
            beside = phase("beside", site, seconds)
            ready = site.ready()
            told, _ = crowd.communicate()
        logged = len(site.told()) - logged
    finally:
        site.stop()
    hostile = json.loads(told)
    print(f"hostile: {hostile}; logged meanwhile: {logged} bytes; ready at the end: {ready}")
    result = {"alone": alone, "beside": beside, "hostile": hostile, "logged_bytes": logged}
    print(json.dumps({"ready": ready, **result}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--connections", type=int, default=5000)
    parser.add_argument("--address", default="127.0.0.1", help="address of the hostile clients")
    parser.add_argument("--seconds", type=float, default=30.0, help="of each phase")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        broker = EmbeddedBroker(Path(name) / "kafka")
        try:
            measure(
                broker.start(), Path(name), options.seconds, options.connections, options.address
            )
        finally:
            broker.stop()


if __name__ == "__main__":
    main()
