"""The queries of dashboards, found in Grafana's JSON."""

import json
from pathlib import Path

import pytest

from pixstream.monitoring import files, panels

DASHBOARD = {
    "panels": [
        {
            "type": "row",
            "panels": [{"targets": [{"expr": "sum(rate(a_total[$__rate_interval]))"}]}],
        },
        {"targets": [{"expr": 'b{topic=~"$topic", group=~"${group:regex}"}'}, {"expr": "b"}]},
        {"targets": [{"expr": "b"}, {"query": "not a metric's"}]},
    ],
    "annotations": {"list": [{"expr": "ALERTS"}]},
}


def test_every_query_once_with_its_variables_replaced(tmp_path: Path) -> None:
    file = tmp_path / "dashboard.json"
    file.write_text(json.dumps(DASHBOARD), "utf-8")
    assert panels.of_dashboard(file) == [
        "sum(rate(a_total[1m]))",
        'b{topic=~".*", group=~".*"}',
        "b",
        "ALERTS",
    ]


def test_dashboards_are_found_in_their_folder_and_there_need_be_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_IN_WHEEL", tmp_path)
    monkeypatch.setattr(files, "_IN_REPOSITORY", tmp_path)
    assert panels.queries() == []
    (tmp_path / "grafana" / "dashboards").mkdir(parents=True)
    (tmp_path / "grafana" / "dashboards" / "one.json").write_text(json.dumps(DASHBOARD), "utf-8")
    assert len(panels.queries()) == 4


def test_no_query_of_ours_keeps_a_variable() -> None:
    assert [query for query in panels.queries() if "$" in query] == []
