"""The real child on a real broker: how it ends, whatever it does and whoever else dies."""

import datetime as dt
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random

import psutil
import pytest
import yaml

from pixstream import config, kafka
from pixstream.event.identifiers import e2e
from pixstream.event.model import Draft, encode
from pixstream.event.sealing import Sealer
from pixstream.kafka.topics.declared import declared
from pixstream.lab.broker.embedded import EmbeddedBroker
from pixstream.patience import Patience
from pixstream.privacy import Pseudonymiser, Vault, create_key_file
from pixstream.processes import run_status
from pixstream.testing.waiting import HANG_SECONDS, wait_for

pytestmark = [pytest.mark.broker]

SUPERVISOR = """
import os, sys
from pathlib import Path
from pixstream import config
from pixstream.cli.signals import stop_signals
from pixstream.processes.component import ChildSpec
from pixstream import logs
from pixstream.processes.supervisor import Supervisor, select
file, child = sys.argv[1:]
settings = config.load(Path(file))
logs.configure(settings.logging, "supervisor")
components = select(settings.components, [])
base = ChildSpec(config_path=file, environment=None, overrides=[], name="", replica=0)
directory = Path(settings.data_dir) / "run"
command = (sys.executable, *([child] if child else ["-m", "pixstream.processes.component"]))
with stop_signals() as requested:
    play = Supervisor(base, components, settings.supervisor, command=command, directory=directory)
    sys.exit(play.run(requested))
"""
CHILD = """
import ctypes, pathlib, sys, time
from pixstream.processes import component
from pixstream.consumers.console.consumer import Console
from pixstream.errors import Transient
def write(self, batch, reject):
    pathlib.Path(__file__).with_suffix(".called").touch()
    {body}
Console.write = write
sys.exit(component.main(sys.argv[1:]))
"""
HOLDS_THE_GIL = "ctypes.PyDLL(None).sleep(600)"
BUSY = "time.sleep(600)"
AT_ONCE = "component.lifeline._ONE_REQUEST_SECONDS = 3600"
"""However slow the machine: how long it is by itself is for tests of `lifeline`."""

STUCK = "raise Transient('the destination is stuck')"


class Site:
    """A configuration with one consumer, an event for it, and a supervisor process."""

    def __init__(self, directory: Path, bootstrap: str) -> None:
        self.directory = directory
        self.file = directory / "kafka_config.yaml"
        self.log = directory / "log"
        self.process: subprocess.Popen[bytes] | None = None
        for name in ("pseudonym", "encryption"):
            create_key_file(directory / f"{name}.key")
        self.settings = {
            "data_dir": str(directory / "data"),
            "privacy": {
                "pseudonym_key": f"file:{directory / 'pseudonym.key'}",
                "encryption_key": f"file:{directory / 'encryption.key'}",
            },
            "kafka": {"bootstrap_servers": bootstrap, "session_timeout_ms": 6000},
            "supervisor": {"restart": {"min_seconds": 0.1, "max_seconds": 0.5}},
            "logging": {"file": str(self.log)},
            "consumers": {
                f"console_{secrets.token_hex(4)}": {"type": "console", "batch": {"seconds": 0.2}}
            },
        }

    def start(self, body: str = "", **supervisor: float) -> None:
        self.settings["supervisor"] |= supervisor  # type: ignore[operator]
        self.file.write_text(yaml.safe_dump(self.settings))
        child = self.directory / "child.py"
        child.write_text(CHILD.format(body=body))
        self.process = subprocess.Popen(
            [sys.executable, "-c", SUPERVISOR, str(self.file), str(child) if body else ""],
            stdout=subprocess.DEVNULL,
        )

    def state(self) -> str:
        seen = run_status.read(self.directory / "data" / "run")
        return seen[0].status.components[0].state if seen and seen[0].alive else ""

    def called(self) -> bool:
        """Whether the destination has been called."""
        return (self.directory / "child.called").exists()

    def child(self) -> psutil.Process | None:
        assert self.process is not None
        found = psutil.Process(self.process.pid).children()
        return found[0] if found else None

    def said(self, words: str) -> bool:
        return self.log.exists() and words in self.log.read_text()

    def stop(self) -> tuple[int, float]:
        """Its exit code, and the seconds that count, see `pixstream.patience`."""
        assert self.process is not None
        patience, process = Patience(HANG_SECONDS), self.process
        process.send_signal(signal.SIGTERM)
        wait_for(lambda: process.poll() is not None or patience.exhausted)
        return process.wait(), patience.spent


@pytest.fixture
def site(tmp_path: Path, broker: str) -> Iterator[Site]:
    made = Site(tmp_path, broker)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.process.kill()
        made.process.wait()


@pytest.fixture(autouse=True, scope="module")
def event(broker_control: EmbeddedBroker, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The topics, and an event that every console reads."""
    site = Site(tmp_path_factory.mktemp("event"), broker_control.start())
    site.file.write_text(yaml.safe_dump(site.settings))
    settings = config.load(site.file)
    client = kafka.connect(settings.kafka)
    with closing(client.admin()) as admin:
        existing = admin.topics()
        for spec in declared(settings.topics):
            if spec.name not in existing:
                admin.create(spec)
    now = dt.datetime.now(dt.UTC)
    draft = Draft(message="api_pix.pix", end_to_end_id=e2e("99999004", now, Random(1)), amount="1")
    sealed = Sealer(Pseudonymiser(bytes(32), "k1"), Vault(bytes(32), "k1")).seal(
        draft, source="test", now=now
    )
    with closing(client.outbox("test-component")) as outbox:
        outbox.begin()
        outbox.send("pix.recebimentos", b"key", encode(sealed), ())
        outbox.commit()


def gone(process: psutil.Process) -> bool:
    """A zombie has ended: where nobody adopts orphans it keeps its number."""
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def test_sigterm_drains_and_ends_with_0(site: Site) -> None:
    site.start()
    wait_for(lambda: site.state() == "ready", "not ready")
    code, seconds = site.stop()
    assert code == 0
    assert seconds < 15
    assert run_status.read(site.directory / "data" / "run") == []


@pytest.mark.usefixtures("hang_up")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_ctrl_c_and_a_closed_terminal_are_the_same(site: Site, number: signal.Signals) -> None:
    site.start()
    wait_for(lambda: site.state() == "ready", "not ready")
    assert site.process is not None
    child = site.child()
    assert child is not None
    child.send_signal(number)  # the terminal tells the whole group
    site.process.send_signal(number)
    assert site.process.wait() == 0


def test_one_stop_told_twice_at_once_is_one_stop(site: Site) -> None:
    """As systemd does: it signals every process of the service, and so does the supervisor."""
    site.start(AT_ONCE)
    wait_for(site.called, "no call")
    wait_for(lambda: site.state() == "ready", "not ready")
    child = site.child()
    assert child is not None
    child.send_signal(signal.SIGTERM)
    assert site.stop()[0] == 0


def test_sigterm_while_the_children_start(site: Site) -> None:
    site.start()
    wait_for(site.child, "no child")
    code, seconds = site.stop()
    assert code == 0
    assert seconds < 10


def test_sigterm_while_the_start_waits_for_a_broker_that_says_nothing(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        site.settings["kafka"] = {"bootstrap_servers": f"127.0.0.1:{port}"}
        site.start(stop_timeout_seconds=5)
        silent.settimeout(600)
        with closing(silent.accept()[0]):
            code, seconds = site.stop()
    assert code == 0
    assert seconds < 8


@pytest.mark.parametrize("failures", [1, 100])
def test_sigterm_does_not_wait_for_a_back_off_or_an_open_breaker(site: Site, failures: int) -> None:
    site.settings["retry"] = {
        "min_seconds": 200.0,
        "max_seconds": 200.0,
        "breaker_failures": failures,
        "breaker_seconds": 200.0,
    }
    site.start(STUCK)
    state = "breaker_open" if failures == 1 else "waiting"
    wait_for(lambda: site.state() == state, "it does not wait")
    code, seconds = site.stop()
    assert code == 0
    assert seconds < 10


def test_a_child_in_a_long_call_is_killed_at_the_deadline(site: Site) -> None:
    site.start(BUSY, stop_timeout_seconds=2)
    wait_for(site.called, "no call")
    code, seconds = site.stop()
    assert code == 1
    assert seconds < 6


def test_a_child_that_hangs_in_native_code_is_started_again(site: Site) -> None:
    site.start(HOLDS_THE_GIL, hang_seconds=5)
    wait_for(lambda: site.said("hangs: no report for"), "nobody noticed")
    wait_for(lambda: site.state() in {"starting", "ready"}, "it does not start again")


def test_a_loop_that_does_not_turn_is_seen_and_started_again(site: Site) -> None:
    site.start(BUSY, hang_seconds=5, stall_seconds=8)
    wait_for(site.called, "no call")
    wait_for(lambda: site.state() == "stuck", "nobody sees it")
    wait_for(lambda: site.said("hangs: its loop made no progress for"), "nobody noticed")


@pytest.mark.parametrize("body", ["", "starting", HOLDS_THE_GIL, BUSY])
def test_no_child_outlives_a_supervisor_that_is_killed(site: Site, body: str) -> None:
    """Also one that has not armed its parent-death signal yet, or that no handler reaches."""
    starting = body == "starting"
    site.start("" if starting else body)
    if not body:
        wait_for(lambda: site.state() == "ready", "not ready")
    wait_for(site.child if starting or not body else site.called, "no call")
    child = site.child()
    assert child is not None
    assert site.process is not None
    site.process.kill()
    site.process.wait()
    wait_for(lambda: gone(child), "the child outlived its supervisor")
    (seen,) = run_status.read(site.directory / "data" / "run")
    assert (seen.alive, seen.ready) == (False, False)


def test_a_new_supervisor_takes_over_from_a_killed_one(site: Site) -> None:
    site.start()
    wait_for(lambda: site.state() == "ready", "not ready")
    assert site.process is not None
    site.process.kill()
    site.process.wait()
    site.start()
    wait_for(lambda: site.state() == "ready", "not ready again")
    assert len(run_status.read(site.directory / "data" / "run")) == 1
    assert site.stop()[0] == 0


def test_a_second_supervisor_of_the_same_component_says_so_at_once(site: Site) -> None:
    site.start()
    wait_for(lambda: site.state() == "ready", "not ready")
    second = subprocess.run(
        [sys.executable, "-m", "pixstream.cli", "-c", str(site.file), "run"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert second.returncode == 1
    assert "another supervisor already runs" in second.stderr
    assert site.state() == "ready"
