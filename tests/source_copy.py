"""A copy of the sources in a directory of a test, to change them as a contributor would."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PARTS = ("src", "docs", "pyproject.toml", "kafka_config.yaml")


class SourceCopy:
    """The sources at `root`; what runs there imports this copy and not the installed package."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for part in PARTS:
            self.add(part)

    def add(self, part: str) -> None:
        """Copy a file or folder of the repository."""
        source, target = ROOT / part, self.root / part
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace a text that the file holds once."""
        path = self.root / file
        text = path.read_text("utf-8")
        assert text.count(old) == 1, f"{file} holds {old!r} {text.count(old)} times"
        path.write_text(text.replace(old, new), "utf-8")

    def python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the interpreter of the tests in the copy."""
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.root,
            env={**os.environ, "PYTHONPATH": str(self.root / "src")},
            capture_output=True,
            text=True,
            check=False,
        )

    def changed(self) -> set[str]:
        """The files that are not as in the repository, without what running leaves behind."""
        return {
            str(path.relative_to(self.root))
            for part in PARTS
            for path in (self.root / part).rglob("*")
            if path.is_file()
            and not {"__pycache__", ".mypy_cache"} & set(path.parts)
            and path.read_bytes() != (ROOT / path.relative_to(self.root)).read_bytes()
        }
