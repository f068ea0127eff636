"""Each change that CONTRIBUTING.md shows is made in a copy of the tree, and tested there."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def changed_copy(place: Path, *examples: str, tests: Iterable[str] = ()) -> Path:
    """Copy the source tree to `place`, as a stranger has it after the change.

    Args:
        place: a directory that does not exist.
        examples: paths in the tree; each holds the example of CONTRIBUTING.md of that name.
        tests: files and folders of ours that are copied too, since the change must not break them.
    """
    unwanted = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "src", place / "src", ignore=unwanted)
    shutil.copy(ROOT / "pyproject.toml", place)
    for test in tests:
        if (ROOT / test).is_dir():
            shutil.copytree(ROOT / test, place / test, ignore=unwanted)
        else:
            (place / test).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / test, place / test)
    for path in examples:
        found = re.search(
            rf"<!-- example: {re.escape(path)} -->\n```\w+\n(.*?)```", TEXT, re.DOTALL
        )
        assert found, path
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_text(found[1], encoding="utf-8")
    return place


def run_tests(tree: Path) -> str:
    """Run every test of a copy with its own sources, and return what pytest says.

    Raises:
        AssertionError: one of them fails.
    """
    command = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", "tests"]
    environment = os.environ | {"PYTHONPATH": str(tree / "src")}
    done = subprocess.run(
        command, cwd=tree, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_dialect_is_one_file_and_its_test(tmp_path: Path) -> None:
    tree = changed_copy(
        tmp_path / "tree",
        "src/pixstream/formats/dialects/banco_exemplo.py",
        "tests/formats/dialects/test_banco_exemplo.py",
        tests=[
            "tests/formats/dialects",
            "tests/formats/test_dialect.py",
            "tests/formats/api_pix/test_objects.py",
        ],
    )
    said = run_tests(tree)
    for name in ("test_a_return_in_its_pix_and_a_return_alone", "test_efi_names_the_payer"):
        assert f"::{name} PASSED" in said
