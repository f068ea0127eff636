"""Each change that CONTRIBUTING.md shows is made in a copy of the tree, and tested there."""

import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

from tests.source_copy import SourceCopy

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def example(name: str) -> str:
    """The text of an example of CONTRIBUTING.md."""
    found = re.search(rf"<!-- example: {re.escape(name)} -->\n```\w+\n(.*?)```", TEXT, re.DOTALL)
    assert found, name
    return found[1]


def changed_copy(place: Path, *examples: str, tests: Iterable[str] = ()) -> SourceCopy:
    """Copy the source tree to `place`, as a stranger has it after the change.

    Args:
        place: a directory that does not exist.
        examples: paths in the tree; each holds the example of CONTRIBUTING.md of that name.
        tests: files and folders of ours that are copied too, since the change must not break them.
    """
    tree = SourceCopy(place)
    for test in tests:
        tree.add(test)
    for path in examples:
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_text(example(path), encoding="utf-8")
    return tree


def run_tests(tree: SourceCopy) -> str:
    """Run every test of a copy with its own sources, and return what pytest says.

    Raises:
        AssertionError: one of them fails.
    """
    done = tree.python("-m", "pytest", "-v", "-p", "no:cacheprovider", "tests")
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


def test_a_destination_is_one_folder_and_its_test(tmp_path: Path) -> None:
    tree = changed_copy(
        tmp_path / "tree",
        "src/pixstream/consumers/sqlite/consumer.py",
        "src/pixstream/consumers/sqlite/tables.py",
        "tests/consumers/sqlite/test_contract.py",
    )
    (tree.root / "src/pixstream/consumers/sqlite/__init__.py").write_text('"""SQLite."""\n')
    said = run_tests(tree)
    assert "::test_the_same_batch_again_after_a_restart_changes_nothing PASSED" in said
    assert "::test_its_sample_loads PASSED" in said


def test_a_metric_is_one_file(tmp_path: Path) -> None:
    tree = SourceCopy(tmp_path / "tree")
    subprocess.run(
        ["git", "apply", "-"],  # noqa: S607  the system's own command
        input=example("metric.diff"),
        cwd=tree.root,
        text=True,
        check=True,
    )
    assert tree.changed() == {"src/pixstream/producers/system_log/producer.py"}
    done = tree.python("docs/generate.py")
    assert done.returncode == 0, done.stderr
    page = (tree.root / "docs/reference/metrics.md").read_text("utf-8")
    assert "| `pix_system_log_bytes_total` | counter |" in page
