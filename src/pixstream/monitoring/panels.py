"""The queries of the dashboards in `monitoring/grafana`, as Grafana would send them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from pixstream.monitoring import files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_INTERVALS = {"__rate_interval": "1m", "__interval": "15s", "__range": "1h"}
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::\w+)?\}|(\w+))")
ANY = ".*"
"""What a variable of a dashboard stands for: all its values."""


def queries() -> list[str]:
    """Return every query of every dashboard; empty: there are no dashboards yet."""
    try:
        folder = files.path("grafana")
    except FileNotFoundError:
        return []
    return [query for file in sorted(folder.rglob("*.json")) for query in of_dashboard(file)]


def of_dashboard(file: Path) -> list[str]:
    """Return the queries of one dashboard, its variables replaced, each once."""
    found = _expressions(json.loads(file.read_bytes()))
    return list(dict.fromkeys(_VARIABLE.sub(_value, one) for one in found))


def _expressions(part: Any) -> Iterator[str]:
    """Yield what panels, rows and annotations call `expr`."""
    if isinstance(part, dict):
        for name, inner in part.items():
            if name == "expr" and isinstance(inner, str):
                yield inner
            else:
                yield from _expressions(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from _expressions(inner)


def _value(found: re.Match[str]) -> str:
    return _INTERVALS.get(found[1] or found[2], ANY)
