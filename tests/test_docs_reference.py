"""The reference pages are what the code says, and the generator notices when they are not."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def generate(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(directory / "generate.py"), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_committed_reference_is_what_the_code_makes() -> None:
    result = generate(ROOT / "docs", "--check")
    assert (result.returncode, result.stderr) == (0, "")


def test_the_generator_finds_and_writes_what_differs(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    for file in (ROOT / "docs").glob("*.py"):
        shutil.copy(file, docs)
    found = generate(docs, "--check")
    assert found.returncode == 1
    assert "docs/reference/configuration.md differs" in found.stderr
    assert not (docs / "reference").exists()
    assert generate(docs).returncode == 0
    assert generate(docs, "--check").returncode == 0
    (docs / "reference" / "configuration.md").write_text("old")
    assert generate(docs, "--check").returncode == 1


def test_the_generator_refuses_an_unknown_option() -> None:
    result = generate(ROOT / "docs", "--chekc")
    assert (result.returncode, result.stderr) == (2, "usage: python docs/generate.py [--check]\n")


def test_the_configuration_names_the_schema_that_is_generated() -> None:
    first = (ROOT / "kafka_config.yaml").read_text("utf-8").splitlines()[0]
    mark, schema = first.split("$schema=")
    assert mark == "# yaml-language-server: "
    assert "properties" in json.loads((ROOT / schema).read_text("utf-8"))


def test_the_configuration_page_names_every_setting_with_its_default() -> None:
    page = (ROOT / "docs" / "reference" / "configuration.md").read_text("utf-8")
    assert (
        "| `kafka.linger_ms` | integer ≥ 0 ≤ 1000 | `20` | how long to wait for a batch to fill, ms |"  # noqa: E501
        in page
    )
    assert "(secret) |" in page
    for name in ("webhook", "bank_api", "system_log", "iso20022"):
        assert f"### producers: {name}\n" in page
