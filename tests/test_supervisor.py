import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from pixstream.backoff import BackoffSettings
from pixstream.component import Order
from pixstream.config.settings import SupervisorSettings
from pixstream.errors import ConfigError
from pixstream.plugin import Producer
from pixstream.supervisor import Child, Supervisor, select

CHILD = """
import json, os, signal, sys, threading, time
order = json.loads(sys.argv[1])
def report(state, **counts):
    os.write(order["report_fd"], json.dumps({"state": state, "counts": counts}).encode() + b"\\n")
def until_told():
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    report("ready", read=1)
    while not stop.wait(0.02):
        pass
"""
ORDER = Order(config_path="", environment=None, overrides=[], name="", replica=0)
SETTINGS = SupervisorSettings(
    restart=BackoffSettings(min_seconds=0.01, max_seconds=0.02), stop_timeout_seconds=5
)


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Callable[..., Supervisor]]:
    made: list[Supervisor] = []

    def make(body: str, replicas: int = 1, settings: SupervisorSettings = SETTINGS) -> Supervisor:
        script = tmp_path / "child.py"
        script.write_text(CHILD + body)
        component = Producer(type="fake", replicas=replicas)
        made.append(Supervisor(ORDER, [component], settings, command=(sys.executable, str(script))))
        return made[-1]

    yield make
    for supervisor in made:
        supervisor.stop(lambda: True)


def step_until(supervisor: Supervisor, done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not done():
        assert time.monotonic() < deadline, [c.state for c in supervisor.children]
        supervisor.step(0.05)


def test_children_of_every_replica_become_ready_and_stop_clean(
    supervise: Callable[..., Supervisor],
) -> None:
    supervisor = supervise("until_told()", replicas=2)
    supervisor.start()
    step_until(supervisor, supervisor.ready)
    assert [c.label for c in supervisor.children] == ["fake-0", "fake-1"]
    assert supervisor.stop()
    assert [c.state for c in supervisor.children] == ["stopped", "stopped"]
    assert all(child.sum("read") == 1 for child in supervisor.children)


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
    assert child.sum("read") == 4


def test_a_fenced_child_starts_again_after_the_longest_back_off(
    supervise: Callable[..., Supervisor], caplog: pytest.LogCaptureFixture
) -> None:
    restart = BackoffSettings(min_seconds=0.001, max_seconds=0.3)
    supervisor = supervise("sys.exit(3)", settings=SupervisorSettings(restart=restart))
    (child,) = supervisor.children
    supervisor.start()
    for restarts in (1, 2):
        step_until(supervisor, partial(was_scheduled, child, restarts))
    assert caplog.text.count("starts again in 0.3 s") == 2
    assert "stop one of the two supervisors" in caplog.text


def was_scheduled(child: Child, restarts: int) -> bool:
    return child.restarts == restarts and child.state == "restarting"


def test_a_wrong_configuration_ends_the_supervisor(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise("sys.exit(2)")
    with pytest.raises(ConfigError, match="fake-0"):
        supervisor.run(lambda: 0)
    assert [c.restarts for c in supervisor.children] == [0]


def test_a_child_that_does_not_drain_is_killed_at_the_deadline(
    supervise: Callable[..., Supervisor],
) -> None:
    settings = SupervisorSettings(stop_timeout_seconds=0.3)
    body = "signal.signal(signal.SIGTERM, signal.SIG_IGN); report('ready'); time.sleep(60)"
    supervisor = supervise(body, settings=settings)
    supervisor.start()
    step_until(supervisor, supervisor.ready)
    assert not supervisor.stop()


def test_a_signal_lets_run_end_with_exit_code_0(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise("until_told()")
    assert supervisor.run(lambda: 1 if supervisor.ready() else 0) == 0


def test_children_end_when_their_supervisor_is_killed(tmp_path: Path) -> None:
    """The real child of a configuration without brokers waits for Kafka; nobody signals it."""
    child_pid = tmp_path / "pid"
    script = f"""
import os, subprocess, sys, time
read, write = os.pipe()
order = '{{"config_path": "", "environment": null, "overrides": [], "name": "x", "replica": 0, '
order += '"parent": ' + str(os.getpid()) + '}}'
code = '''
import os, signal, sys, threading, time
from pixstream import component
stop = threading.Event()
component._end_with({{parent}}, stop)
signal.signal(signal.SIGTERM, lambda *_: stop.set())
open({str(child_pid)!r}, "w").write(str(os.getpid()))
while not stop.wait(0.05):
    pass
'''.replace("{{parent}}", str(os.getpid()))
subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
time.sleep(60)
"""
    import subprocess

    parent = subprocess.Popen([sys.executable, "-c", script])
    deadline = time.monotonic() + 20
    while not child_pid.exists() or not child_pid.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    pid = int(child_pid.read_text())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    while Path(f"/proc/{pid}").exists() and "zombie" not in Path(f"/proc/{pid}/status").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert os.getpid() != pid


def test_names_select_components_and_unknown_ones_are_named() -> None:
    one, off = Producer(type="a"), Producer(type="b", enabled=False)
    assert select({"a": one}, {"b": off}, []) == [one]
    assert select({"a": one}, {"b": off}, ["b"]) == [off]
    with pytest.raises(ConfigError, match=r"no component named x; configured: a, b"):
        select({"a": one}, {"b": off}, ["x"])
    with pytest.raises(ConfigError, match="nothing to run"):
        select({}, {"b": off}, [])
