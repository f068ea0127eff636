"""Servers as processes: started, found by another command, stopped; never another program's."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from pixstream.monitoring import launch
from pixstream.monitoring.process import Processes, Server
from pixstream.testing.waiting import wait_for

SLEEPS = "import time; print('up', flush=True); time.sleep(3600)"
IGNORES = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print('up', flush=True); time.sleep(3600)"
)


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """The directory of servers; what a test leaves is killed."""
    yield tmp_path / "run"
    for seen in Processes(tmp_path / "run").seen():
        if seen.process:
            seen.process.kill()


def server(tmp_path: Path, program: str = SLEEPS, name: str = "one") -> Server:
    return Server(
        name=name,
        what="sleeps",
        command=[sys.executable, "-c", program],
        directory=tmp_path,
        address="http://127.0.0.1:9",
    )


def said(processes: Processes, name: str = "one") -> bool:
    return "up" in processes.log(name).read_text("utf-8")


def test_what_one_command_starts_another_finds_and_stops(directory: Path, tmp_path: Path) -> None:
    Processes(directory).start(server(tmp_path))

    again = Processes(directory)
    wait_for(lambda: said(again), "the program's first word")
    (seen,) = again.seen()
    assert (seen.name, seen.what, seen.address) == ("one", "sleeps", "http://127.0.0.1:9")
    assert seen.process is not None
    assert seen.memory > 1_000_000
    assert seen.process.cmdline()[-1] == SLEEPS
    assert os.getsid(seen.process.pid) == seen.process.pid  # not of our terminal

    assert again.stop("one", 60) is True
    assert not psutil.pid_exists(seen.process.pid)
    assert again.seen() == []
    assert again.stop("one", 60) is False


def test_it_inherits_no_secret_of_the_command(
    directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BANK_CLIENT_SECRET", "not for servers")
    processes = Processes(directory)
    processes.start(server(tmp_path))
    process = processes.find("one")
    assert process is not None
    assert "BANK_CLIENT_SECRET" not in process.environ()
    assert process.cwd() == str(tmp_path)


def test_a_process_of_the_same_id_that_is_another_is_never_touched(
    directory: Path, tmp_path: Path
) -> None:
    processes = Processes(directory)
    processes.start(server(tmp_path))
    with subprocess.Popen([sys.executable, "-c", SLEEPS]) as other:
        try:
            file = directory / "one.pid"
            first, _, born = file.read_text("utf-8").partition(" ")
            file.write_text(f"{other.pid} {born}", "utf-8")
            assert processes.find("one") is None
            assert processes.stop("one", 60) is False
            assert other.poll() is None
        finally:
            other.kill()
            psutil.Process(int(first)).kill()


@pytest.mark.parametrize("content", ["", "12", "x y", "-1 z"])
def test_a_damaged_pid_file_is_no_process(directory: Path, content: str) -> None:
    directory.mkdir()
    (directory / "one.pid").write_text(content, "utf-8")
    assert Processes(directory).find("one") is None


def test_one_that_has_ended_is_shown_as_ended(directory: Path, tmp_path: Path) -> None:
    processes = Processes(directory)
    processes.start(server(tmp_path, "print('up')"))
    wait_for(lambda: processes.find("one") is None, "its end")
    (seen,) = processes.seen()
    assert (seen.process, seen.memory) == (None, 0)


def test_a_program_that_is_not_there_ends_at_once_and_says_so(
    directory: Path, tmp_path: Path
) -> None:
    processes = Processes(directory)
    absent = Server(name="one", what="", command=[tmp_path / "absent"], directory=tmp_path)
    processes.start(absent)
    wait_for(lambda: processes.find("one") is None, "its end")
    assert "FileNotFoundError" in processes.log("one").read_text("utf-8")


def test_one_that_does_not_heed_the_signal_is_killed(directory: Path, tmp_path: Path) -> None:
    processes = Processes(directory)
    processes.start(server(tmp_path, IGNORES))
    wait_for(lambda: said(processes), "the program's first word")
    process = processes.find("one")
    assert process is not None
    assert processes.stop("one", 0.2) is True
    assert not process.is_running()


def test_a_signal_reaches_it(directory: Path, tmp_path: Path) -> None:
    program = (
        "import signal, time; signal.signal(signal.SIGHUP, lambda *_: print('again', flush=True));"
        "print('up', flush=True)\nwhile True: time.sleep(1)"
    )
    processes = Processes(directory)
    processes.start(server(tmp_path, program))
    wait_for(lambda: said(processes), "the program's first word")
    processes.signal("one", signal.SIGHUP)
    wait_for(lambda: "again" in processes.log("one").read_text("utf-8"), "the second word")
    processes.signal("nobody", signal.SIGHUP)


def test_a_killed_starter_leaves_a_server_that_is_found(directory: Path, tmp_path: Path) -> None:
    """Killed right after it has started the process: the pid file is the server's own work."""
    script = f"""
import os, signal, sys
from pathlib import Path
from pixstream.monitoring import process

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

process._lives = die  # the first thing after the start
process.Processes(Path({str(directory)!r})).start(process.Server(
    name="one",
    what="",
    command=[sys.executable, "-c", {SLEEPS!r}],
    directory=Path({str(tmp_path)!r}),
))
"""
    starter = subprocess.run([sys.executable, "-c", script], check=False)
    processes = Processes(directory)
    wait_for(lambda: processes.find("one"), "the server of a starter that is dead")
    assert starter.returncode in (-signal.SIGKILL, 0)  # 0: the file was there before it looked
    assert processes.stop("one", 60) is True


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_root_starts_it_as_another_user(directory: Path) -> None:
    nobody = 65534
    program = "import os; print('up', os.getuid(), os.getgid(), os.getgroups(), flush=True)"
    one = Server(
        name="one",
        what="",
        command=["/usr/bin/env", "python3", "-c", program],
        directory=Path("/"),
        user=nobody,
    )
    processes = Processes(directory)
    processes.start(one)
    wait_for(lambda: processes.find("one") is None, "its end")
    assert processes.log("one").read_text("utf-8").split() == ["up", str(nobody), str(nobody), "[]"]


def test_a_birth_is_that_of_one_process() -> None:
    assert launch.birth(os.getpid()) == launch.birth(os.getpid())
    assert launch.birth(os.getpid()) != launch.birth(1)
    assert launch.birth(2**22 + 1) is None


def test_without_the_kernels_files_ps_says_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(launch, "_PROCESSES", tmp_path / "absent")
    born = launch.birth(os.getpid())
    assert born is not None
    assert born.split()[0] in {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"}
    assert launch.birth(2**22 + 1) is None


def test_the_state_is_plain_json(directory: Path, tmp_path: Path) -> None:
    Processes(directory).start(server(tmp_path))
    assert json.loads((directory / "one.json").read_text("utf-8")) == {
        "what": "sleeps",
        "address": "http://127.0.0.1:9",
    }
