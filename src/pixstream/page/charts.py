"""Charts of the last hour: lines in units of the drawing, and the values beside them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from pixstream.page.history import KINDS, POINTS, STEP_SECONDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pixstream.page.history import History, Kind

WIDTH, HEIGHT = 600, 140
MOST_LINES = 8
"""As many as can be told apart; the largest are drawn."""

_DRAWN = 120
_TIMES = frozenset({"latency", "freshness", "lag_seconds"})
_LEAST = 60
"""Points: the axis is at least five minutes long."""


class Line(NamedTuple):
    """One series of a chart.

    Attributes:
        name: the component, stage or group.
        points: `M` and `L` commands of a path; gaps stay gaps.
        last: the latest value; None: there is none now.
    """

    name: str
    points: str
    last: float | None


class Chart(NamedTuple):
    """One chart.

    Attributes:
        kind: what it shows.
        lines: its series, the largest first.
        top: the value at the upper edge.
        seconds: how long ago the left edge is.
        more: how many series are not drawn.
    """

    kind: Kind
    lines: Sequence[Line]
    top: float
    seconds: float
    more: int


def charts(history: History) -> list[Chart]:
    """Return a chart of each kind that has values."""
    found = [_chart(history, kind) for kind in KINDS]
    return [chart for chart in found if chart.lines]


def _chart(history: History, kind: Kind) -> Chart:
    series = history.series(kind)
    chosen = sorted(series, key=lambda name: -_largest(series[name]))[:MOST_LINES]
    largest = max((_largest(series[name]) for name in chosen), default=0.0)
    top = _round_up(largest, time=kind in _TIMES)
    across = min(max(history.points, _LEAST), POINTS)
    lines = [
        Line(name, _path(series[name], across, top), _last(series[name])) for name in sorted(chosen)
    ]
    return Chart(kind, lines, top, across * STEP_SECONDS, len(series) - len(chosen))


def _path(values: Sequence[float], across: int, top: float) -> str:
    """Return the path of a series, its last value at the right edge."""
    group = max(1, math.ceil(across / _DRAWN))
    first = across - len(values)
    parts, pen = [], "M"
    for start in range(0, len(values), group):
        known = [v for v in values[start : start + group] if not math.isnan(v)]
        if not known:
            pen = "M"
            continue
        x = (first + min(start + group, len(values))) / across * WIDTH
        y = HEIGHT - sum(known) / len(known) / top * HEIGHT
        parts.append(f"{pen}{x:.0f},{y:.1f}")
        pen = "L"
    return "".join(parts)


def _largest(values: Sequence[float]) -> float:
    return max((v for v in values if not math.isnan(v)), default=0.0)


def _last(values: Sequence[float]) -> float | None:
    return None if not values or math.isnan(values[-1]) else values[-1]


def _round_up(value: float, *, time: bool) -> float:
    """Return a round number, not below the value: 1, 2 or 5 of a unit, or of a unit of time."""
    units = [60.0, 3_600.0, 86_400.0] if time else []
    unit = max((one for one in units if one <= value * 0.999), default=1.0)
    share = value / unit
    if share <= 0:
        return unit
    power = 10.0 ** math.floor(math.log10(share))
    steps = (1.0, 2.0, 5.0, 10.0)
    return unit * next(step * power for step in steps if step * power >= share * 0.999)
