"""The supervisor's view of one replica of one component: its successive processes."""

from __future__ import annotations

import datetime as dt
import os
import signal
import subprocess
import sys
import time
from collections import deque
from typing import IO, TYPE_CHECKING

import msgspec

from pixstream.backoff import Backoff
from pixstream.metrics import Distribution, Sample
from pixstream.metrics.records import IN_HAND, INTERRUPTED
from pixstream.processes.lifeline import EXIT_CONFIG, EXIT_FAILED, EXIT_FENCED, EXIT_OK
from pixstream.processes.report import STARTING, WARNED_SECONDS, Report
from pixstream.processes.run_status import ComponentStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pixstream.backoff import BackoffSettings
    from pixstream.metrics import Key
    from pixstream.processes.component import ChildSpec
    from pixstream.processes.run_lock import RunLock

COMMAND = (sys.executable, "-m", "pixstream.processes.component")
"""Starts a child; its `ChildSpec` is the last argument."""

STEADY_SECONDS = 60.0
"""The back-off starts over for a child that has lived this long."""

WORKED_SECONDS = 5.0
"""A child that has reported a state after starting for this long has a usable configuration."""

SILENT_SECONDS = 10.0
"""A child that has not reported for longer than this is shown as silent."""

_MEANINGS = {
    EXIT_OK: "asked to stop",
    EXIT_FAILED: "failed",
    EXIT_CONFIG: "its configuration is wrong",
    EXIT_FENCED: "fenced",
}
_RATE_SECONDS = 10.0
_SAMPLE_SECONDS = 1.0


class Child:
    """One replica of one component, with the process that runs it now.

    Attributes:
        label: `name-replica`.
        restarts: how often it was restarted.
        lock: the lock that it holds while it lives, see `Supervisor`; None: no lock.
        listening: the open socket of its component, see `doors`; None: it does not listen.
        silent: seconds without a report, counted while its supervisor was awake.
        stalled: seconds since its loop last made progress, as last reported.
        verdict: why the supervisor killed it; empty: it did not.
        worked: whether a process of it worked with this configuration for `WORKED_SECONDS`.
    """

    def __init__(
        self,
        order: ChildSpec,
        backoff: BackoffSettings,
        stderr: IO[bytes] | None,
        command: Sequence[str],
    ) -> None:
        self.order = order
        self._command = command
        self.label = f"{order.name}-{order.replica}"
        self.state = STARTING
        self._reported: dict[Key, Sample] = {}
        self._former: dict[Key, Sample] = {}
        self.restarts = 0
        self.process: subprocess.Popen[bytes] | None = None
        self.report = -1
        self.lock: RunLock | None = None
        self.listening: int | None = None
        self.silent = self.stalled = 0.0
        self.verdict = ""
        self.worked = False
        self._working_since: float | None = None
        self._last_exit: str | None = None
        self._last_exit_at: dt.datetime | None = None
        self._last = Report(state=STARTING)
        self._samples: deque[tuple[float, dict[str, int | float]]] = deque()
        self._backoff = Backoff(backoff)
        self._stderr = stderr
        self._rest = b""
        self._started = 0.0
        self.due = 0.0

    @property
    def state(self) -> str:
        """The state that it reported, or: starting, restarting, stopped, failed."""
        return self._state

    @state.setter
    def state(self, state: str) -> None:
        if state != getattr(self, "_state", None):
            self._state, self._since = state, dt.datetime.now(dt.UTC)

    def start(self) -> None:
        """Start the process; its standard input closes when the supervisor ends."""
        self.report, write_end = os.pipe()
        lock = None if self.lock is None else self.lock.descriptor
        order = msgspec.structs.replace(
            self.order,
            report_fd=write_end,
            lock_fd=lock,
            listen_fd=self.listening,
            parent=os.getpid(),
        )
        inherited = [fd for fd in (write_end, lock, self.listening) if fd is not None]
        try:
            self.process = subprocess.Popen(
                [*self._command, msgspec.json.encode(order).decode()],
                stdin=subprocess.PIPE,
                stdout=self._stderr,
                stderr=self._stderr,
                pass_fds=inherited,
            )
        except BaseException:
            os.close(self.report)
            raise
        finally:
            os.close(write_end)
        self.state, self._rest, self._started = STARTING, b"", time.monotonic()
        self.silent = self.stalled = 0.0
        self.verdict = ""
        self._working_since = None

    def read_report(self) -> bool:
        """Read what the child reported; return False at the end of its pipe."""
        data = os.read(self.report, 65536)
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            report = msgspec.json.decode(line, type=Report)
            self.state = report.state
            self._reported = {sample.key: sample for sample in report.metrics}
            self.silent, self.stalled = 0.0, report.stalled_seconds
            self._note_work(report.state)
            if report.warning is not None:
                self._last = report
        return bool(data)

    def _note_work(self, state: str) -> None:
        # One report is not enough: a loop is ready a moment before its source refuses a setting.
        now = time.monotonic()
        if state == STARTING:
            self._working_since = None
        elif self._working_since is None:
            self._working_since = now
        elif now - self._working_since >= WORKED_SECONDS:
            self.worked = True

    def ended(self) -> int | None:
        """Return the exit code if the process ended since the last call, after reading its pipe."""
        if self.process is None or self.process.poll() is None:
            return None
        while self.read_report():
            continue
        os.close(self.report)
        assert self.process.stdin is not None  # noqa: S101  it was opened as a pipe
        self.process.stdin.close()
        code = self.process.returncode
        self.process = None
        self._last_exit, self._last_exit_at = self.describe(code), dt.datetime.now(dt.UTC)
        self._former = {s.key: s for s in _interrupted(self.metrics()) if s.kind != "gauge"}
        self._reported = {}
        self.stalled = self.silent = 0.0
        return code

    def describe(self, code: int) -> str:
        """Return how a process ended, and why, if the supervisor knows."""
        if code >= 0:
            return f"exit code {code}: {_MEANINGS.get(code, 'see its log lines')}"
        name = f"signal {signal.Signals(-code).name}"
        if self.verdict:
            return f"{name}: {self.verdict}"
        if -code == signal.SIGKILL:
            return f"{name}: killed from outside, perhaps for lack of memory"
        return name

    def schedule(self, at_least: float = 0.0) -> float:
        """Schedule the next start; return the seconds until then."""
        if time.monotonic() - self._started > STEADY_SECONDS:
            self._backoff.reset()
        wait = max(at_least, self._backoff.next())
        self.due = time.monotonic() + wait
        self.state = "restarting"
        self.restarts += 1
        return wait

    def kill(self, verdict: str) -> None:
        """Kill the process immediately; it resumes from its last commit."""
        if self.process is not None:
            self.verdict = verdict
            self.process.kill()

    def metrics(self) -> list[Sample]:
        """Return counters and histograms of all processes so far, and gauges of the current one."""
        grown = {key: s.after(self._former.get(key)) for key, s in self._reported.items()}
        return [*(self._former | grown).values()]

    @property
    def counts(self) -> dict[str, int | float]:
        """Counters and gauges, by their short names."""
        return _numbers(self.metrics(), "counter", "gauge")

    def status(self, stuck_seconds: float) -> ComponentStatus:
        """Return the present status.

        Args:
            stuck_seconds: a loop without progress for longer than this is stuck; 0: never.
        """
        now = time.monotonic()
        metrics = self.metrics()
        warned_at = self._last.warned_at
        news = warned_at is not None and time.time() - warned_at < WARNED_SECONDS
        return ComponentStatus(
            component=self.order.name,
            replica=self.order.replica,
            label=self.label,
            state=self._shown(stuck_seconds),
            since=self._since,
            pid=None if self.process is None else self.process.pid,
            restarts=self.restarts,
            last_exit=self._last_exit,
            last_exit_at=self._last_exit_at,
            next_start_seconds=(
                round(max(self.due - now, 0.0), 1) if self.state == "restarting" else None
            ),
            last_warning=self._last.warning if news else None,
            last_warning_at=(
                dt.datetime.fromtimestamp(warned_at, dt.UTC)
                if news and warned_at is not None
                else None
            ),
            recent_warnings=self._last.warnings if news else 0,
            silent_seconds=round(self.silent, 1),
            stalled_seconds=self.stalled,
            counts=_numbers(metrics, "counter", "gauge"),
            rates=self._rates(now, _numbers(metrics, "counter")),
            metrics=metrics,
        )

    def _shown(self, stuck_seconds: float) -> str:
        if self.process is not None and self.silent > SILENT_SECONDS:
            return "silent"
        if stuck_seconds and self.stalled > stuck_seconds and self.state != STARTING:
            return "stuck"
        return self.state

    def _rates(self, now: float, counts: dict[str, int | float]) -> dict[str, float]:
        """Return the growth per second since the oldest sample of the last ten seconds."""
        samples = self._samples
        if not samples or now - samples[-1][0] >= _SAMPLE_SECONDS:
            samples.append((now, counts))
        while now - samples[0][0] > _RATE_SECONDS and len(samples) > 1:
            samples.popleft()
        since, then = samples[0]
        return {
            name: round((count - then.get(name, 0)) / (now - since), 1) if now > since else 0.0
            for name, count in counts.items()
        }


def _interrupted(metrics: list[Sample]) -> list[Sample]:
    """Return the samples of a process that ended, with what it had in hand as interrupted."""
    found = {sample.key: sample for sample in metrics}
    in_hand, before = found.get(IN_HAND.key), found.get(INTERRUPTED.key)
    if in_hand is None:
        return metrics
    found[INTERRUPTED.key] = Sample(
        name=INTERRUPTED.name,
        kind=INTERRUPTED.kind,
        value=in_hand.value,
        help=INTERRUPTED.help,
        short=INTERRUPTED.short,
    ).after(before)
    return [*found.values()]


def _numbers(metrics: list[Sample], *kinds: str) -> dict[str, int | float]:
    """Return the numeric values of these kinds, summed by the short names of their series."""
    numbers: dict[str, int | float] = {}
    for sample in sorted(metrics, key=lambda sample: sample.short):
        if sample.kind in kinds and not isinstance(sample.value, Distribution):
            numbers[sample.short] = numbers.get(sample.short, 0) + sample.value
    return numbers
