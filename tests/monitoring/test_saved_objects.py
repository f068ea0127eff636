"""Saved objects name fields that lines have, and objects that exist."""

import json
import re
from typing import Any

from pixstream.logs.fields import FIELDS
from pixstream.monitoring.saved_objects import ndjson

TYPES = {field.name: field.kind for field in FIELDS}
OBJECTS: list[dict[str, Any]] = [json.loads(line) for line in ndjson().splitlines()]
NUMERIC = {"sum", "max", "percentiles"}
KQL_FIELD = re.compile(r"([\w@.]+)\s*(?::|[<>]=?)")


def of(kind: str) -> list[dict[str, Any]]:
    return [one for one in OBJECTS if one["type"] == kind]


def source(one: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        one["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"]
    )
    return found


def test_there_is_something_of_each_kind() -> None:
    assert [len(of(kind)) for kind in ("index-pattern", "dashboard")] == [1, 1]
    assert len(of("search")) == 4
    assert len(of("visualization")) == 6


def test_every_object_is_whole_and_has_an_id_of_its_own() -> None:
    for one in OBJECTS:
        assert one.keys() == {"type", "id", "attributes", "references", "migrationVersion"}
        assert one["attributes"]["title"]
    assert len({(one["type"], one["id"]) for one in OBJECTS}) == len(OBJECTS)


def test_every_reference_leads_to_an_object() -> None:
    known = {(one["type"], one["id"]) for one in OBJECTS}
    for one in OBJECTS:
        assert {(r["type"], r["id"]) for r in one["references"]} <= known


def test_every_name_of_a_reference_is_used_and_no_other() -> None:
    for one in OBJECTS:
        names = {reference["name"] for reference in one["references"]}
        used = set()
        if "panelsJSON" in one["attributes"]:
            used |= {p["panelRefName"] for p in json.loads(one["attributes"]["panelsJSON"])}
        if "kibanaSavedObjectMeta" in one["attributes"]:
            used |= {source(one).get("indexRefName")} - {None}
        assert names == used


def test_every_field_of_the_data_view_is_one_of_the_template() -> None:
    (view,) = of("index-pattern")
    fields = json.loads(view["attributes"]["fields"])
    assert {field["name"]: field["esTypes"] for field in fields} == {
        name: [kind] for name, kind in TYPES.items()
    }
    assert view["attributes"]["timeFieldName"] in TYPES


def test_every_field_that_is_asked_for_is_one_of_the_template() -> None:
    for one in (*of("search"), *of("visualization")):
        query = source(one)["query"]
        assert query["language"] == "kuery"
        fields = KQL_FIELD.findall(query["query"])
        assert fields
        assert set(fields) <= TYPES.keys()
        assert set(one["attributes"].get("columns", ())) <= TYPES.keys()


def test_every_aggregation_fits_its_field() -> None:
    for one in of("visualization"):
        state = json.loads(one["attributes"]["visState"])
        for aggregation in state["aggs"]:
            field = aggregation["params"].get("field")
            if aggregation["type"] == "count":
                assert field is None
            elif aggregation["type"] in NUMERIC:
                assert TYPES[field] == "long"
            elif aggregation["type"] == "date_histogram":
                assert TYPES[field] == "date"
            else:
                assert aggregation["type"] == "terms"
                assert TYPES[field] in {"keyword", "long"}
                ordered_by = aggregation["params"]["orderBy"]
                metrics = {a["id"] for a in state["aggs"] if a["type"] != "percentiles"}
                assert ordered_by in {"_key", *metrics}


def test_panels_of_the_dashboard_do_not_overlap() -> None:
    (dashboard,) = of("dashboard")
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(dashboard["attributes"]["panelsJSON"]):
        grid = panel["gridData"]
        cells = {
            (x, y)
            for x in range(grid["x"], grid["x"] + grid["w"])
            for y in range(grid["y"], grid["y"] + grid["h"])
        }
        assert not cells & taken
        assert grid["x"] + grid["w"] <= 48
        taken |= cells
