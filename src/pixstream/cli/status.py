"""`pixstream status`: show the state of every component of a running `pixstream run`."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec
from rich.console import Group
from rich.table import Table
from rich.text import Text

from pixstream.cli.watching import watch, watchable
from pixstream.metrics.records import (
    COMMITTED,
    CONSUMED,
    FRESHNESS,
    LETTERS,
    PASSED_OVER,
    READ,
    WRITTEN,
)
from pixstream.processes import run_status
from pixstream.processes.report import WARNED_SECONDS
from pixstream.processes.run_status import READY, STALE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from pixstream.cli.root import Root
    from pixstream.cli.watching import Watch
    from pixstream.metrics import Counter
    from pixstream.processes.run_status import ComponentStatus, ObservedSupervisor

_TAKEN, _DONE = (READ, CONSUMED), (COMMITTED, WRITTEN)


@click.command()
@watchable(1.0)
@click.pass_obj
def status(root: Root, *, how: Watch) -> int:
    """Show the state of the components of every `pixstream run` on this data_dir.

    \b
    Exit code 0: all components are ready; 1: nothing is running, or a component is not ready
    (starting, waiting, breaker open, silent, stuck, restarting, stopped or failed). This makes the
    command a health check.
      pixstream status
      pixstream status --watch
      pixstream status --format json | jq '.supervisors[].components[] | {label, state}'
    """  # noqa: D301  \b keeps click from rewrapping the paragraph
    directory = Path(root.load().data_dir) / "run"
    seen = watch(
        how,
        lambda: run_status.read(directory),
        as_json=as_json,
        page=lambda found: page(found, directory),
    )
    return exit_code(seen or [])


def exit_code(seen: list[ObservedSupervisor]) -> int:
    """Return 0 if something is running and all of it is ready, otherwise 1."""
    alive = [one for one in seen if one.alive]
    return 0 if alive and all(one.ready for one in alive) else 1


def as_json(seen: list[ObservedSupervisor]) -> bytes:
    """Return the state for programs: live supervisors, and those killed since the last start."""
    parts = [
        {"alive": s.alive, "stale": s.stale, "age_seconds": s.age_seconds}
        | msgspec.to_builtins(s.status)
        for s in seen
    ]
    return msgspec.json.encode({"ready": exit_code(seen) == 0, "supervisors": parts})


def page(seen: list[ObservedSupervisor], directory: Path) -> RenderableType:
    """Return the state for people."""
    lines: list[RenderableType] = []
    if not any(one.alive for one in seen):
        lines.append(
            Text(f"nothing is running: no supervisor of {directory} is alive", style="red")
        )
    for one in seen:
        lines.append(_headline(one))
        if one.alive:
            lines.append(_table(one.status.components))
            lines += [Text(note) for c in one.status.components for note in _notes(c)]
    return Group(*lines)


def _headline(seen: ObservedSupervisor) -> Text:
    status = seen.status
    if not seen.alive:
        words = (
            f"supervisor {status.pid} ended without notice (it was killed, or the machine went "
            f"down); its last report is from {_time(status.written)}; start it again"
        )
        return Text(words, style="red")
    head = f"supervisor {status.pid}, since {_time(status.started)}"
    if seen.stale:
        words = (
            f"{head}, is alive but has not reported for {seen.age_seconds:.0f} s (limit: "
            f"{STALE_SECONDS:g} s): it hangs, or its disk is full; the figures below are old"
        )
        return Text(words, style="red")
    metrics = f", metrics at {status.metrics}" if status.metrics else ""
    page = f", page at {status.page}" if status.page else ""
    return Text(f"{head}{metrics}{page}{', stopping' if status.stopping else ''}")


def _table(components: list[ComponentStatus]) -> Table:
    table = Table("component", "state", box=None, pad_edge=False)
    for name in ("for", "pid", "restarts", "taken", "/s", "done", "/s", "letters", "fresh"):
        table.add_column(name, justify="right")
    now = dt.datetime.now(dt.UTC)
    for c in components:
        fresh = c.counts.get(FRESHNESS.short)
        table.add_row(
            c.label,
            Text(c.state, style="" if c.state == READY else "red"),
            _duration((now - c.since).total_seconds()),
            "-" if c.pid is None else str(c.pid),
            str(c.restarts),
            *_count(c, _TAKEN),
            *_count(c, _DONE),
            f"{c.counts.get(LETTERS.short, 0):,}",
            "-" if fresh is None else f"{fresh:.1f} s",
        )
    return table


def _count(component: ComponentStatus, counters: tuple[Counter, ...]) -> tuple[str, str]:
    """Return the first of `counters` that the component has, and its rate."""
    names = [counter.short for counter in counters]
    name = next((name for name in names if name in component.counts), names[0])
    return f"{component.counts.get(name, 0):,}", f"{component.rates.get(name, 0.0):,.0f}"


def _notes(component: ComponentStatus) -> Iterator[str]:
    """Yield what it does not read, and its last warning and process end while that is news."""
    c = component
    passed_over = c.counts.get(PASSED_OVER.short, 0)
    if passed_over:
        yield (
            f"{c.label}: entries of its directory that are not read: {passed_over:,.0f}; "
            "`pixstream check` names them"
        )
    if c.last_warning is not None and c.last_warning_at is not None:
        many = c.recent_warnings
        which = f", the last of {many:,} in {WARNED_SECONDS / 60:.0f} min" if many > 1 else ""
        yield f"{c.label}: warning at {_time(c.last_warning_at)}{which}: {c.last_warning}"
    if c.last_exit is not None and c.last_exit_at is not None and not _recovered(c):
        again = c.next_start_seconds
        then = "" if again is None else f"; starts again in {again:.1f} s"
        yield f"{c.label}: ended at {_time(c.last_exit_at)} with {c.last_exit}{then}"


def _recovered(component: ComponentStatus) -> bool:
    """Return whether the end of its last process is no news: it is ready, and that is long ago."""
    if component.last_exit_at is None or component.state != READY:
        return False
    age = dt.datetime.now(dt.UTC) - component.last_exit_at
    return age.total_seconds() > WARNED_SECONDS


def _time(when: dt.datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M:%S} UTC"


def _duration(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0.0):.0f} s"
