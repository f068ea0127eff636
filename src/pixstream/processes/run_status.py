"""The status of every supervisor of a data directory, in one small file each.

`DATA_DIR/run/supervisor.ID.json` is replaced about once a second; `supervisor.ID.lock` beside it is
locked as long as the supervisor lives. So a reader knows without clocks or process ids whether the
file belongs to a live process. The next supervisor that starts removes the files of dead ones.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import os
import secrets
import time
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from pixstream.errors import PixstreamError
from pixstream.metrics import Sample
from pixstream.processes import run_lock

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger("pixstream.supervisor")

STALE_SECONDS = 10.0
"""A live supervisor whose file is older than this hangs, or cannot write the file."""

READY = "ready"

STATES = {
    "starting": "",
    READY: "",
    "waiting": "for its source, Kafka or destination",
    "breaker_open": "circuit breaker open: its destination is not called",
    "breaker_half_open": "circuit breaker half open: one trial call",
    "silent": "no report",
    "stuck": "its loop makes no progress",
    "restarting": "",
    "stopped": "",
    "failed": "",
}
"""Every state of a component, with an explanation if the name needs one."""


class ComponentStatus(msgspec.Struct, kw_only=True):
    """One replica of one component."""

    component: Annotated[str, Meta(description="its name in the configuration")]
    replica: Annotated[int, Meta(description="from 0")]
    label: Annotated[str, Meta(description="name and replica, as in log lines")]
    state: Annotated[
        str,
        Meta(
            description=", ".join(
                f"{state} ({meaning})" if meaning else state for state, meaning in STATES.items()
            )
        ),
    ]
    since: Annotated[dt.datetime, Meta(description="when it entered this state")]
    pid: Annotated[int | None, Meta(description="its process id; null: no process runs now")]
    restarts: Annotated[int, Meta(description="how often this supervisor restarted it")]
    last_exit: Annotated[str | None, Meta(description="how its last process ended, and why")]
    last_exit_at: dt.datetime | None
    next_start_seconds: Annotated[
        float | None, Meta(description="time until its next start; null unless restarting")
    ]
    last_warning: Annotated[
        str | None,
        Meta(
            description="its last log line of level warning or error, if that is younger than "
            "15 min"
        ),
    ]
    last_warning_at: dt.datetime | None
    silent_seconds: Annotated[float, Meta(description="time since its last report; one a second")]
    stalled_seconds: Annotated[float, Meta(description="time since its loop last made progress")]
    counts: Annotated[
        dict[str, int | float],
        Meta(
            description="counters, summed over all its processes of this supervisor, and gauges, "
            "by the short names in docs/reference/metrics.md"
        ),
    ]
    rates: Annotated[
        dict[str, float],
        Meta(description="growth of the counters per second, over at most the last ten seconds"),
    ]
    recent_warnings: Annotated[
        int, Meta(description="how many such lines its process logged in the last 15 min")
    ] = 0
    metrics: Annotated[
        list[Sample], Meta(description="the same, and histograms, as /metrics exports them")
    ] = []


class SupervisorStatus(msgspec.Struct, kw_only=True):
    """One `pixstream run`."""

    id: Annotated[str, Meta(description="unique id, part of the names of its files")]
    pid: Annotated[int, Meta(description="process id in its own namespace")]
    started: dt.datetime
    written: Annotated[dt.datetime, Meta(description="when this was written")]
    clock: Annotated[float, Meta(description="the same time by the machine's monotonic clock, s")]
    stopping: Annotated[bool, Meta(description="it received a signal: its children drain")]
    components: list[ComponentStatus]
    metrics: Annotated[
        str | None, Meta(description="address of its metrics; null: it does not serve any")
    ] = None
    page: Annotated[
        str | None, Meta(description="address of the operator's page; null: it does not serve it")
    ] = None


class ObservedSupervisor(msgspec.Struct, kw_only=True):
    """A status as it was read.

    Attributes:
        status: the content of the file.
        alive: whether its supervisor is alive.
        age_seconds: time since it was written; for a dead supervisor by the wall clock.
    """

    status: SupervisorStatus
    alive: bool
    age_seconds: float

    @property
    def stale(self) -> bool:
        """Whether the status can no longer be trusted."""
        return not self.alive or self.age_seconds > STALE_SECONDS

    @property
    def ready(self) -> bool:
        """Whether every component works."""
        return not self.stale and all(c.state == READY for c in self.status.components)


class StatusFile:
    """The status file of this supervisor; the files of dead ones are removed.

    Args:
        directory: the `run` directory in the data directory; created if it does not exist.

    Raises:
        PixstreamError: the directory cannot be written.
    """

    def __init__(self, directory: Path) -> None:
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise PixstreamError(
                f"cannot create {directory}: {error.strerror}. Nothing was started. Free disk "
                "space, or let this user write there"
            ) from None
        self.id = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._file = directory / f"supervisor.{self.id}.json"
        self._writable = True
        lock = None
        while lock is None:  # a reader may hold it for a moment while it checks
            lock = run_lock.take(self._file.with_suffix(".lock"))
        self._lock = lock
        for other in directory.glob("supervisor.*.lock"):
            if other.stem != self._file.stem:
                with contextlib.suppress(PixstreamError):  # it is another user's, who removes it
                    _sweep(other)

    def write(self, status: SupervisorStatus) -> None:
        """Replace the file atomically: a reader never sees half of it.

        A full disk is logged once and does not affect the components: the former file stays.
        """
        part = self._file.with_suffix(".part")
        try:
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(descriptor, "wb") as file:  # noqa: PTH123  a descriptor has no path
                file.write(msgspec.json.encode(status))
            part.replace(self._file)
        except OSError as error:
            if self._writable:
                log.warning(
                    "cannot write %s (%s); `pixstream status` shows an old status until it can be "
                    "written; the components continue",
                    self._file,
                    error.strerror,
                )
            self._writable = False
        else:
            self._writable = True

    def close(self) -> None:
        """Remove the files, at the regular end of this supervisor."""
        self._file.unlink(missing_ok=True)
        self._file.with_suffix(".part").unlink(missing_ok=True)
        self._lock.remove()


def _sweep(lock: Path) -> None:
    """Remove the files of a supervisor, if it is dead."""
    left = run_lock.take(lock)
    if left is not None:
        for suffix in (".json", ".part"):
            lock.with_suffix(suffix).unlink(missing_ok=True)
        left.remove()


def lives(directory: Path, supervisor: str) -> bool:
    """Return whether the supervisor of this id is alive."""
    return run_lock.is_held(directory / f"supervisor.{supervisor}.lock")


def read(directory: Path) -> list[ObservedSupervisor]:
    """Return the status of each supervisor of a data directory: live ones first, then by start.

    Raises:
        PixstreamError: another release wrote a file.
    """
    found = []
    for file in directory.glob("supervisor.*.json"):
        alive = lives(directory, file.stem.removeprefix("supervisor."))
        try:
            status = msgspec.json.decode(file.read_bytes(), type=SupervisorStatus)
        except FileNotFoundError:  # it has just ended
            continue
        except msgspec.DecodeError:
            raise PixstreamError(
                f"cannot read {file}: another release of pixstream wrote it. Use the release that "
                "is running, or restart the supervisor with this one"
            ) from None
        now = dt.datetime.now(dt.UTC)
        passed = time.monotonic() - status.clock
        age = passed if alive else (now - status.written).total_seconds()
        found.append(
            ObservedSupervisor(status=status, alive=alive, age_seconds=round(max(age, 0.0), 1))
        )
    return sorted(found, key=lambda seen: (not seen.alive, seen.status.started))
