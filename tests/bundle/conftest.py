"""Small bundles in a folder of the test's own, and functions registered as entry points."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from pixstream.bundle import entry_points
from pixstream.bundle.entry_points import EntryPoint

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def functions(monkeypatch: pytest.MonkeyPatch) -> dict[str, Callable[[], Any]]:
    """What a test puts in here by name is an entry point of this installation."""
    known: dict[str, Callable[[], Any]] = {}

    def registered() -> dict[str, EntryPoint]:
        return {name: EntryPoint("pixstream", lambda n=name: known[n]) for name in known}  # type: ignore[misc]

    monkeypatch.setattr(entry_points, "registered", registered)
    return known


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Write files of a bundle below `bundle/` by name; a mapping becomes YAML, a text stays."""
    monkeypatch.chdir(tmp_path)

    def files(contents: dict[str, Any]) -> Path:
        directory = tmp_path / "bundle"
        for name, content in contents.items():
            file = directory / name
            file.parent.mkdir(parents=True, exist_ok=True)
            is_text = isinstance(content, str)
            file.write_text(content if is_text else yaml.safe_dump(content, sort_keys=False))
        return directory.relative_to(tmp_path)

    return files


@pytest.fixture
def one_job(write: Callable[..., Path]) -> Callable[..., Path]:
    """A bundle with the job `daily` of these tasks and settings."""

    def bundle(*tasks: dict[str, Any], **settings: Any) -> Path:
        job = {"tasks": list(tasks), **settings}
        return write(
            {"databricks.yml": {"bundle": {"name": "b"}, "resources": {"jobs": {"daily": job}}}}
        )

    return bundle
