"""The dashboards ask for what there is, and the files for Grafana have all of it."""

import json
import re

import pytest
import yaml

from pixstream.monitoring import files
from pixstream.monitoring.dashboards import DASHBOARDS, Dashboard, Panel

ROOT = files.path("grafana").parents[1]
_NAME = re.compile(r"\b(?:pix|kafka)[a-z0-9_:]*[a-z0-9]\b")
_SUFFIX = re.compile(r"_(?:bucket|sum|count)$")


def panels() -> list[Panel]:
    return [panel for one in DASHBOARDS for row in one.rows for panel in row.panels]


def known() -> set[str]:
    """Names of our metrics, of those of the brokers, and of what recording rules make of them."""
    reference = (ROOT / "docs" / "reference" / "metrics.md").read_text("utf-8")
    names = set(re.findall(r"^\| `(pix_\w+)`", reference, re.MULTILINE))
    for file in (ROOT / "monitoring" / "prometheus" / "rules").glob("*.yml"):
        for group in yaml.safe_load(file.read_text("utf-8"))["groups"]:
            names |= {rule["record"] for rule in group["rules"] if "record" in rule}
    return names


@pytest.mark.parametrize(
    "query", sorted({query.expression for panel in panels() for query in panel.queries})
)
def test_a_query_names_only_what_there_is(query: str) -> None:
    broker = re.compile(
        "|".join(
            re.sub(r"\$\d", "[a-z0-9_]+", rule["name"])
            for rule in yaml.safe_load(files.path("jmx/kafka.yml").read_text("utf-8"))["rules"]
        )
    )
    found = {_SUFFIX.sub("", name) for name in _NAME.findall(query)}
    assert found
    unknown = {name for name in found - known() if not broker.fullmatch(name)}
    assert unknown == set()


@pytest.mark.parametrize("one", DASHBOARDS, ids=lambda one: one.uid)
def test_grafana_gets_each_panel_and_query(one: Dashboard) -> None:
    text = files.path(f"grafana/dashboards/{one.uid}.json").read_text("utf-8")
    made = json.loads(text)
    assert (made["uid"], made["title"]) == (one.uid, one.title)
    ours = [title for row in one.rows for title in (row.title, *(p.title for p in row.panels))]
    assert [panel["title"] for panel in made["panels"]] == ours
    asked = re.findall(r'"expr": (".*")', text)
    assert [json.loads(query) for query in asked] == [
        query.expression for row in one.rows for panel in row.panels for query in panel.queries
    ]


def test_no_two_dashboards_share_an_address_and_no_two_panels_of_one_a_title() -> None:
    assert len({one.uid for one in DASHBOARDS}) == len(DASHBOARDS)
    for one in DASHBOARDS:
        titles = [panel.title for row in one.rows for panel in row.panels]
        assert len(set(titles)) == len(titles)


def test_the_page_of_victoriametrics_has_no_variable_and_no_recorded_series() -> None:
    for file in files.path("victoriametrics").glob("*.json"):
        text = file.read_text("utf-8")
        assert "$" not in text
        assert "pix:" not in text
        assert json.loads(text)["rows"]
