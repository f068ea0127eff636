"""The bundle as it stands in the repository, for the tests of `databricks/`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

BUNDLE = Path(__file__).parents[2] / "databricks"


@pytest.fixture(scope="session")
def files() -> Mapping[Path, Any]:
    """Every file of the bundle with what it holds, `databricks.yml` first."""
    paths = [BUNDLE / "databricks.yml", *sorted((BUNDLE / "resources").glob("*.yml"))]
    return {path: yaml.safe_load(path.read_text("utf-8")) for path in paths}


@pytest.fixture(scope="session")
def bundle(files: Mapping[Path, Any]) -> Mapping[str, Any]:
    """What `databricks.yml` holds."""
    found: Mapping[str, Any] = files[BUNDLE / "databricks.yml"]
    return found


@pytest.fixture(scope="session")
def resources(files: Mapping[Path, Any]) -> Mapping[str, Mapping[str, Any]]:
    """The resources of all files, by type and key."""
    merged: dict[str, dict[str, Any]] = {}
    for content in files.values():
        for kind, some in content.get("resources", {}).items():
            assert not merged.get(kind, {}).keys() & some.keys()
            merged.setdefault(kind, {}).update(some)
    return merged


@pytest.fixture(scope="session")
def jobs(resources: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    """Every job by its key."""
    return resources["jobs"]
