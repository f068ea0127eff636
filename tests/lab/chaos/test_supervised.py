"""An end of the supervisor that nobody asked for is a finding; our own kills are none."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from pixstream.errors import PixstreamError
from pixstream.lab.chaos.supervised import Supervised
from pixstream.testing.waiting import wait_for

SLEEP = "import time; time.sleep(3600)"
DRAIN = """
import pathlib, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit({code}))
pathlib.Path({ready!r}).touch()
time.sleep(3600)
"""
DEAF = """
import pathlib, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path({ready!r}).touch()
time.sleep(3600)
"""


@pytest.fixture
def supervised() -> Iterator[Supervised]:
    supervised = Supervised(os.environ)
    yield supervised
    supervised.kill()


def start(supervised: Supervised, code: str) -> int:
    supervised.start([sys.executable, "-c", code], None)
    pid = supervised.look()
    assert pid is not None
    return pid


def is_dead(pid: int) -> bool:
    return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_our_own_kills_and_starts_are_no_finding(supervised: Supervised) -> None:
    assert supervised.look() is None
    for _ in range(3):
        start(supervised, SLEEP)
        assert supervised.kill()
    assert not supervised.kill()
    assert supervised.ends == []


@pytest.mark.parametrize("code", [0, 1, 3])
def test_an_exit_of_its_own_is_told_once_with_its_code(supervised: Supervised, code: int) -> None:
    start(supervised, f"raise SystemExit({code})")
    wait_for(lambda: supervised.look() is None)
    assert supervised.look() is None
    (end,) = supervised.ends
    assert end.startswith(f"`pixstream run` exited on its own with exit code {code}, seen at ")
    assert end.endswith(" s after its start")


def test_the_next_kill_and_start_do_not_heal_it_in_silence(supervised: Supervised) -> None:
    pid = start(supervised, "raise SystemExit(1)")
    wait_for(lambda: is_dead(pid))
    assert not supervised.kill()
    start(supervised, SLEEP)
    assert supervised.kill()
    (end,) = supervised.ends
    assert "exit code 1" in end


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL, signal.SIGTERM])
def test_a_signal_that_was_not_ours_is_told_by_name(
    supervised: Supervised, number: signal.Signals
) -> None:
    os.kill(start(supervised, SLEEP), number)
    wait_for(lambda: supervised.look() is None)
    (end,) = supervised.ends
    assert f"signal {number.name}" in end


def test_one_that_ends_between_the_look_and_the_kill_is_told(
    supervised: Supervised, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess.Popen, "kill", lambda _: None)
    start(supervised, "import time; time.sleep(0.5); raise SystemExit(2)")
    assert supervised.kill()
    (end,) = supervised.ends
    assert "exit code 2" in end


@pytest.mark.parametrize("code", [0, 1])
def test_a_drain_returns_the_exit_code_and_is_no_end_of_its_own(
    supervised: Supervised, code: int, tmp_path: Path
) -> None:
    ready = tmp_path / "ready"
    start(supervised, DRAIN.format(code=code, ready=str(ready)))
    wait_for(ready.exists)
    assert supervised.drain(30) == code
    assert supervised.look() is None
    assert supervised.ends == []


def test_a_drain_of_one_that_ended_before_tells_that(supervised: Supervised) -> None:
    pid = start(supervised, "raise SystemExit(0)")
    wait_for(lambda: is_dead(pid))
    assert supervised.drain(30) is None
    (end,) = supervised.ends
    assert "exit code 0" in end


def test_one_that_does_not_drain_is_an_error_and_can_still_be_killed(
    supervised: Supervised, tmp_path: Path
) -> None:
    ready = tmp_path / "ready"
    start(supervised, DEAF.format(ready=str(ready)))
    wait_for(ready.exists)
    with pytest.raises(PixstreamError, match=r"did not exit within 0\.2 s of SIGTERM"):
        supervised.drain(0.2)
    assert supervised.kill()
    assert supervised.ends == []
