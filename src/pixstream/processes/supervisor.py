"""One child process per configured component: started, watched, restarted, stopped.

A child that ends is restarted with back-off, even if something else stopped it. A child whose
configuration is wrong from the beginning is not: it ends all children. If it worked before,
something else has changed (an interface is down, a certificate is being replaced), and it is
restarted. A child that was fenced waits the longest back-off: either a newer owner is at work, or
Kafka expired a member that an outage cut off. A pipeline that stays down silently would be worse
than two owners that take turns, each of them exact and with errors in the log. A child that hangs
is killed and restarted.

At SIGTERM or Ctrl-C every child may finish its work in progress within `stop_timeout_seconds`. A
second one kills them, which loses nothing: they resume from their last commit.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import os
import selectors
import signal
import time
from typing import IO, TYPE_CHECKING, Protocol

import msgspec

from pixstream.errors import ConfigError, PortTakenError
from pixstream.processes.child import COMMAND, Child
from pixstream.processes.doors import Doors
from pixstream.processes.lifeline import EXIT_CONFIG, EXIT_FENCED, EXIT_OK
from pixstream.processes.replica_locks import ReplicaLocks
from pixstream.processes.report import READY, STARTING
from pixstream.processes.run_status import StatusFile, SupervisorStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from pixstream.config.settings import SupervisorSettings
    from pixstream.plugins.component import Component
    from pixstream.processes.component import ChildSpec
    from pixstream.processes.endpoint import Endpoint, Latest

__all__ = ["Child", "Supervisor", "select"]

log = logging.getLogger("pixstream.supervisor")

AWAKE_SECONDS = 1.0
"""The most that one step counts: a supervisor that slept does not know which child was silent."""

_STATUS_SECONDS = 1.0
_NOT_WORKING = frozenset({STARTING, "restarting", "stopped", "failed"})


class Served(Protocol):
    """Something that is served beside a supervisor, in a thread of its own.

    Attributes:
        address: its URL.
    """

    @property
    def address(self) -> str:
        """Its URL."""

    def close(self) -> None:
        """Stop serving."""


class Supervisor:
    """Keeps the children of some components running; used from one thread, which outlives them.

    Args:
        base: the configuration that every child loads; name and replica are filled in.
        components: the components to run, see `select`.
        settings: restarts and deadlines.
        stderr: where children write their log lines; None: our standard error.
        command: starts a child; tests pass their own.
        directory: the `run` directory in the data directory. The status is written there once a
            second, and each replica is locked, so that no other supervisor runs it too. None:
            neither.
        serve: opens the endpoint that shows the status; None: there is none.

    Attributes:
        open_page: opens the operator's page, given what returns the last status; set before
            `start`. None: there is no page.
    """

    def __init__(
        self,
        base: ChildSpec,
        components: Iterable[Component],
        settings: SupervisorSettings,
        stderr: IO[bytes] | None = None,
        command: Sequence[str] = COMMAND,
        directory: Path | None = None,
        *,
        serve: Callable[[Latest], Endpoint] | None = None,
    ) -> None:
        self._settings = settings
        self._serve = serve
        self.open_page: Callable[[Latest], Served] | None = None
        self._page: Served | None = None
        self._endpoint: Endpoint | None = None
        self._seen: SupervisorStatus | None = None
        self._selector = selectors.DefaultSelector()
        self._stopping = False
        self._announced = False
        self._directory = directory
        self._status: StatusFile | None = None
        self._locks: ReplicaLocks | None = None
        self._started = dt.datetime.now(dt.UTC)
        self._stepped = self._published = self._begun = time.monotonic()
        self._noted: set[str] = set()
        components = list(components)
        self._doors = Doors(components)
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

    def start(self, stop_requested: Callable[[], int] = lambda: 0) -> None:
        """Start every child, once no process of a former supervisor runs one of them.

        Args:
            stop_requested: returns whether to stop waiting.

        Raises:
            PixstreamError: another supervisor runs one of them; no child was started.
            ConfigError: the metrics or the page cannot be served; no child was started.
        """
        if self._serve is not None:
            self._endpoint = self._serve(lambda: self._seen)
        if self.open_page is not None:
            self._page = self.open_page(lambda: self._seen)
        if self._directory is not None:
            self._status = StatusFile(self._directory)
            self._publish()
            self._locks = ReplicaLocks(self._directory, self._status.id)

            def waiting() -> int:
                self._publish()
                return stop_requested()

            patience = self._settings.stop_timeout_seconds
            # All supervisors take locks in the same order: of two that start at the same time,
            # one gets them all.
            for child in sorted(self.children, key=lambda child: child.label):
                child.lock = self._locks.take(child.label, patience, waiting)
        self._stepped = self._begun = time.monotonic()
        for child in self.children:
            if not stop_requested():
                self._start(child)
        self._publish()

    def ready(self) -> bool:
        """Return whether every child has reported that it works."""
        return all(child.state not in _NOT_WORKING for child in self.children)

    def alive(self) -> bool:
        """Return whether any child runs or is about to be restarted."""
        return any(c.process is not None or c.state == "restarting" for c in self.children)

    def step(self, timeout: float) -> None:
        """Read reports for up to `timeout` seconds, and handle children that ended or hang.

        Raises:
            ConfigError: a child that never worked found its configuration wrong; the others are
                stopped.
        """
        for key, _ in self._selector.select(timeout):
            child: Child = key.data
            if not child.read_report():
                self._selector.unregister(child.report)
        now = time.monotonic()
        passed, self._stepped = min(now - self._stepped, AWAKE_SECONDS), now
        for child in self.children:
            code = self._reap(child)
            if code is not None:
                self._after(child, code)
            elif child.process is not None:
                child.silent += passed
                self._watch(child)
            elif child.state == "restarting" and now >= child.due:
                self._start(child)
        self._announce()
        if now - self._published >= _STATUS_SECONDS:
            self._publish()

    def run(self, stop_requested: Callable[[], int]) -> int:
        """Run until a stop signal comes or no child is left; return the exit code.

        Args:
            stop_requested: returns how many stop signals came so far.
        """
        try:
            self.start(stop_requested)
            while self.alive() and not stop_requested():
                self.step(0.2)
        finally:
            clean = self.stop(lambda: stop_requested() > 1)
        failed = [c.label for c in self.children if c.state == "failed"]
        return EXIT_OK if clean and not failed else 1

    def stop(self, hurry: Callable[[], bool] = lambda: False) -> bool:
        """Let children drain, and kill the rest at the deadline.

        Returns:
            False if a child was killed that had work in progress.
        """
        self._stopping = True
        deadline = time.monotonic() + self._settings.stop_timeout_seconds
        clean = True
        killed: list[Child] = []
        self._ask_to_end()
        self._doors.close()
        while running := [child for child in self.children if child.process is not None]:
            if not killed and (hurry() or time.monotonic() > deadline):
                killed = running
                clean = all(child.state == STARTING for child in killed)
                log.warning(
                    "killing %s: did not drain in time; they resume from their last commit",
                    ", ".join(child.label for child in killed),
                )
                for child in killed:
                    child.kill("did not drain in time")
            self.step(0.1)
        if self._locks is not None:
            self._locks.release()
            self._locks = None
        if self._status is not None:
            self._status.close()
            self._status = None
        for served in (self._page, self._endpoint):
            if served is not None:
                served.close()
        self._page = self._endpoint = None
        return clean

    def _ask_to_end(self) -> None:
        for child in self.children:
            child.state = "stopped" if child.state == "restarting" else child.state
            if child.process is not None:
                with contextlib.suppress(ProcessLookupError):
                    child.process.send_signal(signal.SIGTERM)
        self._publish()

    def _start(self, child: Child) -> None:
        self._noted.discard(child.label)
        try:
            child.listening = self._doors.descriptor(child.order.name)
            child.start()
        except ConfigError as error:
            child.state = "failed"
            raise ConfigError(f"{child.label}: {error}") from None
        except PortTakenError as error:
            log.error(  # noqa: TRY400  a trace does not explain another program
                "%s could not be started: %s; next attempt in %.1f s",
                child.label,
                error,
                child.schedule(),
            )
            return
        except OSError as error:  # the machine is out of memory, processes or open files
            log.error(  # noqa: TRY400  a trace does not explain the machine
                "%s could not be started (%s); next attempt in %.1f s",
                child.label,
                error.strerror,
                child.schedule(),
            )
            return
        self._selector.register(child.report, selectors.EVENT_READ, child)
        if self._locks is not None and child.process is not None:
            self._locks.note(child.label, child.process.pid)

    def _reap(self, child: Child) -> int | None:
        if child.process is None or child.process.poll() is None:
            return None
        with contextlib.suppress(KeyError):
            self._selector.unregister(child.report)
        return child.ended()

    def _after(self, child: Child, code: int) -> None:
        """Decide what to do with a child that ended."""
        if self._stopping:
            child.state = "stopped"
        elif code == EXIT_FENCED:
            wait = child.schedule(self._settings.restart.max_seconds)
            log.error(
                "%s was fenced: either another process with the same name and replica took over "
                "(then stop one of the two supervisors), or it expired in Kafka during an outage; "
                "restarts in %.1f s from its last commit",
                child.label,
                wait,
            )
        elif code == EXIT_CONFIG and child.worked:
            log.error(
                "%s: its configuration, which worked before, cannot be used now, see its log line "
                "above; restarts in %.1f s from its last commit",
                child.label,
                child.schedule(),
            )
        elif code == EXIT_CONFIG:
            child.state = "failed"
            raise ConfigError(f"{child.label}: its configuration is wrong, see its log line above")
        else:
            how = child.describe(code)
            log.warning(
                "%s ended with %s; restarts in %.1f s from its last commit",
                child.label,
                how,
                child.schedule(),
            )

    def _watch(self, child: Child) -> None:
        """Kill a child that hangs: its reporter has a thread of its own and never pauses."""
        hang, stall = self._settings.hang_seconds, self._settings.stall_seconds
        if self._stopping or child.verdict:
            return
        if hang and child.silent > hang:
            verdict = f"no report for {child.silent:.0f} s (supervisor.hang_seconds)"
        elif stall and child.stalled > stall:
            verdict = (
                f"its loop made no progress for {child.stalled:.0f} s (supervisor.stall_seconds)"
            )
        else:
            self._note_stall(child)
            return
        log.error("%s hangs: %s; it is killed and restarted", child.label, verdict)
        child.kill(verdict)

    def _note_stall(self, child: Child) -> None:
        """Log once that a loop waits long in one call; it may be right to wait."""
        hang, stall = self._settings.hang_seconds, self._settings.stall_seconds
        if not hang or child.state == STARTING or child.stalled <= hang:
            self._noted.discard(child.label)
        elif child.label not in self._noted:
            self._noted.add(child.label)
            log.warning(
                "%s: its loop has made no progress for %.0f s; it waits for its source, Kafka or "
                "its destination; nothing is lost%s",
                child.label,
                child.stalled,
                f"; it is killed and restarted after {stall:g} s" if stall else "",
            )

    def _announce(self) -> None:
        if self._announced or self._stopping:
            return
        if self.ready():
            self._announced = True
            ready = [c.label for c in self.children if c.state == READY]
            others = [f"{c.label} ({c.state})" for c in self.children if c.state != READY]
            if not others:
                log.info("ready: %s", ", ".join(ready))
            else:
                log.info("not all is ready: %s; ready: %s", ", ".join(others), ", ".join(ready))
        elif time.monotonic() - self._begun > self._settings.ready_timeout_seconds:
            self._announced = True
            late = [c.label for c in self.children if c.state in _NOT_WORKING]
            log.warning("not ready yet: %s; see their log lines", ", ".join(late))

    def _publish(self) -> None:
        """Publish the status of all children."""
        self._published = time.monotonic()
        if self._status is None and self._endpoint is None and self._page is None:
            return
        self._seen = SupervisorStatus(
            id=f"{os.getpid()}" if self._status is None else self._status.id,
            pid=os.getpid(),
            started=self._started,
            written=dt.datetime.now(dt.UTC),
            clock=time.monotonic(),
            stopping=self._stopping,
            components=[child.status(self._settings.hang_seconds) for child in self.children],
            metrics=None if self._endpoint is None else self._endpoint.address,
            page=None if self._page is None else self._page.address,
        )
        if self._status is not None:
            self._status.write(self._seen)


def select(known: Mapping[str, Component], names: Sequence[str]) -> list[Component]:
    """Return the components to run: those named, else all that are enabled.

    Args:
        known: every component, by name.
        names: the names of those to run; empty: all that are enabled.

    Raises:
        ConfigError: a name that is not configured, or nothing to run.
    """
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ConfigError(
            f"no component named {', '.join(unknown)}; configured: {', '.join(known)}"
        )
    chosen = [known[n] for n in names] if names else [c for c in known.values() if c.enabled]
    if not chosen:
        raise ConfigError("nothing to run: no component is configured and enabled")
    return chosen
