"""The demo's display: a live table in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple, Self

from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console, RenderableType

PLAIN_SECONDS = 2.0


class Stage(NamedTuple):
    """One row: the work of a component so far.

    `lag` is the number of records up to the end of the partitions, and `freshness` the seconds from
    a record's arrival in Kafka to its commit in the destination. Only consumers have them.
    """

    name: str
    state: str
    taken: int
    done: int
    dropped: int
    letters: int
    lag: int | None = None
    freshness: float | None = None


class View:
    """A display of stages, while its context is open.

    Args:
        console: console to draw on.
        goal: total of distinct facts to offer.
    """

    def __init__(self, console: Console, goal: int) -> None:
        self._console = console
        self._goal = goal
        self._started = time.monotonic()
        self._last: dict[str, tuple[float, int]] = {}
        self._rates: dict[str, float] = {}
        self._spoke = 0.0
        self._live: Live | None = None

    def __enter__(self) -> Self:
        """Start drawing if there is a terminal."""
        if self._console.is_terminal:
            self._live = Live(console=self._console, refresh_per_second=4, transient=False)
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop drawing; the last picture stays."""
        if self._live is not None:
            self._live.stop()

    def update(self, stages: Sequence[Stage], offered: int, arrived: int) -> None:
        """Show the current state."""
        for stage in stages:
            self._measure(stage)
        if self._live is not None:
            self._live.update(self._picture(stages, offered, arrived))
        elif time.monotonic() - self._spoke >= PLAIN_SECONDS:
            self._spoke = time.monotonic()
            self._console.print(self._line(stages, offered, arrived), highlight=False)

    def _measure(self, stage: Stage) -> None:
        """Update the smoothed rate of a stage's input, in records per second."""
        now = time.monotonic()
        before, taken = self._last.get(stage.name, (self._started, 0))
        if now - before < 0.5:  # noqa: PLR2004  shorter spans only show noise
            return
        rate = max(0.0, (stage.taken - taken) / (now - before))
        former = self._rates.get(stage.name, rate)
        self._rates[stage.name] = 0.6 * former + 0.4 * rate
        self._last[stage.name] = (now, stage.taken)

    def _picture(self, stages: Sequence[Stage], offered: int, arrived: int) -> RenderableType:
        table = Table(box=None, pad_edge=False)
        table.add_column("component")
        table.add_column("state")
        for title in ("taken", "per second", "done", "dropped", "letters", "lag", "freshness"):
            table.add_column(title, justify="right")
        for stage in stages:
            table.add_row(
                stage.name,
                Text(stage.state, style="green" if stage.state == "ready" else "yellow"),
                f"{stage.taken:,}",
                f"{self._rates.get(stage.name, 0.0):,.0f}",
                f"{stage.done:,}",
                f"{stage.dropped:,}" if stage.lag is not None else "",
                f"{stage.letters:,}",
                "" if stage.lag is None else f"{stage.lag:,}",
                "" if stage.freshness is None else f"{stage.freshness:.2f} s",
            )
        bar = ProgressBar(total=self._goal, completed=min(arrived, self._goal), width=60)
        elapsed = time.monotonic() - self._started
        words = f"{offered:,} of {self._goal:,} facts offered, {arrived:,} arrived, {elapsed:.0f} s"
        return Group(table, Text(), bar, Text(f"\n{words}"))

    def _line(self, stages: Sequence[Stage], offered: int, arrived: int) -> str:
        elapsed = time.monotonic() - self._started
        parts = [f"{elapsed:6.1f} s  offered {offered:,}  arrived {arrived:,}"]
        parts += [
            f"{s.name} {s.taken:,}" + (f" (lag {s.lag:,})" if s.lag is not None else "")
            for s in stages
        ]
        return "  ".join(parts)
