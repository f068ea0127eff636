import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pixstream.processes.lifeline import Stop
from pixstream.testing.waiting import wait_for

CHILD = """
import sys, time
from pixstream.processes import lifeline
stop = lifeline.Stop()
lifeline.obey(stop, lambda: {starting})
print("up", flush=True)
while not ({deaf} or stop.wait(0.1)):
    pass
time.sleep({drain})
sys.exit(7)
"""


def child(*, starting: bool = False, deaf: bool = False, drain: float = 0) -> subprocess.Popen[str]:
    code = CHILD.format(starting=starting, deaf=deaf, drain=drain)
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    return process


def test_a_loop_is_seen_only_when_its_own_thread_looks() -> None:
    stop = Stop()
    stop._looked -= 100
    other = threading.Thread(target=stop.is_set)
    other.start()
    other.join()
    assert stop.unseen_seconds() > 99
    assert not stop.is_set()
    assert stop.unseen_seconds() < 50


def test_waiting_ends_when_it_is_asked_and_counts_as_looking() -> None:
    stop = Stop()
    assert not stop.wait(0)
    stop._looked -= 100
    threading.Timer(0.1, stop.set).start()
    began = time.monotonic()
    assert stop.wait(20)
    assert time.monotonic() - began < 10
    assert stop.unseen_seconds() < 50
    stop.clear()
    assert not stop.wait(0.01)


def test_the_first_sigterm_drains() -> None:
    with child() as process:
        process.terminate()
        assert process.wait() == 7


def test_one_request_told_twice_drains_once() -> None:
    with child(drain=0.5) as process:
        process.terminate()
        time.sleep(0.1)
        process.terminate()
        assert process.wait() == 7


def test_a_second_sigterm_later_ends_at_once() -> None:
    with child(drain=600) as process:
        process.terminate()
        while process.poll() is None:
            time.sleep(0.3)
            process.terminate()
        assert process.returncode == 1


def test_while_nothing_is_in_hand_sigterm_ends_at_once() -> None:
    with child(starting=True, deaf=True, drain=600) as process:
        process.terminate()
        assert process.wait() == 0


def test_signals_of_the_terminal_are_left_to_the_supervisor() -> None:
    with child() as process:
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        process.kill()


PARENT = """
import os, subprocess, sys
code = '''
import sys, time, pathlib
from pixstream.processes import lifeline
lifeline.end_with({claimed})
pathlib.Path({place!r}).write_text("armed")
time.sleep(600)
'''
read, write = os.pipe()
child = subprocess.Popen(
    [sys.executable, "-c", code.format(me=os.getpid())], stdin=read, pass_fds=[write]
)
print(child.pid, flush=True)
child.wait()
"""


def parent(place: Path, claimed: str) -> tuple[subprocess.Popen[str], int]:
    """A process, and its child, which never sees the end of its standard input."""
    code = PARENT.replace("{claimed}", claimed).replace("{place!r}", repr(str(place)))
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def ends(pid: int) -> None:
    status = Path(f"/proc/{pid}/status")
    wait_for(lambda: not status.exists() or "zombie" in status.read_text())


@pytest.mark.skipif(sys.platform != "linux", reason="the parent-death signal is Linux's")
def test_the_kernel_kills_the_child_of_a_killed_parent(tmp_path: Path) -> None:
    armed = tmp_path / "armed"
    process, pid = parent(armed, "{me}")
    wait_for(armed.exists)
    process.kill()
    process.communicate()
    ends(pid)


def test_a_child_whose_parent_is_gone_already_ends_before_it_does_anything(tmp_path: Path) -> None:
    process, pid = parent(tmp_path / "armed", "1 + {me}")
    process.communicate()
    ends(pid)
    assert not (tmp_path / "armed").exists()
