import dataclasses
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import msgspec
import pytest

from pixstream.backoff import BackoffSettings
from pixstream.config.settings import SupervisorSettings
from pixstream.errors import ConfigError, PixstreamError
from pixstream.http_serving.exposure import Listener
from pixstream.http_serving.sockets import listen
from pixstream.plugins.producer import Producer
from pixstream.processes import run_lock, run_status
from pixstream.processes.component import ChildSpec
from pixstream.processes.replica_locks import ReplicaLocks
from pixstream.processes.supervisor import Child, Supervisor, select
from pixstream.testing.waiting import HANG_SECONDS, wait_for

CHILD = """
import json, os, signal, sys, threading, time
order = json.loads(sys.argv[1])
def report(state, stalled=0.0, **counts):
    metrics = [
        {"name": f"pix_{name}_total", "kind": "counter", "short": name, "value": count}
        for name, count in counts.items()
    ]
    line = {"state": state, "metrics": metrics, "stalled_seconds": stalled}
    os.write(order["report_fd"], json.dumps(line).encode() + b"\\n")
def until_told():
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    report("ready", read=1)
    while not stop.wait(0.02):
        pass
"""
REPORTING = """
while True:
    report("ready")
    time.sleep(0.05)
"""
IN_HAND = """
def report(state):
    metrics = [
        {"name": "pix_read_total", "kind": "counter", "short": "read", "value": 1},
        {"name": "pix_in_hand_records", "kind": "gauge", "short": "in_hand_records", "value": 4},
    ]
    os.write(order["report_fd"], json.dumps({"state": state, "metrics": metrics}).encode() + b"\\n")
def until_told():
    report("ready")
    time.sleep(600)
"""
DEAF = "signal.signal(signal.SIGTERM, signal.SIG_IGN); report('ready'); time.sleep(60)"
ORDER = ChildSpec(config_path="", environment=None, overrides=[], name="", replica=0)
SETTINGS = SupervisorSettings(
    restart=BackoffSettings(min_seconds=0.01, max_seconds=0.02), stop_timeout_seconds=HANG_SECONDS
)


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Callable[..., Supervisor]]:
    made: list[Supervisor] = []

    def make(
        body: str,
        settings: SupervisorSettings = SETTINGS,
        directory: Path | None = None,
        replicas: int = 1,
    ) -> Supervisor:
        script = tmp_path / f"child{len(made)}.py"
        script.write_text(CHILD + body)
        component = Producer(type="fake", replicas=replicas)
        command = (sys.executable, str(script))
        made.append(Supervisor(ORDER, [component], settings, command=command, directory=directory))
        return made[-1]

    yield make
    for supervisor in made:
        supervisor.stop(lambda: True)


def step_until(supervisor: Supervisor, done: Callable[[], bool]) -> None:
    def stepped() -> bool:
        if done():
            return True
        supervisor.step(0.05)
        return False

    wait_for(stepped, lambda: [c.state for c in supervisor.children], every=0)


def test_children_of_every_replica_become_ready_and_stop_clean(
    supervise: Callable[..., Supervisor],
) -> None:
    supervisor = supervise("until_told()", replicas=2)
    supervisor.start()
    step_until(supervisor, supervisor.ready)
    assert [c.label for c in supervisor.children] == ["fake-0", "fake-1"]
    assert supervisor.stop()
    assert [c.state for c in supervisor.children] == ["stopped", "stopped"]
    assert all(child.counts["read"] == 1 for child in supervisor.children)


def test_a_component_that_waits_is_not_announced_as_ready(
    supervise: Callable[..., Supervisor], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    waits = "state = 'waiting' if order['replica'] else 'ready'\n"
    supervisor = supervise(waits + REPORTING.replace('"ready"', "state"), replicas=2)
    supervisor.start()
    step_until(supervisor, lambda: "ready" in caplog.text)
    assert "not all is ready: fake-1 (waiting); ready: fake-0" in caplog.text


def test_a_killed_child_is_started_again_and_its_counts_add_up(
    supervise: Callable[..., Supervisor],
) -> None:
    supervisor = supervise("until_told()")
    (child,) = supervisor.children

    def again(restarts: int) -> bool:
        return child.restarts == restarts and supervisor.ready()

    supervisor.start()
    for restarts in range(3):
        step_until(supervisor, partial(again, restarts))
        assert child.process is not None
        child.process.kill()
        child.state = "killed"
    step_until(supervisor, lambda: child.restarts == 3 and supervisor.ready())
    assert child.counts["read"] == 4


def test_what_a_killed_child_had_in_hand_counts_as_interrupted(
    supervise: Callable[..., Supervisor],
) -> None:
    supervisor = supervise(IN_HAND + "until_told()")
    (child,) = supervisor.children
    supervisor.start()
    for restarts in (1, 2):
        step_until(supervisor, supervisor.ready)
        assert child.process is not None
        child.process.kill()
        child.state = "killed"
        step_until(supervisor, partial(was_scheduled, child, restarts))
    assert child.counts == {"interrupted_records": 8, "read": 2}
    step_until(supervisor, supervisor.ready)
    assert child.counts == {"in_hand_records": 4, "interrupted_records": 8, "read": 3}


def test_a_fenced_child_starts_again_after_the_longest_back_off(
    supervise: Callable[..., Supervisor], caplog: pytest.LogCaptureFixture
) -> None:
    restart = BackoffSettings(min_seconds=0.001, max_seconds=0.3)
    supervisor = supervise("sys.exit(3)", settings=SupervisorSettings(restart=restart))
    (child,) = supervisor.children
    supervisor.start()
    for restarts in (1, 2):
        step_until(supervisor, partial(was_scheduled, child, restarts))
    assert caplog.text.count("restarts in 0.3 s") == 2
    assert "stop one of the two supervisors" in caplog.text


def was_scheduled(child: Child, restarts: int) -> bool:
    return child.restarts == restarts and child.state == "restarting"


def test_a_wrong_configuration_ends_the_supervisor(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise("sys.exit(2)")
    with pytest.raises(ConfigError, match="fake-0"):
        supervisor.run(lambda: 0)
    assert [c.restarts for c in supervisor.children] == [0]


WORKS_UNTIL_TOLD = "signal.signal(signal.SIGTERM, lambda *_: sys.exit(2))" + REPORTING


def test_a_configuration_that_worked_before_is_tried_again(
    supervise: Callable[..., Supervisor],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pixstream.processes.child.WORKED_SECONDS", 0.1)
    supervisor = supervise(WORKS_UNTIL_TOLD)
    (child,) = supervisor.children
    supervisor.start()
    for restarts in (1, 2):
        step_until(supervisor, lambda: child.worked and supervisor.ready())
        assert child.process is not None
        child.process.terminate()
        step_until(supervisor, partial(was_scheduled, child, restarts))
    errors = [r.getMessage() for r in caplog.records if r.levelname == "ERROR"]
    assert len(errors) == 2
    assert errors[0].startswith("fake-0: its configuration, which worked before, cannot be used")


def test_a_configuration_that_fails_as_soon_as_the_loop_is_ready_never_worked(
    supervise: Callable[..., Supervisor],
) -> None:
    supervisor = supervise("report('ready'); report('ready'); sys.exit(2)")
    with pytest.raises(ConfigError, match="fake-0"):
        supervisor.run(lambda: 0)


def test_a_child_that_does_not_drain_is_killed_at_the_deadline(
    supervise: Callable[..., Supervisor],
) -> None:
    settings = SupervisorSettings(stop_timeout_seconds=0.3)
    supervisor = supervise(DEAF, settings=settings)
    supervisor.start()
    step_until(supervisor, supervisor.ready)
    assert not supervisor.stop()


def test_a_signal_lets_run_end_with_exit_code_0(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise("until_told()")
    assert supervisor.run(lambda: 1 if supervisor.ready() else 0) == 0


def test_a_child_that_somebody_else_told_to_end_is_started_again(
    supervise: Callable[..., Supervisor],
) -> None:
    supervisor = supervise("until_told()")
    (child,) = supervisor.children
    supervisor.start()
    step_until(supervisor, supervisor.ready)
    assert child.process is not None
    child.process.terminate()
    step_until(supervisor, lambda: child.restarts == 1 and supervisor.ready())


def test_a_second_signal_kills_at_once(supervise: Callable[..., Supervisor]) -> None:
    settings = SupervisorSettings(stop_timeout_seconds=60)
    supervisor = supervise(DEAF, settings=settings)
    supervisor.start()
    step_until(supervisor, supervisor.ready)
    began = time.monotonic()
    assert not supervisor.stop(lambda: True)
    assert time.monotonic() - began < 5


def test_a_child_killed_while_it_starts_had_nothing_in_hand(
    supervise: Callable[..., Supervisor],
) -> None:
    settings = SupervisorSettings(stop_timeout_seconds=0.3)
    body = "signal.signal(signal.SIGTERM, signal.SIG_IGN); report('starting', up=1); time.sleep(60)"
    supervisor = supervise(body, settings=settings)
    (child,) = supervisor.children
    supervisor.start()
    step_until(supervisor, lambda: "up" in child.counts)
    assert supervisor.stop()


def test_a_stop_does_not_wait_for_a_back_off(supervise: Callable[..., Supervisor]) -> None:
    restart = BackoffSettings(min_seconds=300, max_seconds=300)
    supervisor = supervise("sys.exit(3)", settings=SupervisorSettings(restart=restart))
    (child,) = supervisor.children
    supervisor.start()
    step_until(supervisor, partial(was_scheduled, child, 1))
    began = time.monotonic()
    assert supervisor.stop()
    assert time.monotonic() - began < 5
    assert child.state == "stopped"


def test_a_child_that_stops_reporting_is_killed_and_started_again(
    supervise: Callable[..., Supervisor], caplog: pytest.LogCaptureFixture
) -> None:
    supervisor = supervise(REPORTING, settings=msgspec.structs.replace(SETTINGS, hang_seconds=1))
    (child,) = supervisor.children
    supervisor.start()
    step_until(supervisor, supervisor.ready)
    assert child.process is not None
    child.process.send_signal(signal.SIGSTOP)
    step_until(supervisor, lambda: child.restarts == 1 and supervisor.ready())
    assert "fake-0 hangs: no report for" in caplog.text
    assert "SIGKILL: no report for" in str(child.status(0).last_exit)


def test_a_supervisor_that_slept_itself_kills_nobody(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise(REPORTING, settings=msgspec.structs.replace(SETTINGS, hang_seconds=3))
    (child,) = supervisor.children
    supervisor.start()
    step_until(supervisor, supervisor.ready)
    supervisor._stepped -= 3600
    supervisor.step(0)
    assert child.silent <= 3
    step_until(supervisor, lambda: child.silent < 0.5)
    assert (child.restarts, child.verdict) == (0, "")


def test_a_loop_that_does_not_turn_is_told_of_first_and_killed_late(
    supervise: Callable[..., Supervisor], caplog: pytest.LogCaptureFixture
) -> None:
    body = """
for second in range(100):
    report("ready", stalled=second)
    time.sleep(0.05)
"""
    settings = msgspec.structs.replace(SETTINGS, hang_seconds=10, stall_seconds=20)
    supervisor = supervise(body, settings=settings)
    (child,) = supervisor.children
    supervisor.start()
    step_until(supervisor, lambda: child.stalled > 10)
    assert child.status(10).state == "stuck"
    step_until(supervisor, lambda: child.restarts == 1)
    assert caplog.text.count("its loop has made no progress for") == 1
    assert re.search(
        r"SIGKILL: its loop made no progress for \d+ s", str(child.status(0).last_exit)
    )


def test_a_child_that_dies_at_its_start_again_and_again_is_seen_and_floods_no_log(
    supervise: Callable[..., Supervisor], caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    restart = BackoffSettings(min_seconds=0.05, max_seconds=300)
    supervisor = supervise(
        "os.kill(os.getpid(), signal.SIGKILL)",
        settings=SupervisorSettings(restart=restart),
        directory=tmp_path / "run",
    )
    (child,) = supervisor.children
    supervisor.start()
    until = time.monotonic() + 4
    step_until(supervisor, lambda: time.monotonic() > until and child.state == "restarting")
    assert 2 < child.restarts < 20
    assert len(caplog.records) == child.restarts
    supervisor._publish()
    (seen,) = run_status.read(tmp_path / "run")
    (status,) = seen.status.components
    assert (status.state, status.restarts, seen.ready) == ("restarting", child.restarts, False)
    assert status.last_exit == ("signal SIGKILL: killed from outside, perhaps for lack of memory")
    assert status.next_start_seconds is not None


def test_a_machine_that_cannot_start_a_process_now_is_asked_again(
    supervise: Callable[..., Supervisor],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    supervisor = supervise("until_told()")
    (child,) = supervisor.children

    def exhausted(*_: object, **__: object) -> None:
        raise OSError(12, "Cannot allocate memory")

    with monkeypatch.context() as patch:
        patch.setattr(subprocess, "Popen", exhausted)
        supervisor.start()
    assert "fake-0 could not be started (Cannot allocate memory)" in caplog.text
    step_until(supervisor, supervisor.ready)
    assert child.restarts == 1


def test_a_replica_that_another_supervisor_runs_is_refused_before_anything_starts(
    supervise: Callable[..., Supervisor], tmp_path: Path
) -> None:
    first = supervise("until_told()", directory=tmp_path / "run")
    second = supervise("until_told()", directory=tmp_path / "run", replicas=2)
    first.start()
    step_until(first, first.ready)
    with pytest.raises(PixstreamError, match="another supervisor already runs fake-0"):
        second.run(lambda: 0)
    assert [child.process for child in second.children] == [None, None]
    assert first.stop()
    second.start()
    step_until(second, second.ready)


def test_a_replica_in_back_off_is_still_held(
    supervise: Callable[..., Supervisor], tmp_path: Path
) -> None:
    restart = BackoffSettings(min_seconds=300, max_seconds=300)
    first = supervise("sys.exit(3)", SupervisorSettings(restart=restart), tmp_path / "run")
    second = supervise("until_told()", directory=tmp_path / "run")
    first.start()
    step_until(first, partial(was_scheduled, first.children[0], 1))
    with pytest.raises(PixstreamError, match="another supervisor"):
        second.start()


def test_a_new_supervisor_waits_for_an_orphan(
    supervise: Callable[..., Supervisor], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The child of a killed supervisor, here one that nothing ends for a while."""
    directory = tmp_path / "run"
    directory.mkdir()
    lock = run_lock.take(directory / "component.fake-0.lock")
    assert lock is not None
    lock.write('{"supervisor": "1-dead", "pid": 4711}')
    orphan = subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"],
        stdin=subprocess.PIPE,
        pass_fds=[lock.descriptor],
    )
    lock.release()
    supervisor = supervise("until_told()", directory=directory)

    def release() -> int:
        if "process 4711 of a killed supervisor" in caplog.text:
            orphan.kill()
        return 0

    supervisor.start(release)
    orphan.communicate()
    step_until(supervisor, supervisor.ready)


def test_an_orphan_that_does_not_end_is_named(
    supervise: Callable[..., Supervisor], tmp_path: Path
) -> None:
    lock = ReplicaLocks(tmp_path, "1-dead").take("fake-0", 0, lambda: 0)
    assert lock is not None
    settings = SupervisorSettings(stop_timeout_seconds=0.2)
    supervisor = supervise("until_told()", settings, tmp_path)
    with pytest.raises(PixstreamError, match="a killed supervisor still runs it"):
        supervisor.run(lambda: 0)
    lock.release()


def test_names_select_components_and_unknown_ones_are_named() -> None:
    one, off = Producer(type="a"), Producer(type="b", enabled=False)
    known = {"a": one, "b": off}
    assert select(known, []) == [one]
    assert select(known, ["b"]) == [off]
    with pytest.raises(ConfigError, match=r"no component named x; configured: a, b"):
        select(known, ["x"])
    with pytest.raises(ConfigError, match="nothing to run"):
        select({"b": off}, [])


ACCEPTING = """
import socket
listening = socket.socket(fileno=order["listen_fd"])
report("ready")
while True:
    connection, _ = listening.accept()
    connection.sendall(str(os.getpid()).encode())
    connection.close()
"""


@dataclasses.dataclass(kw_only=True)
class Gate(Producer):
    def listener(self) -> Listener:
        return Listener("127.0.0.1", 0, {}, open=False)

    def serve(self, listening: socket.socket | None = None) -> None:
        """Never called: the processes are scripts."""

    def hang_up(self) -> None:
        """Never called."""


def test_connections_wait_for_the_next_process_of_a_component_that_listens(tmp_path: Path) -> None:
    script = tmp_path / "child.py"
    script.write_text(CHILD + ACCEPTING)
    command = (sys.executable, str(script))
    supervisor = Supervisor(ORDER, [Gate(type="gate")], SETTINGS, command=command)
    (child,) = supervisor.children
    try:
        supervisor.start()
        step_until(supervisor, supervisor.ready)
        assert child.listening is not None
        assert child.process is not None
        with socket.socket(fileno=os.dup(child.listening)) as copy:
            place = copy.getsockname()
        first = child.process.pid
        with socket.create_connection(place) as answered:
            assert answered.recv(20) == str(first).encode()
        child.process.kill()
        child.process.wait()
        with socket.create_connection(place) as early:  # before there is another process
            step_until(supervisor, lambda: child.restarts == 1 and supervisor.ready())
            assert child.process.pid != first
            assert early.recv(20) == str(child.process.pid).encode()
    finally:
        supervisor.stop(lambda: True)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(place)


def test_a_taken_port_is_tried_again(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = tmp_path / "child.py"
    script.write_text(CHILD + "until_told()")
    with listen("127.0.0.1", 0) as other:
        port = other.getsockname()[1]
        place = Listener("127.0.0.1", port, {}, open=False)
        monkeypatch.setattr(Gate, "listener", lambda _: place)
        supervisor = Supervisor(
            ORDER, [Gate(type="gate")], SETTINGS, command=(sys.executable, str(script))
        )
        (child,) = supervisor.children
        supervisor.start()
        step_until(supervisor, lambda: child.restarts > 1)
        assert f"port {port} of 127.0.0.1 is taken" in caplog.text
    try:
        step_until(supervisor, supervisor.ready)
    finally:
        supervisor.stop(lambda: True)


def test_an_address_that_this_machine_does_not_have_ends_the_supervisor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = Listener("192.0.2.1", 0, {}, open=False)
    monkeypatch.setattr(Gate, "listener", lambda _: place)
    supervisor = Supervisor(ORDER, [Gate(type="gate")], SETTINGS)
    with pytest.raises(ConfigError, match=r"gate-0: cannot listen on port 0 of 192\.0\.2\.1"):
        supervisor.run(lambda: 0)
