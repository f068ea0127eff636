"""Loads the configuration: one YAML file, merged with overlays, filled, checked and converted.

Later layers win: the file, its overlay for the chosen environment, then each `--set`. The
environment is `--env`, else PIXSTREAM_ENV, else the file's `environment`, else `dev`. All problems
are reported together, one per line: `kafka_config.yaml:12: kafka.client: …`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import msgspec

from pixstream.config import rules
from pixstream.config import schema as settings_schema
from pixstream.config.check import Data, check
from pixstream.config.environments import choose, split
from pixstream.config.problems import near
from pixstream.config.settings import Settings
from pixstream.config.yaml_layers import fill, merge, override
from pixstream.config.yaml_source import read
from pixstream.config.yaml_tree import Listing, Origin, Problems, Section, origin
from pixstream.errors import ConfigError
from pixstream.plugins import discovery

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from pixstream.config.schema import Schema
    from pixstream.config.yaml_tree import Node
    from pixstream.plugins.component import Component

__all__ = ["Effective", "Settings", "load", "resolve"]

_T = TypeVar("_T")


class Effective(NamedTuple):
    """The configuration of one environment, with all layers merged, checked.

    Attributes:
        environment: its name.
        tree: every written value, with its place.
        schema: the schema that `tree` was checked against.
        data: the tree as plain data, for `settings`.
        classes: the plugin class of each component, by section and name.
        whole: every component is in it, not only those that were asked for.
    """

    environment: str
    tree: Section
    schema: Schema
    data: Data
    classes: Mapping[str, Mapping[str, type[Component]]]
    whole: bool = True


def load(
    path: Path,
    *,
    env: str | None = None,
    overrides: Collection[str] = (),
    only: Collection[str] | None = None,
) -> Settings:
    """Load the settings, with every component as a ready plugin object.

    Args:
        path: the YAML file.
        env: the name of the environment; None: the default, see above.
        overrides: `path=value`, as given to `--set`.
        only: the components to load, so that no other plugin is imported; None: all.

    Raises:
        ConfigError: with one problem per line.
    """
    return build(resolve(path, env=env, overrides=overrides, only=only))


def resolve(
    path: Path,
    *,
    env: str | None = None,
    overrides: Collection[str] = (),
    only: Collection[str] | None = None,
) -> Effective:
    """Read, merge and check, without making settings; arguments and errors as for `load`.

    The overlays of all other environments are checked too, without filling in their variables.
    """
    problems = Problems()
    file = read(path)
    base, overlays = split(file, problems)
    name = choose(env, file, overlays, problems)
    problems.raise_any()
    core = settings_schema.of_core()
    others = {} if only is not None else {k: v for k, v in overlays.items() if k != name}
    for overlay in others.values():
        _checked(fill(merge(base, overlay), None, problems), core, None, problems)
    tree = merge(base, overlays.get(name, base))
    for text in overrides:
        tree = override(tree, text, core)
    effective = _checked(fill(tree, os.environ, problems), core, only, problems)
    problems.raise_any()
    return effective._replace(environment=name, whole=only is None)


def build(effective: Effective) -> Settings:
    """Make the settings and the plugin objects, and check the rules between settings.

    Raises:
        ConfigError: with one problem per line.
    """
    problems = Problems()
    data, tree = effective.data, effective.tree
    components: dict[str, dict[str, Component]] = {section: {} for section in settings_schema.KINDS}
    for section, classes in effective.classes.items():
        for name, cls in classes.items():
            values = {"type": name} | data[section][name]
            component = _made(values, cls, origin(tree, (section, name)), problems)
            if component is not None:
                component.name = name
                components[section][name] = component
    plain = {key: value for key, value in data.items() if key not in settings_schema.KINDS}
    settings = _made(plain, Settings, tree.origin, problems)
    problems.raise_any()
    assert settings is not None  # noqa: S101  else there was a problem
    settings = msgspec.structs.replace(settings, **components)
    for where, text in rules.broken(settings, whole=effective.whole):
        problems.add(origin(tree, where), text)
    problems.raise_any()
    return settings


def _checked(
    tree: Node, core: Schema, only: Collection[str] | None, problems: Problems
) -> Effective:
    """Check a tree against the schema of the core and of the plugins that it configures."""
    assert isinstance(tree, Section)  # noqa: S101  merging and filling keep the top a mapping
    items = dict(tree.items)
    classes: dict[str, dict[str, type[Component]]] = {}
    schemas: dict[str, dict[str, Schema]] = {}
    for section, kind in settings_schema.KINDS.items():
        node = items.get(section)
        if not isinstance(node, Section):
            continue
        wanted = {k: v for k, v in node.items.items() if only is None or k in only}
        classes[section] = _classes(kind, wanted, problems)
        schemas[section] = {}
        for name, cls in classes[section].items():
            try:
                schemas[section][name] = settings_schema.of_component(cls, name)
            except ConfigError as error:
                problems.add(wanted[name].origin, str(error))
        # A component without a schema has a problem already, or a type that is not known yet.
        found = {name: wanted[name] for name in schemas[section]}
        items[section] = Section(origin=node.origin, items=found)
    tree = Section(origin=tree.origin, items=items)
    schema = settings_schema.with_components(core, schemas)
    return Effective("", tree, schema, check(tree, schema, problems), classes)


def _classes(
    kind: type[Component], sections: Mapping[str, Node], problems: Problems
) -> dict[str, type[Component]]:
    """Return the plugin class of each section, by its `type`, else by its name."""
    found: dict[str, type[Component]] = {}
    for name, node in sections.items():
        type_node = node.items.get("type") if isinstance(node, Section) else None
        if isinstance(type_node, (Section, Listing)):
            problems.add(type_node.origin, "expected text, the name of a plugin")
            continue
        if type_node is not None and type_node.unknown:
            continue
        type_name = name if type_node is None else type_node.text
        place = (type_node or node).origin
        try:
            found[name] = discovery.load(kind, type_name)
        except ConfigError as error:
            close = near(type_name, {*discovery.available(kind)} - {type_name})
            problems.add(place, f"{error}; nearest: {close}" if close else str(error))
        except ImportError as error:
            text = f"plugin {type_name} cannot be imported: {error}; install its dependencies"
            problems.add(place, text)
    return found


def _made(values: Data, cls: type[_T], place: Origin, problems: Problems) -> _T | None:
    try:
        return msgspec.convert(values, cls)
    except (msgspec.ValidationError, ConfigError) as error:
        problems.add(place, str(error))
        return None
