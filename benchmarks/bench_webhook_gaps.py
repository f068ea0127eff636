"""How long the senders of a webhook get no 200 after something around it was killed.

A broker and `pixstream run webhook` run beside a sender that posts a body twenty times a second,
each on a connection of its own. Then, one after the other: the webhook's process is killed; the
supervisor is killed, and started again at once, as systemd would; the broker is killed, and started
again at once and after an outage. A gap goes from the kill, or from the moment at which the broker
answers again, to the first 200 to a body sent after the kill. Also told: what senders got instead,
and what `/ready` says while the broker is away.

    python benchmarks/bench_webhook_gaps.py --client confluent --outage 20

The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, NamedTuple

import httpx2
import psutil
import yaml
from bench_webhook import bodies

from pixstream import kafka
from pixstream.kafka.settings import KafkaSettings
from pixstream.kafka.topics.declared import DEFAULT_TOPICS, declared
from pixstream.lab.broker.embedded import EmbeddedBroker
from pixstream.privacy import create_key_file

if TYPE_CHECKING:
    from collections.abc import Callable

EVERY_SECONDS = 0.05
SENDER_SECONDS = 15.0
"""A sender waits this long for an answer."""

CALM_SECONDS = 5.0
GIVE_UP_SECONDS = 120.0


class Answer(NamedTuple):
    """When a body was sent and answered (monotonic), and its status, or what happened instead."""

    sent: float
    when: float
    what: str


class Senders:
    """Post bodies at a steady rate, each on its own connection, until they are stopped."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._stop = threading.Event()
        self.answers: list[Answer] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def since(self, when: float) -> list[Answer]:
        return [answer for answer in list(self.answers) if answer.when > when]

    def first_200(self, since: float, sent: float = 0.0) -> float:
        """Wait for the first 200 after a moment to a body sent after another; say when it came."""
        deadline = time.monotonic() + GIVE_UP_SECONDS
        while time.monotonic() < deadline:
            for answer in self.since(since):
                if answer.what == "200" and answer.sent >= sent:
                    return answer.when
            time.sleep(0.01)
        raise TimeoutError(f"no 200 within {GIVE_UP_SECONDS:g} s")

    def _run(self) -> None:
        rng = Random(7)
        with ThreadPoolExecutor(int(SENDER_SECONDS / EVERY_SECONDS) + 16) as pool:
            while not self._stop.wait(EVERY_SECONDS):
                pool.submit(self._send, bodies(1, rng)[0])

    def _send(self, request: bytes) -> None:
        place = ("127.0.0.1", self._port)
        sent = time.monotonic()
        try:
            with socket.create_connection(place, SENDER_SECONDS) as connection:
                connection.sendall(request)
                head = connection.recv(100)
            what = head.split()[1].decode() if head else "cut off"
        except TimeoutError:
            what = "no answer"
        except ConnectionRefusedError:
            what = "refused"
        except OSError:
            what = "cut off"
        self.answers.append(Answer(sent, time.monotonic(), what))


class Site:
    """A directory with a configuration of one webhook, and its `pixstream run`."""

    def __init__(self, place: Path, bootstrap: str, client: str) -> None:
        for name in ("pseudonym", "encryption"):
            create_key_file(place / f"{name}.key")
        self.port, self.metrics = free_port(), free_port()
        self._file = place / "kafka_config.yaml"
        self._log = place / "log"
        settings = {
            "data_dir": str(place / "data"),
            "privacy": {
                "pseudonym_key": f"file:{place / 'pseudonym.key'}",
                "encryption_key": f"file:{place / 'encryption.key'}",
            },
            "kafka": {"bootstrap_servers": bootstrap, "client": client},
            "metrics": {"port": self.metrics},
            "producers": {"webhook": {"port": self.port}},
        }
        self._file.write_text(yaml.safe_dump(settings))
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "pixstream.cli", "-c", str(self._file), "run"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stderr=log)

    def kill_supervisor(self) -> None:
        self._process.kill()
        self._process.wait()
        self.start()

    def kill_webhook(self) -> None:
        (child,) = psutil.Process(self._process.pid).children()
        child.kill()

    def cpu_seconds(self) -> float:
        """CPU-seconds of the webhook's process."""
        (child,) = psutil.Process(self._process.pid).children()
        used = child.cpu_times()
        return used.user + used.system

    def ready(self) -> bool:
        with contextlib.suppress(httpx2.TransportError):
            address = f"http://127.0.0.1:{self.metrics}/ready"
            return httpx2.get(address, trust_env=False).is_success
        return False

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait()

    def told(self) -> str:
        return self._log.read_text()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port: int = held.getsockname()[1]
        return port


def measured(
    name: str, senders: Senders, break_it: Callable[[], float | None]
) -> dict[str, float | str | dict[str, int]]:
    """Break something; return the gap and what senders got during it.

    `break_it` returns the moment from which the gap counts; None: from the beginning.
    """
    broken = time.monotonic()
    counted = break_it() or broken
    over = senders.first_200(counted, broken)
    got = Counter(a.what for a in senders.since(broken) if a.when <= over)
    gap = round(over - counted, 2)
    print(f"{name:<34}{gap:>7.2f} s   {dict(got)}", flush=True)
    time.sleep(CALM_SECONDS)
    return {"gap_s": gap, "got": dict(got)}


def measure(broker: EmbeddedBroker, place: Path, client: str, outage: float) -> None:
    bootstrap = broker.start()
    with contextlib.closing(kafka.connect(KafkaSettings(bootstrap_servers=bootstrap)).admin()) as a:
        for spec in declared(DEFAULT_TOPICS):
            a.create(spec)
    site = Site(place, bootstrap, client)
    ready_meanwhile: list[bool] = []

    def end(seconds: float) -> float:
        broker.kill()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(min(1.0, seconds))
            # A broker that has just died is found out when the next commit has no answer.
            if time.monotonic() > end - seconds / 2:
                ready_meanwhile.append(site.ready())
        broker.start()
        return time.monotonic()

    senders = Senders(site.port)
    try:
        senders.first_200(0.0)
        time.sleep(CALM_SECONDS)
        found = {
            "webhook": measured("the webhook is killed", senders, site.kill_webhook),
            "supervisor": measured("the supervisor is killed", senders, site.kill_supervisor),
            "broker": measured("the broker is killed, and back", senders, lambda: end(0.0)),
            "outage": measured(
                f"the broker is away for {outage:g} s", senders, lambda: end(outage)
            ),
        }
    except TimeoutError:
        print(site.told()[-4000:])
        raise
    finally:
        senders.stop()
        site.stop()
    print(f"/ready while the broker was away: {Counter(map(str, ready_meanwhile))}")
    print(json.dumps({"client": client, "load": os.getloadavg()[0], **found}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--client", choices=["confluent", "kafka-python"], default="confluent")
    parser.add_argument("--outage", type=float, default=20.0, help="of the broker, s")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        broker = EmbeddedBroker(Path(name) / "kafka")
        try:
            measure(broker, Path(name), options.client, options.outage)
        finally:
            broker.stop()


if __name__ == "__main__":
    main()
