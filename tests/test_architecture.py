"""docs/architecture.md tells the truth: every file and name of its walk is in the code."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "pixstream"
PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
STEPS = re.findall(r"`([\w/]+\.py)`\s+`([\w.]+)`", PAGE)


def definitions(file: Path) -> set[str]:
    """The names of a module's functions and classes, and of their methods as `Class.method`."""
    found = set()
    for node in ast.parse(file.read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            methods = (inner for inner in node.body if isinstance(inner, ast.FunctionDef))
            found.update(f"{node.name}.{method.name}" for method in methods)
    return found


def test_the_walk_leads_from_a_producer_to_the_delta_log() -> None:
    rooms = [path.split("/")[0] for path, _ in STEPS]
    for room in ("processes", "loops", "producers", "formats", "event", "kafka", "columns", "lake"):
        assert room in rooms
    assert len(STEPS) > 20


@pytest.mark.parametrize(("path", "name"), STEPS, ids=str)
def test_every_step_is_in_the_code(path: str, name: str) -> None:
    assert name in definitions(SOURCE / path)
