"""Commands that are printed for a person work as they are printed."""

import os
import sys
from pathlib import Path

import pytest

from pixstream.cli import itself


def program(directory: Path) -> Path:
    directory.mkdir(parents=True)
    file = directory / "pixstream"
    file.write_text("#!/bin/sh\n")
    file.chmod(0o755)
    return file


def test_a_program_outside_of_path_is_called_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    program(tmp_path / ".venv" / "bin")
    monkeypatch.setenv("PATH", "/usr/bin")
    monkeypatch.setattr(sys, "argv", [".venv/bin/pixstream", "demo"])
    assert itself.command("-c", "a b.yaml", "lag") == ".venv/bin/pixstream -c 'a b.yaml' lag"


def test_a_program_in_path_is_called_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = program(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{file.parent}{os.pathsep}/usr/bin")
    monkeypatch.setattr(sys, "argv", [str(file)])
    assert itself.command("lag") == "pixstream lag"


def test_another_pixstream_in_path_is_not_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(program(tmp_path / "bin").parent))
    ours = program(tmp_path / "other")
    monkeypatch.setattr(sys, "argv", [str(ours)])
    assert itself.command("lag") == f"{ours} lag"


def test_a_module_is_run_by_its_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/somewhere/pixstream/cli/__main__.py"])
    assert itself.command("lag") == f"{sys.executable} -m pixstream.cli lag"
