"""The promises on the real thing: every process is killed while events flow, and it adds up."""

import datetime as dt
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import psutil
import pytest
import yaml

from pixstream import config, kafka
from pixstream.demo import tables
from pixstream.demo.privacy_scan import PrivacyScan
from pixstream.demo.reconcile import Ledger, Reconciliation
from pixstream.kafka.broker import EmbeddedBroker
from pixstream.privacy import create_key_file, keys
from pixstream.simulation.offers import Plan
from pixstream.simulation.pieces import SYSTEM_LOG

EVENTS = int(os.environ.get("CHAOS_EVENTS", "1500"))
KILLS = int(os.environ.get("CHAOS_KILLS", "8"))
"""`make chaos` raises both; the short form runs with every other test."""

pytestmark = [pytest.mark.broker, pytest.mark.demo, pytest.mark.timeout(400 + 20 * KILLS)]


class Run:
    """A configuration in a directory, and `pixstream run` on it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.file = directory / "kafka_config.yaml"
        self.log = directory / "app.jsonl"
        self.broker = EmbeddedBroker(directory / "data" / "kafka")
        self.process: subprocess.Popen[bytes] | None = None
        for name in ("pseudonym", "encryption"):
            create_key_file(directory / f"{name}.key")

    def configure(self, client: str) -> None:
        settings = {
            "data_dir": str(self.directory / "data"),
            "privacy": {
                "pseudonym_key": f"file:{self.directory / 'pseudonym.key'}",
                "encryption_key": f"file:{self.directory / 'encryption.key'}",
            },
            "kafka": {
                "client": client,
                "bootstrap_servers": self.broker.start(),
                "session_timeout_ms": 6000,
                "transaction_timeout_ms": 6000,
            },
            "retry": {"max_seconds": 1.0},
            "supervisor": {"restart": {"max_seconds": 1.0}},
            "logging": {"file": str(self.directory / "pixstream.log")},
            "producers": {"system_log": {"paths": [str(self.log)], "poll_seconds": 0.1}},
            "consumers": {
                "delta_lake": {
                    "uri": str(self.directory / "lake"),
                    "replicas": 2,
                    "batch": {"rows": 200, "seconds": 0.3},
                }
            },
        }
        self.file.write_text(yaml.safe_dump(settings))
        self.command("topics", "apply")

    def command(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "pixstream.cli", "-c", str(self.file), *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self) -> None:
        with (self.directory / "supervisor.err").open("ab") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pixstream.cli", "-c", str(self.file), "run"], stderr=errors
            )

    def victims(self) -> list[psutil.Process]:
        assert self.process is not None
        try:
            return psutil.Process(self.process.pid).children()
        except psutil.NoSuchProcess:
            return []

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    made = Run(tmp_path)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.process.kill()
        made.process.wait()
    made.broker.stop()


def until(done: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, what
        time.sleep(0.3)


def lag(run: Run) -> int:
    return int(json.loads(run.command("lag", "--format", "json"))["total"])


@pytest.mark.parametrize("client", ["confluent", "kafka-python"])
def test_kill_9_of_every_process_loses_and_doubles_nothing(run: Run, client: str) -> None:
    run.configure(client)
    run.start()
    ledger, rng = Ledger(), Random(3)
    plan = Plan(EVENTS, 5, now=dt.datetime.now(dt.UTC), sources=[SYSTEM_LOG])
    offers = list(plan)
    step = len(offers) // (KILLS + 1)
    with run.log.open("ab") as log:
        for number, offer in enumerate(offers):
            for fact in offer.facts:
                ledger.fact(*fact)
            ledger.malformed.update(offer.malformed)
            # Half a line first, as a writer's buffer would: a killed reader must not take it.
            half = len(offer.content) // 2
            log.write(offer.content[:half])
            log.flush()
            log.write(offer.content[half:])
            log.flush()
            if number % step == step - 1:
                until(lambda: bool(run.victims()), 30, "no children")
                rng.choice(run.victims()).kill()
                time.sleep(rng.uniform(0.2, 1.5))
            if number == len(offers) // 2:
                kill_supervisor_and_broker(run)
    until(lambda: arrived(run) >= set(ledger.facts), 120, "events are missing")
    until(lambda: lag(run) == 0, 60, "lag does not reach 0")
    assert run.stop() == 0
    settings = config.load(run.file)
    reconciliation = Reconciliation(
        ledger,
        kafka.connect(settings.kafka),
        run.directory / "lake",
        keys(settings.privacy)[1],
        run.directory / "data" / "letters",
        PrivacyScan(plan.clear_identifiers()),
    )
    outcome = reconciliation.run(0, [run.directory / "pixstream.log"], 0)
    assert (outcome.lost, outcome.duplicates, outcome.clear_identifiers) == (0, 0, 0)
    assert sum(t.unknown for t in reconciliation.tables) == 0
    assert outcome.offered == EVENTS


def kill_supervisor_and_broker(run: Run) -> None:
    assert run.process is not None
    children = run.victims()
    run.process.kill()
    run.process.wait()
    run.broker.kill()
    until(lambda: not any(map(alive, children)), 30, "children outlived their supervisor")
    run.broker.start()
    run.start()


def alive(process: psutil.Process) -> bool:
    """A zombie has ended: where nobody adopts orphans it keeps its number."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def arrived(run: Run) -> set[str]:
    read = [tables.read(path, ["event_id"]) for path in (run.directory / "lake").glob("*")]
    return {i for table in read if table is not None for i in table["event_id"].to_pylist()}


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
