"""The index of log lines in Elasticsearch and OpenSearch: mappings, templates, life cycle.

The mappings are made from `logs.fields`. `dynamic: false` keeps what a shipper adds besides in the
document, unindexed: `strict` would refuse such a line, and a refused line is a lost one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from pixstream.logs.fields import FIELDS

if TYPE_CHECKING:
    from pixstream.logs.fields import Kind

Json: TypeAlias = dict[str, Any]

DATA_STREAM = "logs-pixstream-default"
"""By the naming scheme of data streams: type, dataset, namespace."""

PATTERN = "logs-pixstream-*"
MAPPINGS, SETTINGS, LIFECYCLE = (
    "pixstream-logs-mappings",
    "pixstream-logs-settings",
    "pixstream-logs-lifecycle",
)
TEMPLATE = "pixstream-logs"
POLICY = "pixstream-logs"

PRIORITY = 300
"""Above that of Elasticsearch's own template for logs-*-*, which is 100."""

ROLLOVER = {"age": "1d", "size": "25gb"}
KEEP = "30d"

_TYPES: dict[Kind, Json] = {
    "date": {"type": "date"},
    "keyword": {"type": "keyword", "ignore_above": 8191},
    "long": {"type": "long"},
    "text": {"type": "text"},
}


def mappings() -> Json:
    """Return the component template with a mapping for each field of a log line."""
    properties: Json = {}
    for field in FIELDS:
        place = properties
        *parents, last = field.name.split(".")
        for parent in parents:
            place = place.setdefault(parent, {"properties": {}})["properties"]
        place[last] = dict(_TYPES[field.kind])
    return {
        "template": {
            "mappings": {
                "dynamic": False,
                "date_detection": False,
                "numeric_detection": False,
                "properties": properties,
            }
        },
        "_meta": {"managed_by": "pixstream"},
    }


def settings(replicas: int = 1) -> Json:
    """Return the component template with the settings.

    Args:
        replicas: copies of each shard; a single node keeps none.
    """
    return {
        "template": {
            "settings": {
                "index": {
                    "codec": "best_compression",
                    "number_of_shards": 1,
                    "number_of_replicas": replicas,
                    "refresh_interval": "5s",
                    "query": {"default_field": ["message"]},
                }
            }
        },
        "_meta": {"managed_by": "pixstream"},
    }


def lifecycle() -> Json:
    """Return the component template that names the ILM policy; for Elasticsearch alone."""
    return {
        "template": {"settings": {"index": {"lifecycle": {"name": POLICY}}}},
        "_meta": {"managed_by": "pixstream"},
    }


def template(*components: str) -> Json:
    """Return the index template of the data stream.

    Args:
        components: names of component templates, besides those of mappings and settings.
    """
    return {
        "index_patterns": [PATTERN],
        "data_stream": {},
        "composed_of": [MAPPINGS, SETTINGS, *components],
        "priority": PRIORITY,
        "_meta": {"managed_by": "pixstream"},
    }


def ilm_policy() -> Json:
    """Return the life cycle for Elasticsearch: a new index each day, deleted after `KEEP`."""
    return {
        "policy": {
            "phases": {
                "hot": {
                    "actions": {
                        "rollover": {
                            "max_age": ROLLOVER["age"],
                            "max_primary_shard_size": ROLLOVER["size"],
                        }
                    }
                },
                "delete": {"min_age": KEEP, "actions": {"delete": {}}},
            },
            "_meta": {"managed_by": "pixstream"},
        }
    }


def ism_policy() -> Json:
    """Return the same life cycle for OpenSearch, which attaches itself to new indices."""
    rollover = {"min_index_age": ROLLOVER["age"], "min_primary_shard_size": ROLLOVER["size"]}
    return {
        "policy": {
            "description": f"Log lines of pixstream: a new index each day, deleted after {KEEP}",
            "default_state": "hot",
            "states": [
                {
                    "name": "hot",
                    "actions": [{"rollover": rollover}],
                    "transitions": [
                        {"state_name": "delete", "conditions": {"min_rollover_age": KEEP}}
                    ],
                },
                {"name": "delete", "actions": [{"delete": {}}], "transitions": []},
            ],
            "ism_template": [{"index_patterns": [PATTERN], "priority": PRIORITY}],
        }
    }


def requests(replicas: int = 0) -> list[tuple[str, Json]]:
    """Return path and body of each PUT that prepares a server for the log lines, in order.

    They work on Elasticsearch and OpenSearch, also on builds that have neither ILM nor ISM.

    Args:
        replicas: copies of each shard; a single node keeps none.
    """
    return [
        (f"/_component_template/{MAPPINGS}", mappings()),
        (f"/_component_template/{SETTINGS}", settings(replicas)),
        (f"/_index_template/{TEMPLATE}", template()),
    ]
