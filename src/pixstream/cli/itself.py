"""How a person calls this program again, as words for a shell."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path


def command(*arguments: str) -> str:
    """Return the command line that runs pixstream with these arguments from the same directory.

    `pixstream` alone only works where its directory is in PATH, which a `.venv` is not.
    """
    return shlex.join([*_program(), *arguments])


def _program() -> list[str]:
    called = Path(sys.argv[0])
    if called.name != "pixstream":
        return [sys.executable, "-m", "pixstream.cli"]
    found = shutil.which("pixstream")
    if found is not None and Path(found).resolve() == called.resolve():
        return ["pixstream"]
    return [str(called)]
