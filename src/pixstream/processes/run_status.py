"""What every supervisor of a data directory does, in one small file each.

`DATA_DIR/run/supervisor.ID.json` is replaced about once a second; beside it `supervisor.ID.lock` is
locked as long as the supervisor lives. So a reader knows without a look at clocks or process
numbers whether the file speaks of a living process. The files of the dead are removed by the next
supervisor that starts.
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
"""A living supervisor whose file is older than this hangs, or cannot write it."""

READY = "ready"

STATES = {
    "starting": "",
    READY: "",
    "waiting": "for its source, Kafka or destination",
    "breaker_open": "its destination is left alone",
    "breaker_half_open": "one call tries it",
    "silent": "no report",
    "stuck": "its loop does not turn",
    "restarting": "",
    "stopped": "",
    "failed": "",
}
"""Every state of a component, with what its name does not tell."""


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
    since: Annotated[dt.datetime, Meta(description="when it came into this state")]
    pid: Annotated[int | None, Meta(description="its process; null: none runs now")]
    restarts: Annotated[int, Meta(description="how often this supervisor started it again")]
    last_exit: Annotated[str | None, Meta(description="how its last process ended, and why")]
    last_exit_at: dt.datetime | None
    next_start_seconds: Annotated[
        float | None, Meta(description="until it is started again; null unless restarting")
    ]
    last_warning: Annotated[
        str | None, Meta(description="its last log line of level warning or error")
    ]
    last_warning_at: dt.datetime | None
    silent_seconds: Annotated[float, Meta(description="since its last report; one comes a second")]
    stalled_seconds: Annotated[float, Meta(description="since its loop last turned")]
    counts: Annotated[
        dict[str, int | float],
        Meta(
            description="counters, summed over all processes of this supervisor, and gauges as "
            "they are, by the short names in docs/reference/metrics.md"
        ),
    ]
    rates: Annotated[
        dict[str, float],
        Meta(description="of the counters, per second, over the last ten seconds at most"),
    ]
    metrics: Annotated[
        list[Sample], Meta(description="the same and histograms, as /metrics exports them")
    ] = []


class SupervisorStatus(msgspec.Struct, kw_only=True):
    """One `pixstream run`."""

    id: Annotated[str, Meta(description="names its files; no other supervisor has the same")]
    pid: Annotated[int, Meta(description="in its own process namespace")]
    started: dt.datetime
    written: Annotated[dt.datetime, Meta(description="when this was written")]
    clock: Annotated[float, Meta(description="the same by the machine's monotonic clock, s")]
    stopping: Annotated[bool, Meta(description="a signal came: its children drain")]
    components: list[ComponentStatus]
    metrics: Annotated[
        str | None, Meta(description="address of its metrics; null: it offers none")
    ] = None


class ObservedSupervisor(msgspec.Struct, kw_only=True):
    """A status as it was found.

    Attributes:
        status: what the file says.
        alive: whether its supervisor lives.
        age_seconds: since it was written; of a dead supervisor by the wall clock.
    """

    status: SupervisorStatus
    alive: bool
    age_seconds: float

    @property
    def stale(self) -> bool:
        """Whether what it says is no longer to be trusted."""
        return not self.alive or self.age_seconds > STALE_SECONDS

    @property
    def ready(self) -> bool:
        """Whether every component works."""
        return not self.stale and all(c.state == READY for c in self.status.components)


class StatusFile:
    """The file of this supervisor; the files of dead ones are removed.

    Args:
        directory: `run` of the data directory; made if need be.

    Raises:
        PixstreamError: it cannot be written.
    """

    def __init__(self, directory: Path) -> None:
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise PixstreamError(
                f"{directory} cannot be made: {error.strerror}. Nothing was started. Free space, "
                "or let this user write there"
            ) from None
        self.id = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._file = directory / f"supervisor.{self.id}.json"
        self._writable = True
        lock = None
        while lock is None:  # a reader that looks in this very moment holds it for an instant
            lock = run_lock.take(self._file.with_suffix(".lock"))
        self._lock = lock
        for other in directory.glob("supervisor.*.lock"):
            if other.stem != self._file.stem:
                with contextlib.suppress(PixstreamError):  # another user's, who removes it
                    _sweep(other)

    def write(self, status: SupervisorStatus) -> None:
        """Replace the file: a reader never sees half of it.

        A disk that is full is logged once, and hinders no component: the former file stays.
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
                    "%s cannot be written (%s): `pixstream status` shows an old one until it can; "
                    "the components go on",
                    self._file,
                    error.strerror,
                )
            self._writable = False
        else:
            self._writable = True

    def close(self) -> None:
        """Remove it: this supervisor ends in an orderly way."""
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
    """Tell whether the supervisor of this id lives."""
    return run_lock.is_held(directory / f"supervisor.{supervisor}.lock")


def read(directory: Path) -> list[ObservedSupervisor]:
    """What the supervisors of a data directory do, the living ones first, then by their start.

    Raises:
        PixstreamError: a file was written by another release.
    """
    found = []
    for file in directory.glob("supervisor.*.json"):
        alive = lives(directory, file.stem.removeprefix("supervisor."))
        try:
            status = msgspec.json.decode(file.read_bytes(), type=SupervisorStatus)
        except FileNotFoundError:  # it ended while we looked
            continue
        except msgspec.DecodeError:
            raise PixstreamError(
                f"{file} cannot be understood: another release of pixstream wrote it. Ask with the "
                "release that runs, or restart the supervisor with this one"
            ) from None
        now = dt.datetime.now(dt.UTC)
        passed = time.monotonic() - status.clock
        age = passed if alive else (now - status.written).total_seconds()
        found.append(
            ObservedSupervisor(status=status, alive=alive, age_seconds=round(max(age, 0.0), 1))
        )
    return sorted(found, key=lambda seen: (not seen.alive, seen.status.started))
