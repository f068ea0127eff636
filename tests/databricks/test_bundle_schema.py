"""Every file of the bundle against the JSON schema that `databricks bundle schema` prints."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMA = Path(__file__).parents[3] / "shared" / "platform" / "bundle-schema.json"
UNICODE_NAME = r"\\p{L}+([-_]*[\\p{L}\\p{N}]+)*"
ASCII_NAME = "[A-Za-z]+([-_]*[A-Za-z0-9]+)*"


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    if not SCHEMA.is_file():
        pytest.skip("the bundle schema of ../shared is not on this machine")
    # Python's `re` has no classes of Unicode letters and digits; the bundle's names are ASCII.
    text = SCHEMA.read_text("utf-8").replace(UNICODE_NAME, ASCII_NAME)
    assert "p{" not in text
    schema: Any = json.loads(text)
    return Draft202012Validator(schema)


def problems(validator: Draft202012Validator, content: Any) -> list[str]:
    return [
        f"{'.'.join(map(str, e.absolute_path))}: {e.message}"
        for e in validator.iter_errors(content)
    ]


def test_every_file_fits(validator: Draft202012Validator, files: Mapping[Path, Any]) -> None:
    for path, content in files.items():
        assert problems(validator, content) == [], path


def test_a_word_that_the_schema_does_not_know_is_found(
    validator: Draft202012Validator, files: Mapping[Path, Any]
) -> None:
    for path, content in files.items():
        for job in copy.deepcopy(content).get("resources", {}).get("jobs", {}).values():
            job["tasks"][0]["max_retrys"] = 1
            assert problems(validator, {"resources": {"jobs": {"one": job}}}) != [], path


def test_the_patterns_of_references_still_mean_what_they_did(
    validator: Draft202012Validator,
) -> None:
    def fits(status: str) -> bool:
        schedule = {
            "quartz_cron_expression": "0 0 3 * * ?",
            "timezone_id": "America/Sao_Paulo",
            "pause_status": status,
        }
        return not problems(validator, {"resources": {"jobs": {"one": {"schedule": schedule}}}})

    assert fits("PAUSED")
    assert fits("${var.status}")
    assert fits("${var.the_status-2}")
    assert not fits("${var.}")
    assert not fits("paused")
