"""The functions that tasks run: entry points of the group `pixstream.jobs`."""

from __future__ import annotations

import importlib.metadata
from typing import TYPE_CHECKING, Any, NamedTuple

from pixstream.config.problems import nearest
from pixstream.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

GROUP = "pixstream.jobs"


class EntryPoint(NamedTuple):
    """A function by name: `package` is the installed distribution that declares it."""

    package: str
    load: Callable[[], Callable[[], Any]]


def registered() -> Mapping[str, EntryPoint]:
    """Every entry point of the group, by name."""
    found = importlib.metadata.entry_points(group=GROUP)
    return {one.name: EntryPoint(one.dist.name if one.dist else "", one.load) for one in found}


def find(package: str, name: str) -> EntryPoint:
    """The entry point of a task.

    Raises:
        ConfigError: this installation has none of that name, or another package has it.
    """
    known = registered()
    if name not in known:
        hint = nearest(name, known) if known else "; it is empty: install the package again"
        raise ConfigError(f"no entry point {name!r} in the group {GROUP}{hint}")
    if known[name].package != package:
        owner = known[name].package
        raise ConfigError(f"entry point {name!r} belongs to {owner}, not to {package}; correct it")
    return known[name]
