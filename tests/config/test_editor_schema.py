"""The schema that editors hold kafka_config.yaml against agrees with what the program accepts."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from pixstream.config import editor_schema
from pixstream.config.schema import KINDS
from pixstream.plugins import discovery

ROOT = Path(__file__).parents[2]


@cache
def validator() -> Draft202012Validator:
    return Draft202012Validator(editor_schema.build())


def paths(text: str) -> list[str]:
    """Where the schema finds something wrong."""
    data: Any = yaml.safe_load(text)
    return [".".join(map(str, error.absolute_path)) for error in validator().iter_errors(data)]


def test_it_is_a_schema_of_2020_12() -> None:
    Draft202012Validator.check_schema(editor_schema.build())


def test_the_configuration_of_the_repository_fits() -> None:
    assert paths((ROOT / "kafka_config.yaml").read_text("utf-8")) == []


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "kafka:",
        "kafka: {linger_ms: 3}",
        "kafka: {linger_ms: '${LINGER:-3}', client: '${CLIENT}', bootstrap_servers: null}",
        "topics: {mine: {partitions: 2}, pix.dlq: {retention: forever}}",
        "producers: {webhook: , north: {type: webhook, port: 1}, x: {type: of_another_package}}",
        "producers: {webhook: {type: of_another_package, anything: 1}}",
        "environment: dev\nenvironments: {dev: , prod: {producers: {webhook: {port: 1}}}}",
    ],
)
def test_what_the_program_accepts_the_schema_accepts(text: str) -> None:
    assert paths(text) == []


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("kafka: {clent: x}", "kafka"),
        ("kafka: {linger_ms: '3'}", "kafka.linger_ms"),
        ("kafka: {client: other}", "kafka.client"),
        ("kafak: {}", ""),
        ("producers: {webhook: {prt: 1}}", "producers.webhook"),
        ("producers: {north: {type: webhook, prt: 1}}", "producers.north"),
        ("producers: {north: {port: 1}}", "producers.north"),
        ("topics: {pix.dlq: {partitions: 0}}", "topics.pix.dlq.partitions"),
        ("environments: {prod: {kafka: {clent: x}}}", "environments.prod.kafka"),
        ("environments: {prod: {environments: {}}}", "environments.prod"),
    ],
)
def test_what_the_program_refuses_the_schema_refuses(text: str, path: str) -> None:
    assert paths(text) == [path]


def test_it_describes_every_built_in_plugin() -> None:
    definitions = editor_schema.build()["$defs"]
    for section, kind in KINDS.items():
        for name in discovery.builtin(kind):
            properties = definitions[f"{section}.{name}"]["properties"]
            assert {"type", "enabled", "batch"} <= properties.keys()
