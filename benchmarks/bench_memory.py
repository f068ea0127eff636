"""What a component holds in memory when its neighbours press: the peak of its resident set.

`backlog`: the Delta consumer reads everything that lies in Kafka at full speed. `stuck`: the same,
but its destination fails transiently at every call. `webhook`: many banks post large bodies at
once. Each runs in the child process that `pixstream run` starts, on a real embedded broker; its
memory is sampled fifty times a second. `bound_mb` is the formula of docs/operations.md.

    python benchmarks/bench_memory.py --events 300000 --client confluent

The last line is one JSON object; exit 1 if a peak is above its bound.
"""

from __future__ import annotations

import argparse
import base64
import datetime as dt
import http.client
import json
import os
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import psutil
import yaml
from bench_decode_delta import batches

from pixstream import config, kafka
from pixstream.errors import Transient
from pixstream.event.identifiers import e2e
from pixstream.kafka.topics.declared import declared
from pixstream.lab.broker.embedded import EmbeddedBroker
from pixstream.privacy import create_key_file
from pixstream.processes import component
from pixstream.processes.component import ChildSpec
from pixstream.processes.supervisor import Supervisor, select

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pixstream.config.settings import Settings
    from pixstream.processes.supervisor import Child

CLIENTS = ("confluent", "kafka-python")
CASES = ("backlog", "stuck", "webhook")
SAMPLE_SECONDS = 0.02
STUCK = "--play-stuck"
MB = 2**20

# The formula of docs/operations.md, in bytes.
BASE = 350 * MB
QUEUES = {"confluent": 80 * MB, "kafka-python": 140 * MB}
PER_ROW = 2000
PER_BATCH_BYTE = 5
PER_KNOWN_ID = 110
PER_BODY_BYTE = 2
PARSED = 8


class Peak:
    """The largest resident set of a process, and that before the pressure began."""

    def __init__(self) -> None:
        self.first = self.largest = 0

    def look(self, child: Child) -> None:
        """Take a sample."""
        if child.process is None:
            return
        try:
            size = psutil.Process(child.process.pid).memory_info().rss
        except psutil.Error:
            return
        self.largest = max(self.largest, size)


class Bench:
    """A broker, a configuration and events to consume, in a directory."""

    def __init__(self, directory: Path, bootstrap: str, client: str, **sections: Any) -> None:
        self.file = directory / f"{client}.yaml"
        for name in ("pseudonym", "encryption"):
            if not (directory / f"{name}.key").exists():
                create_key_file(directory / f"{name}.key")
        self.file.write_text(
            yaml.safe_dump(
                {
                    "data_dir": str(directory),
                    "privacy": {
                        "pseudonym_key": f"file:{directory / 'pseudonym.key'}",
                        "encryption_key": f"file:{directory / 'encryption.key'}",
                    },
                    "kafka": {"client": client, "bootstrap_servers": bootstrap},
                    "logging": {"file": str(directory / "log")},
                    **sections,
                }
            )
        )
        self.settings: Settings = config.load(self.file)

    @contextmanager
    def running(self, name: str, command: Sequence[str]) -> Iterator[tuple[Supervisor, Child]]:
        """Run one component in a child."""
        base = ChildSpec(
            config_path=str(self.file), environment=None, overrides=[], name="", replica=0
        )
        chosen = select(self.settings.components, [name])
        supervisor = Supervisor(base, chosen, self.settings.supervisor, command=command)
        supervisor.start()
        try:
            yield supervisor, supervisor.children[0]
        finally:
            supervisor.stop()


def load(bootstrap: str, directory: Path, options: argparse.Namespace) -> int:
    """Fill the topic; the bytes of all records."""
    bench = Bench(directory, bootstrap, "confluent")
    client = kafka.connect(bench.settings.kafka)
    with closing(client.admin()) as admin:
        existing = admin.topics()
        for spec in declared(bench.settings.topics):
            if spec.name not in existing:
                admin.create(spec)
    size, mark = 0, b'"sealed":"'
    with closing(client.outbox("bench-memory")) as outbox:
        for records in batches(options.events, 10_000):
            outbox.begin()
            for record in records:
                key = str(record.offset).encode()
                more = b"A" * options.extra_bytes
                if not options.compressible:
                    more = base64.b64encode(os.urandom(options.extra_bytes * 3 // 4))
                value = (record.value or b"").replace(mark, mark + more, 1)
                outbox.send(record.topic, key, value, record.headers)
                size += len(key) + len(value)
            outbox.commit()
    return size


def consume(
    directory: Path, bootstrap: str, client: str, case: str, options: argparse.Namespace
) -> dict[str, Any]:
    """Run the Delta consumer against the backlog, or against a destination that always fails."""
    name = f"{case}-{client}"
    section = {"type": "delta_lake", "uri": str(directory / name)} | json.loads(options.consumer)
    bench = Bench(directory, bootstrap, client, consumers={name: section})
    command = [sys.executable, "-m", "pixstream.processes.component"]
    if case == "stuck":
        command = [sys.executable, __file__, STUCK]
    peak, began = Peak(), time.monotonic()
    waited = None
    with bench.running(name, command) as (supervisor, child):
        while time.monotonic() - began < options.timeout:
            supervisor.step(SAMPLE_SECONDS)
            peak.look(child)
            if not peak.first and child.state != "starting":
                peak.first = peak.largest
            if child.counts.get("retries", 0) and waited is None:
                waited = time.monotonic()
            if case == "backlog" and child.counts.get("written", 0) >= options.events:
                break
            if waited is not None and time.monotonic() - waited > options.seconds:
                break
        consumed, restarts = child.counts.get("consumed", 0), child.restarts
        seconds = time.monotonic() - began
        retries = child.counts.get("retries", 0)
    if restarts or (case == "backlog" and consumed < options.events):
        raise SystemExit(f"{name}: {restarts} restarts, {consumed} consumed; see {directory}/log")
    consumer = bench.settings.consumers[name]
    rows = min(consumer.batch.rows, options.events)
    ids = min(getattr(consumer, "known_ids", 0), options.events) * len(consumer.categories)
    bound = (
        BASE
        + QUEUES[client]
        + PER_ROW * rows
        + PER_BATCH_BYTE * min(consumer.batch.bytes, rows * options.size // options.events)
        + PER_KNOWN_ID * ids
    )
    figures = {"consumed": consumed, "retries": retries, "seconds": round(seconds, 1)}
    return figures | result(peak, bound)


def post(directory: Path, bootstrap: str, client: str, options: argparse.Namespace) -> Any:
    """Flood the webhook with bodies from many connections."""
    port = 21_080
    body = a_body(options.body_mb * MB, options.pix)
    section = {
        "type": "webhook",
        "port": port,
        "max_body_bytes": len(body) + 1,
    } | json.loads(options.webhook)
    bench = Bench(directory, bootstrap, client, producers={"webhook": section})
    answers: Counter[int | str] = Counter()
    peak, over = Peak(), threading.Event()

    def bank() -> None:
        while not over.is_set():
            try:
                with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as line:
                    line.request("POST", "/pix", body)
                    answers[line.getresponse().status] += 1
            except OSError as error:
                answers[type(error).__name__] += 1
            over.wait(0.05)

    command = [sys.executable, "-m", "pixstream.processes.component"]
    with bench.running("webhook", command) as (run, child):
        while child.state == "starting":
            run.step(SAMPLE_SECONDS)
        peak.look(child)
        peak.first = peak.largest
        banks = [threading.Thread(target=bank) for _ in range(options.banks)]
        for thread in banks:
            thread.start()
        until = time.monotonic() + options.seconds
        while time.monotonic() < until:
            run.step(SAMPLE_SECONDS)
            peak.look(child)
        over.set()
        while any(thread.is_alive() for thread in banks):
            run.step(SAMPLE_SECONDS)
            peak.look(child)
    webhook = bench.settings.producers["webhook"]
    held = getattr(webhook, "max_pending_bytes", None)
    if held is None:
        held = min(webhook.max_pending_bodies, options.banks) * webhook.max_body_bytes
    bound = BASE + QUEUES[client] + PER_BODY_BYTE * held + PARSED * len(body)
    figures = {"answers": {str(k): n for k, n in answers.items()}, "body_mb": options.body_mb}
    return figures | result(peak, bound)


def a_body(size: int, count: int) -> bytes:
    """A callback of about this size: many Pix, each with a field that nobody knows."""
    rng, now = Random(3), dt.datetime.now(dt.UTC)
    one = {"valor": "10.00", "horario": now.isoformat(), "txid": "a" * 32}
    one["desconhecido"] = base64.b64encode(
        rng.randbytes(max(size // count - 250, 0) * 3 // 4)
    ).decode()
    return json.dumps(
        {"pix": [one | {"endToEndId": e2e("12345678", now, rng)} for _ in range(count)]}
    ).encode()


def result(peak: Peak, bound: int) -> dict[str, Any]:
    """The figures of a case, in MB."""
    return {
        "ready_mb": peak.first // MB,
        "peak_mb": peak.largest // MB,
        "bound_mb": bound // MB,
        "held": peak.largest <= bound,
    }


def play_stuck(order: str) -> int:
    """Be the child whose destination fails at every call."""
    from pixstream.consumers.delta_lake.consumer import DeltaLake

    def write(self: DeltaLake, batch: object, reject: object) -> None:
        del batch, reject
        raise Transient(f"{self.name}: stuck on purpose")

    DeltaLake.write = write  # type: ignore[method-assign]
    return component.main([order])


def main() -> int:
    """Run the cases that the command line names."""
    if sys.argv[1:2] == [STUCK]:
        return play_stuck(sys.argv[2])
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=300_000)
    parser.add_argument("--client", choices=[*CLIENTS, "both"], default="both")
    parser.add_argument("--case", choices=[*CASES, "all"], default="all")
    parser.add_argument("--extra-bytes", type=int, default=0, help="that each event is larger")
    parser.add_argument("--compressible", action="store_true", help="those bytes are all alike")
    parser.add_argument("--seconds", type=float, default=20, help="of stuck and webhook")
    parser.add_argument("--timeout", type=float, default=600, help="of one case")
    parser.add_argument("--banks", type=int, default=64, help="connections of webhook")
    parser.add_argument("--body-mb", type=int, default=10)
    parser.add_argument("--pix", type=int, default=1000, help="in one body")
    parser.add_argument("--consumer", default="{}", help="settings of the consumer, JSON")
    parser.add_argument("--webhook", default="{}", help="settings of the webhook, JSON")
    options = parser.parse_args()
    clients = list(CLIENTS) if options.client == "both" else [options.client]
    cases = CASES if options.case == "all" else (options.case,)
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as place:
        directory = Path(place)
        broker = EmbeddedBroker(directory / "kafka")
        try:
            bootstrap = broker.start()
            options.size = load(bootstrap, directory, options)
            for client in clients:
                for case in cases:
                    if case == "webhook":
                        figures = post(directory, bootstrap, client, options)
                    else:
                        figures = consume(directory, bootstrap, client, case, options)
                    found[f"{case} {client}"] = figures
                    print(f"{case:8} {client:13} {figures}", flush=True)
        finally:
            broker.stop()
    print(json.dumps({"events": options.events, "cases": found}))
    return 0 if all(figures["held"] for figures in found.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
