"""A directory into which others put files: its files, and those ready to be read, each once.

A file is identified by name, inode, size and modification time, hashed to `KEY_LENGTH` characters.
Nothing depends on the order of times: a file renamed into the directory with an old time is a file
like any other, and a file rewritten in place is a new one. Symbolic links are never followed: who
may write into the directory must not choose what else this user reads.
"""

from __future__ import annotations

import base64
import errno
import fnmatch
import hashlib
import logging
import os
import stat
import time
from pathlib import Path
from typing import NamedTuple

from pixstream.errors import PixstreamError, Transient
from pixstream.producers.iso20022.passed_over import PassedOver, shown

KEY_LENGTH = 16
DONE = "done"
"""Destination of finished files: a directory inside the one that is read."""

_log = logging.getLogger(__name__)


class SpoolFile(NamedTuple):
    """A file of the directory, as one scan found it; `key` is its identity."""

    name: str
    key: str
    size: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, name: str, status: os.stat_result) -> SpoolFile:
        """Return the file of that name and status."""
        facts = f"{status.st_ino}/{status.st_size}/{status.st_mtime_ns}/".encode()
        digest = hashlib.blake2b(facts + os.fsencode(name), digest_size=12).digest()
        key = base64.urlsafe_b64encode(digest).decode()
        return cls(name, key, status.st_size, status.st_mtime_ns, status.st_ino)

    @property
    def shown(self) -> str:
        """The name for logs and references; bytes that are not UTF-8 are replaced."""
        return shown(self.name)


class Spool:
    """The files of one directory.

    Args:
        directory: its path.
        pattern: glob of the names; it matches a leading dot only if it begins with one.
        settle_seconds: how long a file must be unchanged before it is read.

    Attributes:
        passed_over: what the last scan found that is not read.
    """

    def __init__(self, directory: str, pattern: str, settle_seconds: float) -> None:
        self._directory = directory
        self._pattern = pattern
        self._settle_seconds = settle_seconds
        self._first_seen: dict[str, float] = {}
        self._complaints: set[tuple[str, str]] = set()
        self._found_once = False
        self.passed_over = PassedOver(directory, pattern)

    def look(self) -> list[SpoolFile]:
        """Return the plain files that match the pattern, oldest first.

        Raises:
            PixstreamError: the directory cannot be read, at the first scan.
            Transient: the directory cannot be read any more.
        """
        files: list[SpoolFile] = []
        self.passed_over.begin()
        try:
            with os.scandir(self._directory) as entries:
                for entry in entries:
                    files += self._plain(entry)
        except OSError as error:
            if self._found_once:
                raise Transient(
                    f"{self._directory} cannot be read any more ({error.strerror}); its files wait"
                ) from None
            raise PixstreamError(
                f"{self._directory} cannot be read ({error.strerror}); create the directory, give "
                "this user permission to read it, or correct `directory`"
            ) from None
        self._found_once = True
        now = time.monotonic()
        self._first_seen = {f.key: self._first_seen.get(f.key, now) for f in files}
        return sorted(files, key=lambda file: (file.mtime_ns, file.name))

    def rests(self, file: SpoolFile) -> bool:
        """Whether it has not changed for `settle_seconds` by our clock, whatever its times are."""
        first_seen = self._first_seen.get(file.key)
        return first_seen is not None and (time.monotonic() - first_seen >= self._settle_seconds)

    def take(self, file: SpoolFile, max_bytes: int) -> bytes | None:
        """Return its bytes; None if it must wait: gone, changed, not readable, or too large."""
        if file.size > max_bytes:
            self._complain(file, f"is larger than {max_bytes} bytes", "split it")
            return None
        try:
            with (Path(self._directory) / file.name).open("rb") as opened:
                raw = opened.read()
                same = SpoolFile.of(file.name, os.fstat(opened.fileno())).key == file.key
        except FileNotFoundError:
            return None
        except OSError as error:
            advice = "give this user permission to read it"
            self._complain(file, f"cannot be read ({error.strerror})", advice)
            return None
        return raw if same and len(raw) == file.size else None

    def finish(self, file: SpoolFile) -> bool:
        """Move it to `DONE`; False if it stays: it has changed, or this user must not move it."""
        source, done = Path(self._directory) / file.name, Path(self._directory) / DONE
        try:
            if SpoolFile.of(file.name, source.lstat()).key != file.key:
                return False
            if done.is_symlink():
                raise OSError(errno.ELOOP, f"{DONE} is a symbolic link")  # noqa: TRY301  reported
            done.mkdir(exist_ok=True)
            target = done / file.name
            source.rename(done / f"{file.key}-{file.name}" if target.exists() else target)
        except FileNotFoundError:
            return False
        except OSError as error:
            what = f"was read but cannot be moved ({error.strerror})"
            self._complain(file, what, f"give this user permission to write there and in {DONE}/")
            return False
        return True

    def _plain(self, entry: os.DirEntry[str]) -> list[SpoolFile]:
        """Return the file of an entry that is to be read; note another that is passed over."""
        named = self._is_named(entry.name)
        try:
            status = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            return []  # removed since the directory was listed
        if named and stat.S_ISREG(status.st_mode):
            return [SpoolFile.of(entry.name, status)]
        if entry.name != DONE:
            self.passed_over.add(entry, status.st_mode, named=named)
        return []

    def _is_named(self, name: str) -> bool:
        hidden = name.startswith(".") and not self._pattern.startswith(".")
        return not hidden and fnmatch.fnmatchcase(name, self._pattern)

    def _complain(self, file: SpoolFile, what: str, advice: str) -> None:
        """Log once that a file stays where it is."""
        if (file.key, what) not in self._complaints:
            self._complaints.add((file.key, what))
            _log.error("%s/%s %s: it stays; %s", self._directory, file.shown, what, advice)
