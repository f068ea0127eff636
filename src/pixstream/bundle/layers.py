"""Merges the files of a bundle and its target's overrides, as the databricks CLI does.

Maps merge key by key, lists are concatenated, single values replace, a null changes nothing. Tasks,
clusters and parameters of a job are merged by their key. The target's overrides come last; of its
variables only the value applies, and it replaces. Source: databricks/cli, `libs/dyn/merge` and
`bundle/config/root.go`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pixstream.config import yaml_source
from pixstream.config.problems import nearest
from pixstream.config.yaml_tree import Listing, Node, Problems, Scalar, Section, native
from pixstream.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

ROOT_FILE = "databricks.yml"

_JOINED_BY = {"tasks": "task_key", "job_clusters": "job_cluster_key", "parameters": "name"}
_TARGET_PARTS = ("bundle", "workspace", "artifacts", "resources", "sync", "permissions", "presets")
_VARIABLE_KEYS = frozenset(("default", "description", "lookup", "type"))


class Source(NamedTuple):
    """A bundle as it was written.

    Attributes:
        files: the tree of each file, `databricks.yml` first.
        tree: all files in one, without any target laid over it.
    """

    files: tuple[Section, ...]
    tree: Section


def read(directory: Path) -> Source:
    """Read `databricks.yml` and every file that it includes.

    Raises:
        ConfigError: one problem a line.
    """
    root_file = directory / ROOT_FILE
    if not root_file.is_file():
        raise ConfigError(f"{root_file}: no such file; name the bundle's folder with --bundle DIR")
    problems = Problems()
    tree = yaml_source.read(root_file)
    files = [tree]
    for file in _included(directory, tree, problems):
        files.append(yaml_source.read(file))
        _refuse_twins(tree, files[-1], problems)
        tree = _section(merged(tree, files[-1], problems))
    problems.raise_any()
    return Source(tuple(files), tree)


def targets(tree: Section) -> list[str]:
    """The names of all targets."""
    found = tree.items.get("targets")
    return list(found.items) if isinstance(found, Section) else []


def with_target(tree: Section, target: str, problems: Problems) -> Section:
    """Return the bundle with one target's overrides; without targets, any name is accepted.

    Raises:
        ConfigError: there is no such target.
    """
    known = targets(tree)
    if known and target not in known:
        raise ConfigError(f"--target {target}: no target of the bundle{nearest(target, known)}")
    items = {key: node for key, node in tree.items.items() if key != "targets"}
    overlay = _child(_child(tree, "targets"), target).items
    for part in _TARGET_PARTS:
        if part in overlay:
            items[part] = (
                merged(items[part], overlay[part], problems, part)
                if (part in items)
                else overlay[part]
            )
    if "run_as" in overlay:
        items["run_as"] = overlay["run_as"]
    if "mode" in overlay:
        above = Section(origin=overlay["mode"].origin, items={"mode": overlay["mode"]})
        items["bundle"] = merged(items.get("bundle", above), above, problems)
    declared = _child(tree, "variables")
    items["variables"] = _with_values(declared, _child_of(overlay, "variables"), problems)
    return Section(origin=tree.origin, items=items)


def merged(below: Node, above: Node, problems: Problems, key: str = "") -> Node:
    """Merge `above` into `below`; each value keeps the position where it was written.

    Args:
        below: the earlier value.
        above: the later one.
        problems: gets a line where the two are of different kinds.
        key: of both values.
    """
    if _is_null(above):
        return below
    if _is_null(below):
        return above
    if isinstance(below, Section) and isinstance(above, Section):
        items = dict(below.items)
        for name, node in above.items.items():
            items[name] = merged(items[name], node, problems, name) if name in items else node
        return Section(origin=below.origin, items=items)
    if isinstance(below, Listing) and isinstance(above, Listing):
        return Listing(origin=below.origin, items=tuple(_joined(below, above, problems, key)))
    if type(below) is not type(above):
        problems.add(above.origin, f"of another kind than at {below.origin.place}; write the same")
    return above


def _joined(below: Listing, above: Listing, problems: Problems, key: str) -> Iterator[Node]:
    """The elements of two lists, those of the same key merged into one."""
    later = {_name(node, key): node for node in above.items}
    later.pop("", None)
    for node in below.items:
        twin = later.pop(_name(node, key), None)
        yield node if twin is None else merged(node, twin, problems)
    for node in above.items:
        if not _name(node, key) or _name(node, key) in later:
            yield node


def _name(node: Node, key: str) -> str:
    """What a list's element is joined by; nothing where it is not."""
    name = node.items.get(_JOINED_BY.get(key, "")) if isinstance(node, Section) else None
    return name.text if isinstance(name, Scalar) else ""


def _with_values(declared: Section, values: Mapping[str, Node], problems: Problems) -> Section:
    """The variables with what a target gives them: a value, or a mapping with its `default`."""
    items = dict(declared.items)
    for name, value in values.items():
        variable = items.get(name)
        if variable is None:
            problems.add(value.origin, "unknown variable" + nearest(name, items))
            continue
        given: Mapping[str, Node] = {"default": value}
        if isinstance(value, Section) and value.items.keys() <= _VARIABLE_KEYS:
            given = value.items
        former = variable.items if isinstance(variable, Section) else {}
        items[name] = Section(origin=variable.origin, items={**former, **given})
    return Section(origin=declared.origin, items=items)


def _included(directory: Path, tree: Section, problems: Problems) -> Iterator[Path]:
    """The files that the patterns of `include` match, each once."""
    include = tree.items.get("include")
    if include is None:
        return
    if not isinstance(include, Listing):
        problems.add(include.origin, "expected a list of file patterns, as `- resources/*.yml`")
        return
    seen = {directory / ROOT_FILE}
    for pattern in include.items:
        try:
            matches = sorted(directory.glob(pattern.text)) if isinstance(pattern, Scalar) else []
        except (ValueError, NotImplementedError):
            matches = []
        if not matches:
            problems.add(pattern.origin, "matches no file; it is relative to the bundle's folder")
        yield from (file for file in matches if file not in seen)
        seen.update(matches)


def _refuse_twins(tree: Section, file: Section, problems: Problems) -> None:
    """Two files must not define one resource; only a target may change what another file says."""
    former = _child(tree, "resources")
    for kind in _child(file, "resources").items:
        known = _child(former, kind).items
        for key, node in _child(_child(file, "resources"), kind).items.items():
            if key in known:
                first = known[key].origin.place
                problems.add(node.origin, f"defined a second time, first at {first}; remove one")


def _child(section: Section, key: str) -> Section:
    """A section in another; where there is none, an empty one."""
    found = section.items.get(key)
    return found if isinstance(found, Section) else Section(origin=section.origin, items={})


def _child_of(items: Mapping[str, Node], key: str) -> Mapping[str, Node]:
    found = items.get(key)
    return found.items if isinstance(found, Section) else {}


def _section(node: Node) -> Section:
    assert isinstance(node, Section)  # noqa: S101  two sections merge into one
    return node


def _is_null(node: Node) -> bool:
    return isinstance(node, Scalar) and native(node) is None
