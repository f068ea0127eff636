"""What tasks pass on: collected here, printed alone, handed to Databricks there."""

from __future__ import annotations

import sys
import threading
import types
from typing import Any

import pytest

from pixstream.bundle import values


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABRICKS_RUNTIME_VERSION", raising=False)


def test_values_and_facts_are_collected_also_from_a_thread() -> None:
    with values.collecting() as collected:
        values.set("auc", 0.93)
        values.report(rows=12)
        thread = threading.Thread(target=values.report, kwargs={"table": "gold"})
        thread.start()
        thread.join()
    assert collected.values == {"auc": 0.93}
    assert collected.facts == {"rows": 12, "table": "gold"}
    assert values.in_words(collected.facts) == "rows=12 table=gold"


def test_with_nobody_behind_they_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    values.set("ok", True)
    values.report(rows=12, table="gold", parts=[1, 2])
    expected = "task value ok=true\nreported: rows=12 table=gold parts=[1,2]\n"
    assert capsys.readouterr().out == expected


def test_what_json_cannot_hold_is_refused() -> None:
    with values.collecting(), pytest.raises(TypeError):
        values.set("x", object())
    with values.collecting(), pytest.raises(TypeError):
        values.report(x=object())


class TaskValues:
    def __init__(self) -> None:
        self.given: list[tuple[str, Any]] = []

    def set(self, key: str, value: Any) -> None:
        self.given.append((key, value))

    def as_dbutils(self) -> Any:
        return types.SimpleNamespace(jobs=types.SimpleNamespace(taskValues=self))


def module(name: str, **content: Any) -> types.ModuleType:
    made = types.ModuleType(name)
    made.__dict__.update(content)
    return made


def test_on_databricks_the_workspace_gets_the_value(monkeypatch: pytest.MonkeyPatch) -> None:
    given = TaskValues()
    monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "18.0")
    for name in ("databricks", "databricks.sdk"):
        monkeypatch.setitem(sys.modules, name, module(name))
    runtime = module("databricks.sdk.runtime", dbutils=given.as_dbutils())
    monkeypatch.setitem(sys.modules, "databricks.sdk.runtime", runtime)
    with values.collecting() as collected:
        values.set("auc", 0.93)
    assert given.given == [("auc", 0.93)]
    assert not collected.values


def test_without_the_sdk_the_session_gives_the_task_values(monkeypatch: pytest.MonkeyPatch) -> None:
    given = TaskValues()
    monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "18.0")
    monkeypatch.setitem(sys.modules, "databricks.sdk.runtime", None)
    builder = types.SimpleNamespace(getOrCreate=lambda: "session")
    sql = module("pyspark.sql", SparkSession=types.SimpleNamespace(builder=builder))
    monkeypatch.setitem(sys.modules, "pyspark", module("pyspark"))
    monkeypatch.setitem(sys.modules, "pyspark.sql", sql)
    dbutils = module("pyspark.dbutils", DBUtils=lambda _: given.as_dbutils())
    monkeypatch.setitem(sys.modules, "pyspark.dbutils", dbutils)
    values.set("rows", 3)
    assert given.given == [("rows", 3)]
