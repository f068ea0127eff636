"""One server as a process of its own: started, found again by another command, stopped."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from pixstream.errors import MonitoringError
from pixstream.monitoring import launch
from pixstream.patience import Patience

_LOOK_SECONDS = 0.2
# Servers outlive the command that starts them, so they inherit none of its secrets.
# JDK_JAVA_OPTIONS is Java's own: tests use it to disable the second compiler.
_ENVIRONMENT = ("HOME", "PATH", "TZ", "LD_LIBRARY_PATH", "JDK_JAVA_OPTIONS")


@dataclass(frozen=True, kw_only=True)
class Server:
    """How one server is run.

    Attributes:
        name: of its files and in messages.
        what: the program and what it is for, in a few words.
        command: an absolute path and its arguments.
        directory: where it runs; it exists.
        address: its URL; empty: it does not listen.
        ready: path below the address that answers 200 once it works.
        user: uid and gid that it runs as; None: ours.
        rereads: the signal that makes it read its configuration again; None: it needs none.
        environment: further variables.
    """

    name: str
    what: str
    command: Sequence[str | Path]
    directory: Path
    address: str = ""
    ready: str = ""
    user: int | None = None
    rereads: signal.Signals | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A server that was started: what status shows.

    Attributes:
        process: None: it does not run any more.
        log: what it prints.
    """

    name: str
    what: str
    address: str
    log: Path
    process: psutil.Process | None

    @property
    def memory(self) -> int:
        """Resident memory, bytes; 0 if it does not run."""
        with suppress(psutil.NoSuchProcess):
            if self.process is not None:
                return int(self.process.memory_info().rss)
        return 0


class Processes:
    """The servers of one directory, in any process.

    Args:
        directory: one `NAME.json`, `NAME.pid` and `NAME.log` for each server that was started.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def log(self, name: str) -> Path:
        """Return the file with what this server prints."""
        return self._directory / f"{name}.log"

    def start(self, server: Server) -> None:
        """Start a server that does not run, in its own session, so that it outlives us."""
        self._directory.mkdir(parents=True, exist_ok=True)
        seen = {"what": server.what, "address": server.address}
        self._file(server.name, "json").write_text(json.dumps(seen), "utf-8")
        pid_file = self._file(server.name, "pid")
        pid_file.unlink(missing_ok=True)
        user = "" if server.user is None else str(server.user)
        launcher = [sys.executable, "-I", "-S", launch.__file__, str(server.directory)]
        kept = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        fresh = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        pid = os.posix_spawn(
            launcher[0],
            [*launcher, str(pid_file), user, *map(str, server.command)],
            {**kept, "LC_ALL": "C.UTF-8", **server.environment},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(self.log(server.name)), fresh, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
        )
        patience = Patience(30)
        while not pid_file.exists() and _lives(pid) and not patience.exhausted:
            with suppress(psutil.TimeoutExpired, psutil.NoSuchProcess):
                psutil.Process(pid).wait(_LOOK_SECONDS / 10)

    def find(self, name: str) -> psutil.Process | None:
        """Return the process of this server, if it runs.

        A process id alone proves nothing: after a crash or a reboot another program may have it.
        """
        try:
            pid, _, born = self._file(name, "pid").read_text("utf-8").strip().partition(" ")
        except FileNotFoundError:
            return None
        if not pid.isdecimal() or not born or not _lives(int(pid)):
            return None
        if launch.birth(int(pid)) != born:
            return None
        with suppress(psutil.NoSuchProcess):
            return psutil.Process(int(pid))
        return None

    def seen(self) -> list[Seen]:
        """Return every server that was started here and not stopped, by name."""
        found = []
        for file in sorted(self._directory.glob("*.json")):
            about = json.loads(file.read_bytes())
            name = file.stem
            found.append(
                Seen(
                    name=name,
                    what=about["what"],
                    address=about["address"],
                    log=self.log(name),
                    process=self.find(name),
                )
            )
        return found

    def signal(self, name: str, which: signal.Signals) -> None:
        """Send a signal, if it runs."""
        process = self.find(name)
        if process is not None:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(which)

    def stop(self, name: str, seconds: float) -> bool:
        """Stop a server: SIGTERM, and SIGKILL once it has idled for so long; forget it.

        Returns:
            Whether it was running.

        Raises:
            MonitoringError: it belongs to another user.
        """
        process = self.find(name)
        if process is not None:
            _end(name, process, seconds)
        for suffix in ("json", "pid"):
            self._file(name, suffix).unlink(missing_ok=True)
        return process is not None

    def _file(self, name: str, suffix: str) -> Path:
        return self._directory / f"{name}.{suffix}"


def _end(name: str, process: psutil.Process, seconds: float) -> None:
    patience = Patience(seconds)
    try:
        process.terminate()
        while not patience.exhausted:
            with suppress(psutil.TimeoutExpired):
                process.wait(_LOOK_SECONDS)
                return
        process.kill()
        process.wait(seconds)
    except psutil.NoSuchProcess:
        return
    except psutil.AccessDenied:
        raise MonitoringError(
            f"{name}, pid {process.pid}, belongs to another user and keeps running. Have that user "
            "run `pixstream monitoring down`"
        ) from None
    except psutil.TimeoutExpired:
        raise MonitoringError(
            f"{name}, pid {process.pid}, cannot be killed: the system blocks it, perhaps in a "
            "write to a disk that hangs. Check that disk"
        ) from None


def _lives(pid: int) -> bool:
    """Return whether the process runs; a child of ours that has ended is reaped."""
    with suppress(psutil.Error):
        if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            return True
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
    return False
