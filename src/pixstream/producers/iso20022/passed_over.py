"""What a directory contains that is not read although it may contain messages."""

from __future__ import annotations

import fnmatch
import logging
import os
import stat
import time
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ARCHIVES = (".zip", ".gz", ".tgz", ".tar", ".bz2", ".xz", ".zst", ".7z", ".rar")

_ADVICE = {
    "archives": "unpack them here",
    "folders": "folders are not searched; move their files here, or add a producer for each",
    "symbolic links": "links are never followed; put the files themselves here",
    "names in other capitals": "rename them, or change `pattern`",
}
_ONE = {
    "archives": "archive",
    "folders": "folder",
    "symbolic links": "symbolic link",
    "names in other capitals": "name in other capitals",
}
_EXAMPLES = 3
_AGAIN_SECONDS = 3600.0
_log = logging.getLogger(__name__)


def shown(name: str) -> str:
    """Return a name for logs and references; bytes that are not UTF-8 are replaced."""
    return os.fsencode(name).decode("utf-8", "replace")


class PassedOver:
    """The entries of one scan that are not read, by kind.

    Args:
        directory: its path.
        pattern: glob of the names that are read.
    """

    def __init__(self, directory: str, pattern: str) -> None:
        self._directory = directory
        self._pattern = pattern
        self._counts: Counter[str] = Counter()
        self._examples: dict[str, list[str]] = {}
        self._said: dict[str, float] = {}

    @property
    def count(self) -> int:
        """The number of entries."""
        return self._counts.total()

    def begin(self) -> None:
        """Start a new scan."""
        self._counts.clear()
        self._examples.clear()

    def add(self, entry: os.DirEntry[str], mode: int, *, named: bool) -> None:
        """Note an entry that is not read; `named`: it matches the pattern."""
        kind = self._kind(entry.name, mode, named=named)
        if kind is not None:
            self._counts[kind] += 1
            examples = self._examples.setdefault(kind, [])
            if len(examples) < _EXAMPLES:
                examples.append(shown(entry.name))

    def warnings(self) -> Iterator[str]:
        """Yield a line for each kind that the last scan found."""
        for kind in self._counts:
            yield self._line(kind)

    def log(self) -> None:
        """Log a kind when it appears, and every hour that it stays."""
        now = time.monotonic()
        self._said = {kind: at for kind, at in self._said.items() if kind in self._counts}
        for kind in self._counts:
            if now - self._said.get(kind, -_AGAIN_SECONDS) >= _AGAIN_SECONDS:
                self._said[kind] = now
                _log.warning("%s", self._line(kind))

    def _kind(self, name: str, mode: int, *, named: bool) -> str | None:
        if name.startswith(".") and not self._pattern.startswith("."):
            return None
        if stat.S_ISLNK(mode):
            return "symbolic links"
        if stat.S_ISDIR(mode):
            return "folders"
        if named or not stat.S_ISREG(mode):
            return None
        if name.lower().endswith(ARCHIVES):
            return "archives"
        alike = fnmatch.fnmatchcase(name.lower(), self._pattern.lower())
        return "names in other capitals" if alike else None

    def _line(self, kind: str) -> str:
        count, few = self._counts[kind], ", ".join(sorted(self._examples[kind]))
        more = ", …" if count > _EXAMPLES else ""
        are = "are" if count > 1 else "is"
        what = kind if count > 1 else _ONE[kind]
        return f"{self._directory}: {count:,} {what} {are} not read ({few}{more}): {_ADVICE[kind]}"
