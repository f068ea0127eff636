"""One child process per configured component: started, watched, restarted, stopped.

A child that fails is started again with back-off, one whose configuration is wrong is not. One that
was fenced waits the longest back-off: a newer owner may work, or Kafka may have given up a member
that an outage kept away, and a pipeline that stays down in silence would be worse than two owners
that take turns, each of them exact and loud about it.
SIGTERM or Ctrl-C lets every child finish what it has
in hand within `stop_timeout_seconds`; a second one kills them, which loses nothing: they resume.
"""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import signal
import subprocess
import sys
import time
from typing import IO, TYPE_CHECKING, Any

import msgspec

from pixstream.backoff import Backoff
from pixstream.component import EXIT_CONFIG, EXIT_FENCED, EXIT_OK, Order
from pixstream.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pixstream.backoff import BackoffSettings
    from pixstream.config.settings import SupervisorSettings
    from pixstream.plugin import Component

log = logging.getLogger("pixstream.supervisor")

COMMAND = (sys.executable, "-m", "pixstream.component")
"""How a child is started; its order is the last argument."""

STEADY_SECONDS = 60.0
"""A child that lived this long starts its next back-off from the beginning."""


class Child:
    """One replica of one component, with the process that plays it now.

    Attributes:
        label: `name-replica`.
        state: starting, ready, waiting, restarting, stopped or failed.
        counts: what it last reported, since its start.
        total: what former processes of this replica reported, summed.
        restarts: how often it was started again.
    """

    def __init__(
        self,
        order: Order,
        backoff: BackoffSettings,
        stderr: IO[bytes] | None,
        command: Sequence[str],
    ) -> None:
        self.order = order
        self._command = command
        self.label = f"{order.name}-{order.replica}"
        self.state = "starting"
        self.counts: dict[str, int] = {}
        self.total: dict[str, int] = {}
        self.restarts = 0
        self.process: subprocess.Popen[bytes] | None = None
        self.report = -1
        self._backoff = Backoff(backoff)
        self._stderr = stderr
        self._rest = b""
        self._started = 0.0
        self.due = 0.0

    def start(self) -> None:
        """Start the process; its standard input ends when we do."""
        self.report, write_end = os.pipe()
        order = msgspec.structs.replace(self.order, report_fd=write_end, parent=os.getpid())
        try:
            self.process = subprocess.Popen(
                [*self._command, msgspec.json.encode(order).decode()],
                stdin=subprocess.PIPE,
                stdout=self._stderr,
                stderr=self._stderr,
                pass_fds=[write_end],
            )
        finally:
            os.close(write_end)
        self.state, self._rest, self._started = "starting", b"", time.monotonic()

    def read_report(self) -> bool:
        """Take what the child reported; False at the end of its pipe."""
        data = os.read(self.report, 65536)
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            report: dict[str, Any] = msgspec.json.decode(line)
            self.state = report["state"]
            self.counts = report["counts"]
        return bool(data)

    def ended(self) -> int | None:
        """Exit code of a process that ended since the last call, with its pipe read out."""
        if self.process is None or self.process.poll() is None:
            return None
        while self.read_report():
            continue
        os.close(self.report)
        assert self.process.stdin is not None  # noqa: S101  it was opened as a pipe
        self.process.stdin.close()
        code = self.process.returncode
        self.process = None
        for name, count in self.counts.items():
            self.total[name] = self.total.get(name, 0) + count
        self.counts = {}
        return code

    def schedule(self, at_least: float = 0.0) -> float:
        """Seconds until the next start."""
        if time.monotonic() - self._started > STEADY_SECONDS:
            self._backoff.reset()
        wait = max(at_least, self._backoff.next())
        self.due = time.monotonic() + wait
        self.state = "restarting"
        self.restarts += 1
        return wait

    def sum(self, name: str) -> int:
        """A counter over all processes of this replica."""
        return self.total.get(name, 0) + self.counts.get(name, 0)


class Supervisor:
    """Keeps the children of some components running.

    Args:
        base: configuration that every child loads; name and replica are filled in.
        components: which ones, see `select`.
        settings: restarts and deadlines.
        stderr: where children write their log lines; None: our standard error.
        command: starts a child; tests pass their own.
    """

    def __init__(
        self,
        base: Order,
        components: Iterable[Component],
        settings: SupervisorSettings,
        stderr: IO[bytes] | None = None,
        command: Sequence[str] = COMMAND,
    ) -> None:
        self._settings = settings
        self._selector = selectors.DefaultSelector()
        self._stopping = False
        self._announced = False
        self.children = [
            Child(
                msgspec.structs.replace(base, name=component.name, replica=replica),
                settings.restart,
                stderr,
                command,
            )
            for component in components
            for replica in range(component.replicas)
        ]

    def start(self) -> None:
        """Start every child."""
        self._begun = time.monotonic()
        for child in self.children:
            self._start(child)

    def ready(self) -> bool:
        """Tell whether every child said that it works."""
        return all(child.state in {"ready", "waiting"} for child in self.children)

    def alive(self) -> bool:
        """Tell whether any child runs or is about to be started again."""
        return any(c.process is not None or c.state == "restarting" for c in self.children)

    def step(self, timeout: float) -> None:
        """Take reports for up to `timeout` seconds and look after whoever ended.

        Raises:
            ConfigError: a child found its configuration wrong; the others are stopped.
        """
        for key, _ in self._selector.select(timeout):
            child: Child = key.data
            if not child.read_report():
                self._selector.unregister(child.report)
        for child in self.children:
            code = self._reap(child)
            if code is not None:
                self._after(child, code)
            elif child.state == "restarting" and time.monotonic() >= child.due:
                self._start(child)
        self._announce()

    def run(self, stop_requested: Callable[[], int]) -> int:
        """Run until a signal came or nobody is left; the exit code.

        Args:
            stop_requested: how many stop signals came so far.
        """
        self.start()
        try:
            while self.alive() and not stop_requested():
                self.step(0.2)
        finally:
            clean = self.stop(lambda: stop_requested() > 1)
        failed = [c.label for c in self.children if c.state == "failed"]
        return EXIT_OK if clean and not failed else 1

    def stop(self, hurry: Callable[[], bool] = lambda: False) -> bool:
        """Let children drain, kill the rest at the deadline; False if any had to be killed."""
        self._stopping = True
        deadline = time.monotonic() + self._settings.stop_timeout_seconds
        self._signal(signal.SIGTERM)
        clean = True
        while any(child.process is not None for child in self.children):
            if clean and (hurry() or time.monotonic() > deadline):
                clean = False
                names = [c.label for c in self.children if c.process is not None]
                log.warning(
                    "killing %s: did not drain in time; they resume where they committed",
                    ", ".join(names),
                )
                self._signal(signal.SIGKILL)
            self.step(0.1)
        return clean

    def _signal(self, number: signal.Signals) -> None:
        for child in self.children:
            child.state = "stopped" if child.state == "restarting" else child.state
            if child.process is not None:
                with contextlib.suppress(ProcessLookupError):
                    child.process.send_signal(number)

    def _start(self, child: Child) -> None:
        child.start()
        self._selector.register(child.report, selectors.EVENT_READ, child)

    def _reap(self, child: Child) -> int | None:
        if child.process is None or child.process.poll() is None:
            return None
        with contextlib.suppress(KeyError):
            self._selector.unregister(child.report)
        return child.ended()

    def _after(self, child: Child, code: int) -> None:
        """Decide what becomes of a child that ended."""
        if self._stopping or code == EXIT_OK:
            child.state = "stopped"
        elif code == EXIT_FENCED:
            wait = child.schedule(self._settings.restart.max_seconds)
            log.error(
                "%s was fenced: either another process with the same name and replica took over "
                "(then stop one of the two supervisors), or Kafka had given it up during an "
                "outage; starts again in %.1f s from where it committed",
                child.label,
                wait,
            )
        elif code == EXIT_CONFIG:
            child.state = "failed"
            raise ConfigError(f"{child.label}: its configuration is wrong, see its log line above")
        else:
            wait = child.schedule()
            log.warning(
                "%s ended with %s; starts again in %.1f s from where it committed",
                child.label,
                _describe(code),
                wait,
            )

    def _announce(self) -> None:
        if self._announced or self._stopping:
            return
        if self.ready():
            self._announced = True
            log.info("ready: %s", ", ".join(child.label for child in self.children))
        elif time.monotonic() - self._begun > self._settings.ready_timeout_seconds:
            self._announced = True
            late = [c.label for c in self.children if c.state not in {"ready", "waiting"}]
            log.warning("not ready yet: %s; see their log lines", ", ".join(late))


def select(
    producers: dict[str, Any], consumers: dict[str, Any], names: Sequence[str]
) -> list[Component]:
    """The components to run: those named, else all that are enabled.

    Raises:
        ConfigError: a name that is not configured, or nothing to run.
    """
    known: dict[str, Component] = {**producers, **consumers}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ConfigError(
            f"no component named {', '.join(unknown)}; configured: {', '.join(known)}"
        )
    chosen = [known[n] for n in names] if names else [c for c in known.values() if c.enabled]
    if not chosen:
        raise ConfigError("nothing to run: every component says `enabled: false`, or none is there")
    return chosen


def _describe(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
