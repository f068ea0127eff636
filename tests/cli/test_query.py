"""`pixstream query` as a person calls it: names of tables, formats, limits, errors."""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from pixstream.cli import main, result_set
from pixstream.cli.result_set import ResultSet
from pixstream.consumers.delta_lake.consumer import DeltaLake
from pixstream.lake_tables import named
from pixstream.testing import batch, event, partition


def reject(rows: Sequence[int], reason: str) -> None:
    raise AssertionError(f"{reason}: {rows}")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a configuration of one consumer, and three payments in its table."""
    monkeypatch.chdir(tmp_path)
    for name in ("PIXSTREAM_CONFIG", "PIXSTREAM_ENV"):
        monkeypatch.delenv(name, raising=False)
    configure(tmp_path, delta_lake={"uri": "lake"})
    lake = DeltaLake(type="delta_lake", uri="lake")
    lake.write(batch({partition(): (0, [event(n) for n in range(3)])}), reject)
    return tmp_path


def configure(place: Path, **consumers: object) -> None:
    (place / "kafka_config.yaml").write_text(
        yaml.safe_dump({"consumers": consumers}, sort_keys=False)
    )


def call(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main.run(["query", *arguments])
    out, err = capfd.readouterr()
    return code, out, err


SQL = "SELECT _offset, status, flags, payer FROM pagamentos ORDER BY _offset"


def test_json_has_an_object_for_each_row(capfd: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capfd, "--format", "json", SQL)
    assert (code, err) == (0, "")
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["_offset"] for row in rows] == [0, 1, 2]
    assert rows[0]["flags"] == event(0).flags
    assert "ispb" in rows[0]["payer"]


def test_csv_has_a_header_and_is_read_back(capfd: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capfd, "--format", "csv", SQL)
    assert code == 0
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [row["_offset"] for row in rows] == ["0", "1", "2"]
    assert json.loads(rows[0]["flags"]) == event(0).flags


def test_a_table_is_aligned_and_a_wide_one_is_in_blocks(capfd: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capfd, "SELECT status, count(*) AS n FROM pagamentos GROUP BY status")
    assert (code, [line.split() for line in out.splitlines()]) == (
        0,
        [["status", "n"], [event(0).status, "3"]],
    )
    code, out, _ = call(capfd, "SELECT * FROM pagamentos ORDER BY _offset")
    assert code == 0
    assert [line for line in out.splitlines() if line.startswith("row")] == [
        "row 1",
        "row 2",
        "row 3",
    ]


def test_the_limit_says_that_there_is_more(capfd: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capfd, "--limit", "2", "--format", "csv", SQL)
    assert (code, len(out.splitlines())) == (0, 3)
    assert "more rows than 2" in err
    assert call(capfd, "--limit", "3", SQL)[2] == ""
    assert call(capfd, "--limit", "0", SQL)[2] == ""


def test_without_sql_the_tables_are_listed(capfd: pytest.CaptureFixture[str], place: Path) -> None:
    code, out, _ = call(capfd, "--format", "json")
    assert code == 0
    rows = {row["table"]: row for row in map(json.loads, out.splitlines())}
    assert {name: row["exists"] for name, row in rows.items()} == {
        "pagamentos": True,
        "recebimentos": False,
        "estornos": False,
    }
    assert rows["pagamentos"]["uri"] == str(place / "lake" / "pagamentos")


def test_an_error_is_one_message(capfd: pytest.CaptureFixture[str], place: Path) -> None:
    code, out, err = call(capfd, "SELECT * FROM pix")
    assert (code, out) == (1, "")
    assert err == "error: there is no table pix; tables: pagamentos, recebimentos, estornos\n"
    (place / "kafka_config.yaml").write_text("consumers: {console: {}}\n")
    assert "no consumer of type delta_lake" in call(capfd, "SELECT * FROM pix")[2]
    assert call(capfd) == (0, "table  exists  uri\n", "")


def test_where_several_consumers_have_a_table_its_name_says_whose(
    capfd: pytest.CaptureFixture[str], place: Path
) -> None:
    configure(
        place,
        **{
            "delta_lake": {"uri": "lake"},
            "cold-store": {"type": "delta_lake", "uri": "cold", "categories": ["pagamentos"]},
        },
    )
    code, out, _ = call(capfd, "SELECT count(*) AS n FROM delta_lake_pagamentos")
    assert (code, out.split()) == (0, ["n", "3"])
    err = call(capfd, "SELECT * FROM pagamentos")[2]
    assert "tables: delta_lake_pagamentos, cold_store_pagamentos, recebimentos, estornos" in err
    err = call(capfd, "SELECT * FROM cold_store_pagamentos")[2]
    assert f"{place}/cold/pagamentos does not exist yet" in err


def test_the_only_enabled_consumer_keeps_the_plain_names() -> None:
    one = DeltaLake(type="delta_lake", categories=["estornos"], uri="x")
    other = DeltaLake(type="delta_lake", categories=["estornos"], uri="x", enabled=False)
    one.name, other.name = "one", "other"
    assert list(named([one, other])) == ["estornos", "other_estornos"]
    assert list(named([other])) == ["estornos"]


def test_values_do_not_steer_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    result_set.print_table(ResultSet(["a\x1b[2J"], iter([("\x1b]0;x\x07 ção\n",), (None,)])))
    out = capfd.readouterr().out
    assert [line.rstrip() for line in out.splitlines()][:2] == [
        "a\\x1b[2J",
        "\\x1b]0;x\\x07 ção\\n",
    ]


def test_columns_of_one_name_are_all_in_the_json(capfd: pytest.CaptureFixture[str]) -> None:
    result_set.print_json(ResultSet(["a", "a", "b"], iter([(1, 2, None)])))
    assert capfd.readouterr().out == '{"a":1,"a_2":2,"b":null}\n'
