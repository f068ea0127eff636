"""The notebooks, without a workspace: form, syntax, and the names of this package they import."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "databricks" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.py"))
CELL = "\n# COMMAND ----------\n"


def cells(path: Path) -> list[str]:
    return path.read_text("utf-8").split(CELL)


def code(path: Path) -> ast.Module:
    """The cells of Python together."""
    return ast.parse("\n".join(cell for cell in cells(path) if "# MAGIC" not in cell))


def test_there_is_one_for_each_question() -> None:
    assert [path.stem for path in NOTEBOOKS] == [
        "explore_stream",
        "investigate_case",
        "read_tables",
        "train_model",
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_a_notebook_in_source_form(path: Path) -> None:
    text = path.read_text("utf-8")
    assert text.startswith("# Databricks notebook source\n# MAGIC %md\n# MAGIC # ")
    # a separator that is written otherwise glues two cells together
    assert len(re.findall("COMMAND -", text)) == len(cells(path)) - 1 > 0
    for cell in cells(path):
        lines = [line for line in cell.splitlines() if line.strip()]
        lines = [line for line in lines if line != "# Databricks notebook source"]
        marked = [line.startswith("# MAGIC") for line in lines]
        assert lines
        assert all(marked) or not any(marked)
        if all(marked):
            assert lines[0] == "# MAGIC %md"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_cell_is_python_and_explained_before(path: Path) -> None:
    for before, cell in zip(cells(path), cells(path)[1:], strict=False):
        if "# MAGIC" not in cell:
            compile(cell, str(path), "exec")
            explained = "# MAGIC %md" in before or "dbutils.widgets." in before
            assert explained, cell[:80]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_it_takes_from_this_package_exists(path: Path) -> None:
    taken = [
        (node.module, alias.name)
        for node in ast.walk(code(path))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("pixstream")
        for alias in node.names
    ]
    assert taken
    needs_spark = [(m, n) for m, n in taken if m.startswith("pixstream.spark")]
    for module, name in set(taken) - set(needs_spark):
        assert _has(module, name), (module, name)
    if importlib.util.find_spec("pyspark") is None:
        pytest.skip("pyspark is not installed, so the modules that need it cannot be looked into")
    for module, name in needs_spark:
        assert _has(module, name), (module, name)


def _has(module: str, name: str) -> bool:
    found = importlib.import_module(module)
    return hasattr(found, name) or importlib.util.find_spec(f"{module}.{name}") is not None


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_imports_no_more_than_a_workspace_has(path: Path) -> None:
    known = {"os", "pathlib", "databricks", "pyspark", "pixstream", "mlflow", "pandas", "sklearn"}
    for node in ast.walk(code(path)):
        if isinstance(node, ast.Import):
            assert {alias.name.partition(".")[0] for alias in node.names} <= known
        if isinstance(node, ast.ImportFrom):
            assert node.module
            assert node.module.partition(".")[0] in known


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_reads_its_widgets_under_the_names_it_gave_them(path: Path) -> None:
    text = path.read_text("utf-8")
    made = set(re.findall(r'widgets\.(?:text|dropdown)\("(\w+)"', text))
    read = set(re.findall(r"""widgets\.get\(["'](\w+)["']\)""", text))
    assert read == made


def test_training_says_what_it_is_not() -> None:
    text = (FOLDER / "train_model.py").read_text("utf-8").replace("\n# MAGIC ", " ")
    assert "This release contains no fraud model" in text
    assert "never run on a workspace" in text
