"""Bundle files against a JSON schema."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from pixstream.bundle import schema_check
from pixstream.config.yaml_source import parse
from pixstream.config.yaml_tree import Origin, Problems, Section
from pixstream.errors import ConfigError

NAME = r"\.\p{L}+([-_]*[\p{L}\p{N}]+)*(\[[0-9]+\])*"
REFERENCE = {"type": "string", "pattern": rf"\$\{{(var({NAME})+)\}}"}


def either(what: dict[str, Any]) -> dict[str, Any]:
    return {"oneOf": [what, REFERENCE]}


TASK = {
    "type": "object",
    "properties": {
        "task_key": {"type": "string"},
        "max_retries": either({"type": "integer"}),
        "run_if": either({"type": "string", "enum": ["ALL_DONE", "ALL_SUCCESS"]}),
    },
    "required": ["task_key"],
    "additionalProperties": False,
}
SCHEMA = {
    "$defs": {"task": either(TASK)},
    "type": "object",
    "properties": {"tasks": either({"type": "array", "items": {"$ref": "#/$defs/task"}})},
    "additionalProperties": False,
}
PUBLISHED = Path(__file__).parents[3] / "shared" / "platform" / "bundle-schema.json"


def problems(text: str, schema: Any = SCHEMA) -> list[str]:
    found = Problems()
    tree = parse(text, Origin("b.yml"))
    assert isinstance(tree, Section)
    schema_check.check(tree, schema_check._in_python(schema), found)
    return found.lines()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("tasks:\n- {task_key: a, max_retries: 3, run_if: ALL_DONE}", []),
        ("tasks:\n- {task_key: a, max_retries: '${var.n}', run_if: '${var.a_b-c[0].d}'}", []),
        ("tasks: ${var.ação}", []),
        (
            "tasks:\n- {task_key: a, max_retry: 3}",
            ["b.yml:2: tasks[0].max_retry: unknown key; nearest valid key: max_retries"],
        ),
        ("tasks:\n- {max_retries: 3}", ["b.yml:2: tasks[0]: the key task_key is missing"]),
        (
            "tasks:\n- task_key: a\n  max_retries: many",
            ["b.yml:3: tasks[0].max_retries: expected integer or string"],
        ),
        (
            "tasks:\n- task_key: a\n  run_if: ALWAYS",
            ["b.yml:3: tasks[0].run_if: expected one of ALL_DONE, ALL_SUCCESS"],
        ),
        (
            "tasks:\n- {run_if: 1}\n- 3",
            [
                "b.yml:2: tasks[0].run_if: expected string",
                "b.yml:2: tasks[0]: the key task_key is missing",
                "b.yml:3: tasks[1]: expected object or string",
            ],
        ),
        ("tsks: []", ["b.yml:1: tsks: unknown key; nearest valid key: tasks"]),
    ],
)
def test_what_does_not_fit_is_told_with_line_and_field(text: str, told: list[str]) -> None:
    assert problems(text) == told


def test_a_long_name_that_never_ends_costs_no_time() -> None:
    began = time.monotonic()
    problems("tasks:\n- {task_key: a, max_retries: '${var." + "a" * 5000 + "'}")
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("content", ["no json", '{"type": 3}', None])
def test_a_file_that_is_no_schema_is_refused(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "schema.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ConfigError, match="--schema"):
        schema_check.read(file)


def test_a_schema_is_read_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "schema.json"
    file.write_text(json.dumps(SCHEMA))
    assert schema_check.read(file) == schema_check._in_python(SCHEMA)


@pytest.mark.skipif(
    not PUBLISHED.is_file(), reason=f"needs {PUBLISHED}, which is not of this project"
)
def test_the_published_schema_accepts_a_bundle_and_refuses_a_misspelt_one() -> None:
    schema = schema_check.read(PUBLISHED)
    text = """\
bundle: {name: pix, engine: direct}
variables: {catalog: {default: dev}}
resources:
  jobs:
    gold:
      schedule: {quartz_cron_expression: "0 0 5 * * ?", timezone_id: America/Sao_Paulo}
      tasks:
      - task_key: gold
        max_retries: 2
        run_if: ALL_DONE
        python_wheel_task: {package_name: pixstream, entry_point: gold}
      - {task_key: check, condition_task: {op: EQUAL_TO, left: a, right: b}}
targets: {dev: {mode: development, variables: {catalog: x}}}
"""
    assert problems(text, schema) == []
    wrong = text.replace("entry_point", "entrypoint").replace("ALL_DONE", "ALWAYS")
    task = "resources.jobs.gold.tasks[0]"
    work = f"{task}.python_wheel_task"
    assert [
        line.partition("SUCCESS")[0]
        for line in problems(wrong.replace("retries: 2", "retries: many"), schema)
    ] == [
        f"b.yml:9: {task}.max_retries: expected integer or string",
        f"b.yml:10: {task}.run_if: expected one of ALL_",
        f"b.yml:11: {work}.entrypoint: unknown key; nearest valid key: entry_point",
        f"b.yml:11: {work}: the key entry_point is missing",
    ]
