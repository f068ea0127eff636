from __future__ import annotations

import datetime as dt
import hashlib
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from pixstream.errors import PixstreamError
from pixstream.lab.simulation import directory as directory_module
from pixstream.lab.simulation.directory import simulate
from pixstream.lab.simulation.pieces import BANK_API, SYSTEM_LOG

if TYPE_CHECKING:
    from pathlib import Path

START = dt.datetime(2026, 11, 20, tzinfo=dt.UTC)


def digests(directory: Path) -> dict[str, str]:
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def lines(path: Path) -> list[dict[str, Any]]:
    return [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]


def test_the_same_arguments_write_the_same_bytes_in_any_process(tmp_path: Path) -> None:
    simulate(tmp_path / "here", events=1_000, seed=4, start=START, days=2)
    program = (
        "import datetime, pathlib, sys; from pixstream.lab.simulation.directory import simulate; "
        "simulate(pathlib.Path(sys.argv[1]), events=1000, seed=4, days=2, "
        "start=datetime.datetime(2026, 11, 20, tzinfo=datetime.timezone.utc))"
    )
    environment = os.environ | {"PYTHONHASHSEED": "12345"}
    there = str(tmp_path / "there")
    subprocess.run([sys.executable, "-c", program, there], check=True, env=environment)

    assert digests(tmp_path / "here") == digests(tmp_path / "there")


def test_every_kind_of_file_and_the_ledger_are_written(tmp_path: Path) -> None:
    seen: list[int] = []
    summary = simulate(tmp_path, events=3_000, seed=1, start=START, progress=seen.append)

    ledger = lines(tmp_path / "ledger.jsonl")
    facts = {(x["category"], x["identifier"], x["status"]) for x in ledger if "category" in x}
    malformed = {x["malformed"] for x in ledger if "malformed" in x}
    assert len(facts) == summary.facts
    assert len(malformed) == summary.malformed
    assert summary.facts + summary.malformed == 3_000 == seen[-1]
    assert seen == sorted(seen)
    assert len(lines(tmp_path / "labels.jsonl")) == summary.labels
    assert all((tmp_path / line["document"]).is_file() for line in ledger)
    assert {path.name for path in tmp_path.iterdir()} == {
        "api",
        "labels.jsonl",
        "ledger.jsonl",
        "logs",
        "spi",
        "webhook",
    }


def test_only_the_wanted_sources_are_written(tmp_path: Path) -> None:
    simulate(tmp_path / "new", events=50, seed=1, start=START, sources=(BANK_API,))

    assert {path.name for path in (tmp_path / "new").iterdir()} == {
        "api",
        "labels.jsonl",
        "ledger.jsonl",
    }


def test_a_full_log_is_followed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory_module, "LINES_PER_LOG", 100)
    summary = simulate(tmp_path, events=1_000, seed=1, start=START, sources=(SYSTEM_LOG,))
    logs = sorted((tmp_path / "logs").iterdir())

    assert [path.name for path in logs[:2]] == ["pix-0000.jsonl", "pix-0001.jsonl"]
    assert sum(path.read_bytes().count(b"\n") for path in logs) == 1_000 + summary.repeats


def test_a_directory_that_is_not_empty_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")

    with pytest.raises(PixstreamError, match="is not empty"):
        simulate(tmp_path, events=10, seed=1, start=START)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_directory_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(PixstreamError, match="cannot write to"):
        simulate(tmp_path / "file" / "below", events=10, seed=1, start=START)
