"""The environments of a configuration: their overlays, and which one is loaded."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pixstream.config.yaml_layers import fill
from pixstream.config.yaml_tree import Origin, Scalar, Section, native

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixstream.config.yaml_tree import Node, Problems

DEFAULT_ENVIRONMENT = "dev"


def split(file: Section, problems: Problems) -> tuple[Section, dict[str, Section]]:
    """Return the sections outside `environments`, and each overlay."""
    own = {k: v for k, v in file.items.items() if k not in ("environment", "environments")}
    overlays: dict[str, Section] = {}
    environments = file.items.get("environments")
    if isinstance(environments, Section):
        for name, overlay in environments.items.items():
            if isinstance(overlay, Section):
                overlays[name] = overlay
                continue
            overlays[name] = Section(origin=overlay.origin, items={})
            if not _is_null(overlay):
                problems.add(overlay.origin, "expected a mapping of sections")
    elif environments is not None and not _is_null(environments):
        problems.add(environments.origin, "expected a mapping of environment names")
    return Section(origin=file.origin, items=own), overlays


def choose(
    env: str | None, file: Section, overlays: Mapping[str, Section], problems: Problems
) -> str:
    """Return the environment to load: `--env`, PIXSTREAM_ENV, the file's own, or dev.

    It must be one of the file's. PIXSTREAM_ENV, which affects every call on a machine, is ignored
    for a file without environments, such as the one that the demo makes.
    """
    written = file.items.get("environment")
    if written is not None:
        written = fill(written, os.environ, problems)
    known = f"known environments: {', '.join(overlays)}" if overlays else "the file has none"
    if env is not None:
        name, place = env, Origin("--env")
    elif overlays and os.environ.get("PIXSTREAM_ENV"):
        name, place = os.environ["PIXSTREAM_ENV"], Origin("PIXSTREAM_ENV")
    elif written is not None:
        if not isinstance(written, Scalar) or not written.text:
            problems.add(written.origin, f"expected the name of an environment; {known}")
            return DEFAULT_ENVIRONMENT
        name, place = written.text, written.origin
    else:
        name, place = DEFAULT_ENVIRONMENT, file.origin
        if not overlays:
            return name
    if name not in overlays:
        problems.add(place, f"unknown environment {name!r}; {known}")
    return name


def _is_null(node: Node) -> bool:
    return isinstance(node, Scalar) and native(node) is None
