"""The rooms (packages) of src/pixstream: a picture of their imports, and a table of contents.

The floors follow the import contract in pyproject.toml, the arrows are the imports in the code, and
the words come from each package's docstring.
"""

from __future__ import annotations

import ast
import html
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import grimp

import pixstream

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

SOURCE = Path(pixstream.__file__).parent
ROOT = SOURCE.parents[1]
CONTRACT = "Imports point down"

WIDTH, HEIGHT, GAP, FLOOR = 130, 34, 18, 78
"""Pixels: a room's width and height, between two rooms, and from one floor to the next."""

INTRODUCTION = """\
Generated from the code by `docs/generate.py`. A room is a package or module of `src/pixstream`. It
imports only from floors below its own; `lint-imports` enforces this. The picture omits an arrow if
a longer path leads to the same room.

![The rooms of pixstream and their imports](rooms.svg)
"""


class Room(NamedTuple):
    """A package or module directly below `pixstream`."""

    name: str
    floor: int
    says: str


def rooms() -> list[Room]:
    """Return every room, from the top floor down, as the import contract lists them."""
    found = []
    for floor, names in enumerate(floors()):
        for name in names:
            docstring = ast.get_docstring(ast.parse(_face(name).read_text("utf-8"))) or name
            found.append(Room(name, floor, docstring.splitlines()[0]))
    return found


def floors() -> list[list[str]]:
    """Return the layers of the import contract, each with its rooms."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    contracts = pyproject["tool"]["importlinter"]["contracts"]
    layers = next(c["layers"] for c in contracts if c["name"] == CONTRACT)
    return [[name.strip() for name in layer.replace(":", "|").split("|")] for layer in layers]


def imports() -> set[tuple[str, str]]:
    """Return which room imports from which, as (importer, imported).

    Imports of the bundle's tasks are omitted: they are entry points, which may import everything.
    """
    graph = grimp.build_graph("pixstream")
    return {
        (importer.split(".")[1], imported.split(".")[1])
        for importer in graph.modules
        if importer != "pixstream" and not importer.startswith("pixstream.spark.jobs.")
        for imported in graph.find_modules_directly_imported_by(importer)
        if imported.count(".") and importer.split(".")[1] != imported.split(".")[1]
    }


def page() -> str:
    """Return the page: the picture, then the table."""
    rows = "\n".join(f"| `{room.name}` | {room.says} |" for room in rooms())
    return f"# Rooms\n\n{INTRODUCTION}\n| room | contents |\n|---|---|\n{rows}\n"


def picture() -> str:
    """Return the picture, as SVG."""
    found = rooms()
    places = _places(found)
    width = max(x for x, _ in places.values()) + WIDTH + GAP
    height = max(y for _, y in places.values()) + HEIGHT + GAP
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            'font-family="system-ui, sans-serif" role="img">'
        ),
        "<title>The rooms of pixstream and their imports</title>",
        (
            '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
            'markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z" fill="#8a94a6"/>'
            "</marker></defs>"
        ),
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        *_arrows(places),
        *(_box(room, *places[room.name]) for room in found),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _face(name: str) -> Path:
    """Return the module whose docstring says what a room is."""
    module = SOURCE / f"{name}.py"
    return module if module.is_file() else SOURCE / name / "__init__.py"


def _places(found: Sequence[Room]) -> dict[str, tuple[int, int]]:
    """Return the upper left corner of each room; every floor is centred."""
    floors_ = [[r for r in found if r.floor == n] for n in range(found[-1].floor + 1)]
    widest = max(len(floor) for floor in floors_)
    places = {}
    for number, floor in enumerate(floors_):
        left = GAP + (widest - len(floor)) * (WIDTH + GAP) // 2
        for index, room in enumerate(floor):
            places[room.name] = (left + index * (WIDTH + GAP), GAP + number * FLOOR)
    return places


def _arrows(places: Mapping[str, tuple[int, int]]) -> Iterator[str]:
    for importer, imported in sorted(_shortest(imports())):
        (x1, y1), (x2, y2) = places[importer], places[imported]
        start, end = (x1 + WIDTH // 2, y1 + HEIGHT), (x2 + WIDTH // 2, y2)
        bend = (end[1] - start[1]) // 2
        yield (
            f'<path d="M{start[0]} {start[1]}C{start[0]} {start[1] + bend} '
            f'{end[0]} {end[1] - bend} {end[0]} {end[1]}" fill="none" stroke="#8a94a6" '
            'stroke-width="1.3" marker-end="url(#tip)"/>'
        )


def _shortest(edges: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return the transitive reduction: without edges that a longer path replaces."""
    below: dict[str, set[str]] = {}
    for importer, imported in edges:
        below.setdefault(importer, set()).add(imported)

    def reached(name: str) -> set[str]:
        return {far for near in below.get(name, ()) for far in {near, *reached(near)}}

    return {
        (importer, imported)
        for importer, imported in edges
        if not any(imported in reached(other) for other in below[importer] - {imported})
    }


def _box(room: Room, x: int, y: int) -> str:
    return (
        f"<g><title>{html.escape(room.says)}</title>"
        f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="6" fill="#eef3fb" '
        f'stroke="#3b5b92"/><text x="{x + WIDTH // 2}" y="{y + HEIGHT // 2 + 5}" '
        f'text-anchor="middle" font-size="14" fill="#14233f">{room.name}</text></g>'
    )
