"""The examples of docs/reading-tables.md run, each where its library is installed."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from pixstream.cli import main
from pixstream.columns.schema import TABLE_SCHEMA
from pixstream.consumers.delta_lake.consumer import DeltaLake
from pixstream.event.categories import Category
from pixstream.testing import batch, event, partition

PAGE = (Path(__file__).parent.parent / "docs" / "reading-tables.md").read_text("utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
SQL = re.findall(r"pixstream query (?:--\S+ \S+ )*\"([^\"]+)\"", PAGE)


def reject(rows: Sequence[int], reason: str) -> None:
    raise AssertionError(f"{reason}: {rows}")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory with the tables where the page says they are."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kafka_config.yaml").write_text(yaml.safe_dump({"consumers": {"delta_lake": {}}}))
    lake = DeltaLake(type="delta_lake", uri="data/lake")
    for category in Category:
        topic = partition(topic=category.topic)
        lake.write(batch({topic: (0, [event(n, category=category) for n in range(3)])}), reject)


@pytest.mark.parametrize("library", ["pandas", "polars", "duckdb"])
def test_the_example_of_a_library_prints_the_sum(
    library: str, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip(library)
    (example,) = [code for code in EXAMPLES if library in code]
    exec(compile(example, library, "exec"), {})  # noqa: S102  the page is ours
    assert "2026" in capfd.readouterr().out


@pytest.mark.parametrize("sql", SQL, ids=range(len(SQL)))
def test_the_queries_are_answered(sql: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert len(SQL) == 3
    assert main.run(["query", sql]) == 0
    out, err = capfd.readouterr()
    assert out
    assert err == ""


def test_the_columns_and_settings_that_the_page_names_exist() -> None:
    named = {"event_date", "amount_centavos", "status", "revision", "payer", "flags"}
    assert named <= set(TABLE_SCHEMA.names)
    assert DeltaLake(type="delta_lake").uri == "data/lake"
