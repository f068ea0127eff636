"""What the webhook takes, and how it behaves at three times that: answers, latency, memory.

A broker and the webhook's process run beside the senders on this machine. Three phases: as fast as
senders in a closed circle can (the capacity); 60 % of that at a fixed rate; three times the
capacity at a fixed rate, or as much of it as the senders get out beside the server on the same
machine. Latency counts from the moment when a body is sent; how late that is at a fixed rate, for
want of processor time or of a free connection, is told apart.

    python benchmarks/bench_webhook.py --seconds 10 --client confluent

The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime as dt
import json
import random
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

from pixstream import kafka
from pixstream.backoff import BackoffSettings
from pixstream.dead_letters import LetterWriter
from pixstream.event import identifiers
from pixstream.event.sealing import Sealer
from pixstream.http_serving.limits import ConnectionLimits
from pixstream.kafka.settings import KafkaSettings
from pixstream.kafka.topics.declared import DEFAULT_TOPICS, declared
from pixstream.lab.broker.embedded import EmbeddedBroker
from pixstream.loops.produce import ProduceLoop
from pixstream.privacy import Pseudonymiser, Vault
from pixstream.producers.webhook.producer import Webhook

SENDERS = 64
SUSTAINED, OVERLOAD = 0.6, 3.0
OPEN_FILES = 1000  # connections of a phase at a fixed rate; a body that finds none is late
PIX_PER_BODY = 2
CONNECTIONS = ConnectionLimits(most=2 * OPEN_FILES, per_address=2 * OPEN_FILES)


class Answer(NamedTuple):
    """Status, 0 where nobody answered; seconds from sending; seconds that sending was late."""

    status: int
    seconds: float
    late: float


def serve(bootstrap: str, client: str, port: int, place: Path) -> None:
    """Be the webhook's process until SIGTERM; print the peak of its memory."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    vault = Vault(bytes(32), "k1")
    ProduceLoop(
        Webhook(type="webhook", port=port, connections=CONNECTIONS),
        kafka.connect(KafkaSettings(client=client, bootstrap_servers=bootstrap)),  # type: ignore[arg-type]
        Sealer(Pseudonymiser(bytes(32), "k1"), vault),
        LetterWriter("webhook", vault, 2**20, place),
        max_event_bytes=2**20,
        retry=BackoffSettings(),
        stop=stop,
    ).run()
    print(json.dumps({"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


def bodies(count: int, rng: random.Random) -> list[bytes]:
    """Whole requests, so that the senders cost little."""
    when = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
    requests = []
    for _ in range(count):
        elements = [
            {
                "endToEndId": identifiers.e2e("12345678", when, rng),
                "txid": rng.randbytes(13).hex(),
                "valor": f"{rng.randrange(1, 10**6) / 100:.2f}",
                "chave": identifiers.generate_cpf(rng),
                "horario": "2026-11-20T12:00:01.000Z",
                "infoPagador": "obrigado",
            }
            for _ in range(PIX_PER_BODY)
        ]
        body = json.dumps({"pix": elements}).encode()
        head = f"POST /pix HTTP/1.1\r\nHost: bench\r\nContent-Length: {len(body)}\r\n\r\n"
        requests.append(head.encode() + body)
    return requests


class Sender:
    """One kept connection."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, request: bytes) -> int:
        """Send one request and read its answer; the status."""
        try:
            if self._streams is None:
                self._streams = await asyncio.open_connection("127.0.0.1", self._port)
            reader, writer = self._streams
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
            await reader.readexactly(length)
            if b"connection: close" in head:
                self.close()
            return int(head.split()[1])
        except (OSError, asyncio.IncompleteReadError):
            self.close()
            return 0

    def close(self) -> None:
        """Let the connection go."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def in_a_circle(port: int, requests: list[bytes], seconds: float) -> list[Answer]:
    """Each sender sends its next body when the former is answered."""
    end = time.perf_counter() + seconds
    answers: list[Answer] = []

    async def one(sender: Sender) -> None:
        while time.perf_counter() < end and requests:
            began = time.perf_counter()
            status = await sender.send(requests.pop())
            answers.append(Answer(status, time.perf_counter() - began, 0.0))
        sender.close()

    await asyncio.gather(*(one(Sender(port)) for _ in range(SENDERS)))
    return answers


async def at_a_rate(port: int, requests: list[bytes], rate: float) -> list[Answer]:
    """Every body at its time, whatever became of the others."""
    idle = [Sender(port) for _ in range(OPEN_FILES)]
    free = asyncio.Semaphore(OPEN_FILES)
    answers: list[Answer] = []
    began = time.perf_counter()

    async def one(request: bytes, due: float) -> None:
        async with free:
            sender = idle.pop()
            sent = time.perf_counter()
            status = await sender.send(request)
            answers.append(Answer(status, time.perf_counter() - sent, sent - due))
            idle.append(sender)

    async with asyncio.TaskGroup() as tasks:
        for number, request in enumerate(requests):
            due = began + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            tasks.create_task(one(request, due))
    for sender in idle:
        sender.close()
    return answers


def summary(answers: list[Answer], seconds: float) -> dict[str, float]:
    """Rates, shares and the latency of what was accepted and of what was refused, in ms."""

    def quantile(status: int, share: float) -> float:
        return _quantile([a.seconds for a in answers if a.status == status], share)

    count = {status: sum(a.status == status for a in answers) for status in (200, 503)}
    return {
        "offered_per_s": round(len(answers) / seconds),
        "accepted_per_s": round(count[200] / seconds),
        "share_503": round(count[503] / len(answers), 3),
        "unanswered": len(answers) - sum(count.values()),
        "p50_ms": quantile(200, 0.5),
        "p99_ms": quantile(200, 0.99),
        "p99_503_ms": quantile(503, 0.99),
        "senders_late_p99_ms": _quantile([a.late for a in answers], 0.99),
    }


def _quantile(times: list[float], share: float) -> float:
    """In ms; 0 of nothing."""
    ordered = sorted(times) or [0.0]
    return round(1000 * ordered[min(int(share * len(ordered)), len(ordered) - 1)], 1)


def timed(coroutine: object) -> tuple[list[Answer], float]:
    """Run a phase; its answers and how long it took."""
    began = time.perf_counter()
    answers: list[Answer] = asyncio.run(coroutine)  # type: ignore[arg-type]
    return answers, time.perf_counter() - began


def phases(port: int, seconds: float, rng: random.Random) -> dict[str, dict[str, float]]:
    """The three phases, after a short warming up."""
    timed(in_a_circle(port, bodies(2000, rng), 2.0))
    answers, took = timed(in_a_circle(port, bodies(int(6000 * seconds), rng), seconds))
    found = {"capacity": summary(answers, took)}
    capacity = found["capacity"]["accepted_per_s"]
    for name, factor in (("sustained", SUSTAINED), ("overload", OVERLOAD)):
        rate = factor * capacity
        answers, took = timed(at_a_rate(port, bodies(int(rate * seconds), rng), rate))
        found[name] = summary(answers, took)
    return found


def main() -> None:
    """Start broker and webhook, measure, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each phase")
    parser.add_argument("--client", choices=["confluent", "kafka-python"], default="confluent")
    parser.add_argument("--serve", nargs=2, metavar=("BOOTSTRAP", "PORT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        if options.serve:
            serve(options.serve[0], options.client, int(options.serve[1]), place)
            return
        broker = EmbeddedBroker(place / "kafka")
        try:
            measure(broker.start(), options.client, options.seconds)
        finally:
            broker.stop()


def measure(bootstrap: str, client: str, seconds: float) -> None:
    """Run the webhook's process and the phases, and print what was found."""
    settings = KafkaSettings(bootstrap_servers=bootstrap)
    with contextlib.closing(kafka.connect(settings).admin()) as admin:
        for spec in declared(DEFAULT_TOPICS):
            admin.create(spec)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, __file__, "--client", client, "--serve", bootstrap, str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            wait_for(port)
            found = phases(port, seconds, random.Random(7))
        finally:
            process.send_signal(signal.SIGTERM)
        told = json.loads(process.communicate(timeout=60)[0])
    report(found, told["peak_mb"], client)


def wait_for(port: int) -> None:
    """Until the webhook listens."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        time.sleep(0.1)
    raise TimeoutError("the webhook does not listen")


def report(found: dict[str, dict[str, float]], peak_mb: float, client: str) -> None:
    """Print a table for people and a JSON object for machines."""
    print(f"bodies of {PIX_PER_BODY} Pix, {client}; latency of 200s and 503s from sending")
    print(
        f"{'phase':<11}{'offered/s':>10}{'200/s':>7}{'503':>7}{'p50 ms':>8}{'p99 ms':>8}"
        f"{'p99 of 503':>12}"
    )
    result: dict[str, float | str] = {"client": client, "peak_mb": round(peak_mb)}
    for name, one in found.items():
        print(
            f"{name:<11}{one['offered_per_s']:>10}{one['accepted_per_s']:>7}"
            f"{one['share_503']:>7.1%}{one['p50_ms']:>8}{one['p99_ms']:>8}{one['p99_503_ms']:>12}"
        )
        result |= {f"{name}_{key}": value for key, value in one.items()}
    print(f"peak memory of the webhook's process: {peak_mb:.0f} MB")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
