"""Searches and a dashboard over the log lines, for Kibana and OpenSearch Dashboards alike.

The format is that of an export of version 7.10, from which OpenSearch Dashboards comes and which
later Kibanas import: one JSON object per line. Neither program was run here. A test holds every
field against the index template, and every reference against the objects.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from pixstream.logs.fields import FIELDS
from pixstream.monitoring.index import PATTERN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pixstream.monitoring.index import Json

DATA_VIEW = "pixstream-logs"
DASHBOARD = "pixstream-logs-overview"

_VERSIONS = {
    "index-pattern": "7.6.0",
    "search": "7.9.3",
    "visualization": "7.10.0",
    "dashboard": "7.9.3",
}
_TYPES = {"date": "date", "keyword": "string", "long": "number", "text": "string"}
_VIEW_OF_SEARCH = "kibanaSavedObjectMeta.searchSourceJSON.index"


class Search(NamedTuple):
    """A saved search: what is asked in KQL, and the columns."""

    title: str
    about: str
    query: str
    columns: Sequence[str]


class Panel(NamedTuple):
    """A visualization: what is counted of which lines."""

    title: str
    about: str
    kind: str
    query: str
    aggregations: Sequence[Json]
    size: tuple[int, int] = (24, 12)


SEARCHES: Mapping[str, Search] = {
    "pixstream-logs-failures": Search(
        "pixstream: failures",
        "Warnings and errors of every component; pix.left_out counts those that were not written",
        "log.level: (warning or error or critical)",
        ("service.node.name", "log.level", "event.reason", "message", "pix.left_out"),
    ),
    "pixstream-logs-batches": Search(
        "pixstream: batches of a partition",
        "Add topic, partition, kafka.offset.first <= N and kafka.offset.last >= N: the batches and "
        "the sampled messages with offset N",
        "event.dataset: (pixstream.batch or pixstream.message)",
        (
            "service.node.name",
            "event.action",
            "kafka.topic",
            "kafka.partition",
            "kafka.offset.first",
            "kafka.offset.last",
            "pix.records",
            "delta.version",
        ),
    ),
    "pixstream-logs-payments": Search(
        "pixstream: sampled payments",
        "Every stage of the payments in the sample; filter by pix.end_to_end_id or trace.id",
        "event.dataset: pixstream.message",
        (
            "pix.end_to_end_id",
            "event.action",
            "service.node.name",
            "kafka.topic",
            "kafka.partition",
            "kafka.offset.first",
            "trace.id",
        ),
    ),
    "pixstream-logs-letters": Search(
        "pixstream: dead letters",
        "One line a letter, as far as the rate limit allows; pix.letter.id is for `pixstream "
        "dead-letters show`",
        "event.dataset: pixstream.letter",
        ("service.node.name", "event.reason", "pix.letter.stage", "pix.letter.id", "message"),
    ),
}


def _metric(kind: str, field: str | None = None, **params: Any) -> Json:
    chosen = {} if field is None else {"field": field}
    return {"enabled": True, "schema": "metric", "type": kind, "params": chosen | params}


def _terms(field: str, schema: str, size: int = 10) -> Json:
    params = {"field": field, "size": size, "order": "desc", "orderBy": "1"}
    return {"enabled": True, "schema": schema, "type": "terms", "params": params}


_OVER_TIME: Json = {
    "enabled": True,
    "schema": "segment",
    "type": "date_histogram",
    "params": {"field": "@timestamp", "interval": "auto", "min_doc_count": 1},
}

PANELS: Mapping[str, Panel] = {
    "pixstream-logs-records": Panel(
        "Records by step",
        "Records of committed batches: produced, written, processed, emitted",
        "histogram",
        "event.dataset: pixstream.batch",
        (_metric("sum", "pix.records"), _OVER_TIME, _terms("event.action", "group")),
    ),
    "pixstream-logs-durations": Panel(
        "Slowest batches by component",
        "95 of 100 batches took at most so many nanoseconds",
        "line",
        "event.dataset: pixstream.batch",
        (
            _metric("percentiles", "event.duration", percents=[95]),
            _OVER_TIME,
            # A terms aggregation cannot be ordered by several percentiles.
            {
                **_terms("service.node.name", "group"),
                "params": {
                    "field": "service.node.name",
                    "size": 10,
                    "order": "asc",
                    "orderBy": "_key",
                },
            },
        ),
    ),
    "pixstream-logs-warnings": Panel(
        "Warnings and errors by component",
        "Lines of level warning and higher that were written",
        "histogram",
        "log.level: (warning or error or critical)",
        (_metric("count"), _OVER_TIME, _terms("service.node.name", "group")),
    ),
    "pixstream-logs-left-out": Panel(
        "Lines left out by component",
        "What the rate limit left out, told by the next line from the same place",
        "histogram",
        "pix.left_out > 0",
        (_metric("sum", "pix.left_out"), _OVER_TIME, _terms("service.node.name", "group")),
    ),
    "pixstream-logs-reasons": Panel(
        "Dead letters by reason",
        "Lines about letters; pix_dlq_records_total counts all of them",
        "histogram",
        "event.dataset: pixstream.letter",
        (_metric("count"), _OVER_TIME, _terms("event.reason", "group", 20)),
    ),
    "pixstream-logs-offsets": Panel(
        "How far each step has come",
        "Highest offset by step, topic and partition",
        "table",
        "event.dataset: pixstream.batch",
        (
            _metric("max", "kafka.offset.last"),
            _terms("event.action", "bucket"),
            _terms("kafka.topic", "bucket"),
            _terms("kafka.partition", "bucket", 100),
        ),
    ),
}


def objects() -> Iterator[Json]:
    """Yield the data view, the searches, the visualizations and the dashboard."""
    fields = [
        {
            "name": field.name,
            "type": _TYPES[field.kind],
            "esTypes": [field.kind],
            "searchable": True,
            "aggregatable": field.kind != "text",
            "readFromDocValues": field.kind != "text",
        }
        for field in FIELDS
    ]
    view = {"title": PATTERN, "timeFieldName": "@timestamp", "fields": json.dumps(fields)}
    yield _object("index-pattern", DATA_VIEW, view, [])
    for name, search in SEARCHES.items():
        attributes = {
            "title": search.title,
            "description": search.about,
            "columns": [*search.columns],
            "sort": [["@timestamp", "desc"]],
            "version": 1,
            **_source(search.query),
        }
        yield _object("search", name, attributes, [_to_view()])
    for name, panel in PANELS.items():
        aggregations = [
            {"id": str(number), **one} for number, one in enumerate(panel.aggregations, 1)
        ]
        state = {"title": panel.title, "type": panel.kind, "aggs": aggregations, "params": {}}
        attributes = {
            "title": f"pixstream: {panel.title}",
            "description": panel.about,
            "visState": json.dumps(state),
            "uiStateJSON": "{}",
            "version": 1,
            **_source(panel.query),
        }
        yield _object("visualization", name, attributes, [_to_view()])
    yield _dashboard()


def ndjson() -> str:
    """Return the text of the file to import."""
    return "".join(json.dumps(one, ensure_ascii=False, sort_keys=True) + "\n" for one in objects())


def _dashboard() -> Json:
    shown = [("visualization", name) for name in PANELS] + [("search", "pixstream-logs-failures")]
    panels = [
        {
            "version": "7.10.0",
            "panelIndex": str(number),
            "panelRefName": f"panel_{number}",
            "gridData": {
                "i": str(number),
                "x": 24 * (number % 2),
                "y": 12 * (number // 2),
                "w": 24,
                "h": 12,
            },
            "embeddableConfig": {},
        }
        for number in range(len(shown))
    ]
    references = [
        {"name": f"panel_{number}", "type": kind, "id": name}
        for number, (kind, name) in enumerate(shown)
    ]
    attributes = {
        "title": "pixstream: log lines",
        "description": "What each step has done, what failed, and what was left out",
        "panelsJSON": json.dumps(panels),
        "optionsJSON": json.dumps({"useMargins": True, "hidePanelTitles": False}),
        "timeRestore": False,
        "version": 1,
        "kibanaSavedObjectMeta": {
            "searchSourceJSON": json.dumps({"query": _kql(""), "filter": []})
        },
    }
    return _object("dashboard", DASHBOARD, attributes, references)


def _object(kind: str, name: str, attributes: Json, references: list[Json]) -> Json:
    return {
        "type": kind,
        "id": name,
        "attributes": attributes,
        "references": references,
        "migrationVersion": {kind: _VERSIONS[kind]},
    }


def _source(query: str) -> Json:
    source = {"query": _kql(query), "filter": [], "indexRefName": _VIEW_OF_SEARCH}
    return {"kibanaSavedObjectMeta": {"searchSourceJSON": json.dumps(source)}}


def _kql(query: str) -> Json:
    return {"language": "kuery", "query": query}


def _to_view() -> Json:
    return {"name": _VIEW_OF_SEARCH, "type": "index-pattern", "id": DATA_VIEW}
