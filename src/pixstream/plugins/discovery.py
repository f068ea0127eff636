"""Finds the plugin class that a `type` in the YAML names.

A plugin is a folder of `producers/`, `consumers/` or `processors/` whose module of that name
(`producer`, `consumer`, `processor`) defines exactly one class; or a single module there; or an
installed entry point.
"""

from __future__ import annotations

import importlib
import pkgutil
from importlib.metadata import entry_points
from typing import (
    TYPE_CHECKING,
    TypeVar,
)

from pixstream.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping


from pixstream.plugins.component import Component

P = TypeVar("P", bound=Component)


def load(kind: type[P], type_name: str) -> type[P]:
    """Import and return the class that `type: NAME` names.

    Args:
        kind: `Producer`, `Consumer` or `Processor`.
        type_name: a folder or module of the kind's package, such as `pixstream.producers`, else an
            installed entry point of the group with that name.

    Raises:
        ConfigError: there is no such plugin, or its module does not define exactly one class of the
            kind.
    """
    group = f"pixstream.{kind.__name__.lower()}s"
    if type_name in builtin(kind):
        module = importlib.import_module(f"{group}.{type_name}")
        if hasattr(module, "__path__"):
            module = importlib.import_module(f"{module.__name__}.{kind.__name__.lower()}")
        return _only_class(kind, module.__name__, vars(module))
    for point in entry_points(group=group, name=type_name):
        loaded = point.load()
        if isinstance(loaded, type) and issubclass(loaded, kind):
            return loaded
        raise ConfigError(f"entry point {type_name} of {group} is not a {kind.__name__}")
    known = ", ".join(available(kind))
    raise ConfigError(f"no {kind.__name__.lower()} of type {type_name!r}; known: {known}")


def builtin(kind: type[Component]) -> list[str]:
    """Return the names of the plugins in the kind's package, without importing them."""
    package = importlib.import_module(f"pixstream.{kind.__name__.lower()}s")
    return sorted(m.name for m in pkgutil.iter_modules(package.__path__))


def available(kind: type[Component]) -> list[str]:
    """Return every type name that `load` finds, built-in or installed."""
    group = f"pixstream.{kind.__name__.lower()}s"
    return sorted({*builtin(kind), *(p.name for p in entry_points(group=group))})


def _only_class(kind: type[P], module: str, members: Mapping[str, object]) -> type[P]:
    found = [
        m
        for m in members.values()
        if isinstance(m, type) and issubclass(m, kind) and m.__module__ == module
    ]
    if len(found) != 1:
        raise ConfigError(f"{module} must define exactly one {kind.__name__}, not {len(found)}")
    return found[0]
