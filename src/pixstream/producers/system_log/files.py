"""The log files of a producer: which exist, which are known already, and what is unread in them.

A stream is one file, identified by its inode and its first line, whatever its name:

- renamed by rotation: found under its new name in the same directory (even if no pattern matches
  it) and read to its end; its unfinished last line counts once the file is unchanged for
  `settle_seconds`;
- rotated more than once while the producer was down: files beside it that have its name plus a
  number or date, were written since it was first watched and were never read, are read whole;
- truncated (copytruncate): the new content is a new stream from 0; the unread rest of the old
  content is read from the copy, recognised by its first line and the bytes in front of the offset;
- deleted: kept open and read to its end until it stops changing; then a warning says so. It is not
  kept open longer, or the disk space of a deleted log would never be freed.

A file that was deleted while the producer was down, or truncated without a copy, may have had lines
that were never read: `on_gap` decides whether reading stops there or continues with an error in the
log.

A copy of a file that still exists is not read again. Compressed files are ignored: their content
was read before. The cost is one descriptor per file (for the 512 written last) and one small
position in Kafka for each file ever read, which prevents a second read.
"""

from __future__ import annotations

import glob
import logging
import os
import re
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from pixstream.plugins import gaps
from pixstream.producers.system_log.tail import Head, Tail, head_in, identity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pixstream.plugins.gaps import OnGap
    from pixstream.plugins.producer import Position, Stream

COMPRESSED = (".gz", ".bz2", ".xz", ".zst", ".lz4", ".zip")
HELD_OPEN = 512
_STREAM = re.compile(r"[0-9a-f]+-[0-9a-f]{16}")
_SUFFIX_START = re.compile(r"[.-](?=\d)")
_SUFFIX = re.compile(r"[.-]\d[\d._T-]*")
_COMPARED_BYTES = 256
_log = logging.getLogger(__name__)


class _Seen(NamedTuple):
    """A file as a scan found it in a directory."""

    path: str
    inode: int
    size: int
    mtime_ns: int
    head: Head
    matches: bool

    @property
    def stream(self) -> Stream:
        """The stream that this file would be."""
        return identity(self.inode, self.head)


class LogFiles:
    """The files that some patterns match, and their rotated successors.

    Args:
        patterns: globs.
        positions: position of each stream, as written by `Tail.position`; keys of another form
            are ignored.
        owns: whether this process reads a stream; it only keeps track of the others.
        settle_seconds: a renamed or deleted file is complete when its size has not changed for
            this long.
        from_end: files of the first scan are read from their end.
        on_gap: what to do when lines may be lost.

    Raises:
        PixstreamError: this version cannot read a position.
    """

    def __init__(
        self,
        patterns: Sequence[str],
        positions: Mapping[Stream, Position],
        *,
        owns: Callable[[Stream], bool],
        settle_seconds: float,
        from_end: bool = False,
        on_gap: OnGap = "continue",
    ) -> None:
        self._patterns = patterns
        self._owns = owns
        self._settle_seconds = settle_seconds
        self._from_end = from_end
        self._on_gap: OnGap = on_gap
        self._tails: dict[Stream, Tail] = {}
        self._live: dict[Stream, Tail] = {}
        self._by_head: dict[str, list[Tail]] = {}
        self._copies: dict[Stream, Tail] = {}
        self._placed: list[Tail] = []
        self._watched_since: dict[str, int] = {}
        self._looked: dict[str, _Seen] = {}
        self._rest: dict[Stream, tuple[int, float]] = {}
        self._begun: list[Tail] = []
        self._unreadable: set[str] = set()
        for stream, position in positions.items():
            if _STREAM.fullmatch(stream):
                self._know(Tail.at(stream, position))
        self._first = not self._tails

    def scan(self) -> list[Tail]:
        """Scan the directories and return the tails with unread bytes, the oldest first."""
        for tail in self._live.values():
            if tail.is_open and not tail.intact():
                _warn_truncated(tail)
                tail.close()
        seen = self._look()
        self._place(seen)
        for each in seen:
            if each.size and each.stream not in self._tails and each.stream not in self._copies:
                self._meet(each)
        if self._first and not self._from_end:
            self._warn_left_out()
        self._first = self._from_end = False
        self._hold()
        unread = [tail for tail in self._live.values() if tail.is_open and tail.unread]
        return sorted(unread, key=lambda tail: (tail.written_ns(), tail.path or ""))

    def complete(self, tail: Tail) -> bool:
        """Whether the file lost its name and stopped changing, so that nothing is appended."""
        _, since = self._rest[tail.stream]
        return tail.path != tail.log and time.monotonic() - since >= self._settle_seconds

    def news(self) -> Iterator[Tail]:
        """Yield tails whose position changed without a line: started at the end, or ended.

        Raises:
            PixstreamError: lines may be lost, and `on_gap` is `stop`.
        """
        begun, self._begun = self._begun, []
        yield from begun
        for tail in [t for t in self._live.values() if not t.unread and self.complete(t)]:
            if tail.path is None and not tail.is_open:
                what = "is gone, or was truncated without a copy"
                self._met_gap(tail, what, "the file is not read any more")
            elif tail.deleted:
                _log.warning(
                    "%s was deleted and is read up to byte %d; lines still written to it are not "
                    "read: have its program reopen the file",
                    shown(tail.log),
                    tail.offset,
                )
            tail.ended = True
            tail.close()
            del self._live[tail.stream]
            yield tail

    def close(self) -> None:
        """Close every file."""
        for tail in self._tails.values():
            tail.close()

    def _met_gap(self, tail: Tail, what: str, then: str) -> None:
        missing = f"what was written after byte {tail.offset}, if anything: the file {what}; it"
        gaps.met(shown(tail.log), missing, self._on_gap, then)

    def _know(self, tail: Tail) -> None:
        self._tails[tail.stream] = tail
        self._by_head.setdefault(tail.head, []).append(tail)
        self._watch(tail.log, tail.mtime_ns)
        if not tail.ended and self._owns(tail.stream):
            self._live[tail.stream] = tail

    def _watch(self, log: str, since_ns: int) -> None:
        self._watched_since[log] = min(since_ns, self._watched_since.get(log, since_ns))

    def _look(self) -> list[_Seen]:
        """Return every plain file of the watched directories: matching files first, then by age."""
        matching = matching_paths(self._patterns)
        directories = {Path(path).parent for path in matching | self._watched_since.keys()}
        paths = matching.union(*map(_files, directories))
        before, self._looked = self._looked, {}
        for path in paths:
            seen = self._see(path, before.get(path), matches=path in matching)
            if seen is not None:
                self._looked[path] = seen
        return sorted(
            self._looked.values(), key=lambda each: (not each.matches, each.mtime_ns, each.path)
        )

    def _see(self, path: str, before: _Seen | None, *, matches: bool) -> _Seen | None:
        try:
            found = Path(path).stat()
            if not stat.S_ISREG(found.st_mode):
                return None
            if before and before[1:4] == (found.st_ino, found.st_size, found.st_mtime_ns):
                return before
            with Path(path).open("rb") as file:
                found = os.fstat(file.fileno())
                head = head_in(file.fileno())
        except OSError as error:
            if matches:
                self._cannot_read(path, error)
            return None
        if matches:
            self._watch(path, found.st_mtime_ns)
        return _Seen(path, found.st_ino, found.st_size, found.st_mtime_ns, head, matches)

    def _place(self, seen: Sequence[_Seen]) -> None:
        """Find the known files under their current names."""
        for tail in self._placed:
            tail.path, tail.found = None, 0
        self._placed = []
        for each in seen:
            known = self._copies.get(each.stream) or self._tails.get(each.stream)
            if known is not None and known.path is None:
                self._put(known, each)

    def _put(self, tail: Tail, each: _Seen) -> None:
        tail.path, tail.alias, tail.found = each.path, each.stream, each.size
        self._placed.append(tail)
        back = each.size != tail.offset or each.path == tail.log
        if tail.ended and back and self._owns(tail.stream):
            self._live[tail.stream] = tail

    def _meet(self, each: _Seen) -> None:
        """Decide whether a file without a position is a copy, a new file, or not ours to read."""
        if self._is_copy(each):
            return
        log = self._rotated_from(each) or (each.path if each.matches else None)
        if log is None or not (each.head.whole or (log != each.path and self._rests(each))):
            return
        tail = Tail(each.stream, log, mtime_ns=each.mtime_ns)
        self._know(tail)
        self._put(tail, each)
        if self._from_end and tail.stream in self._live:
            self._open(tail)
            tail.skip_to_end()
            self._begun.append(tail)
            _log.warning(
                "%s: first start, at the end of the file: its first %d bytes are not read",
                shown(tail.log),
                tail.offset,
            )

    def _is_copy(self, each: _Seen) -> bool:
        """Whether a file is a copy of a known one; the copy of a missing file replaces it.

        Also true when files are being renamed right now, so that nothing is certain: the next scan
        decides.
        """
        relatives = self._by_head.get(each.head.digest, ())
        if not relatives:
            return False
        try:
            with Path(each.path).open("rb") as file:
                now = os.fstat(file.fileno())
                if now.st_ino != each.inode:
                    return True
                # The scan may have seen the copy half made, and its original truncated.
                each = each._replace(size=now.st_size, mtime_ns=now.st_mtime_ns)
                for tail in relatives:
                    if tail.path is not None:
                        if _repeats(file, each, tail):
                            return True
                    elif tail.continues(file.fileno(), each.size):
                        if not tail.is_open and each.size >= tail.offset:
                            self._copies[each.stream] = tail
                            self._put(tail, each)
                        return True
        except OSError:
            return True
        return False

    def _rotated_from(self, each: _Seen) -> str | None:
        """Return the watched log of this rotated name, if it was written since the watch began."""
        for log in self._named_after(each.path):
            if each.mtime_ns >= self._watched_since[log]:
                return log
        return None

    def _named_after(self, path: str) -> Iterator[str]:
        """Yield watched logs whose name this path extends by a number or date."""
        for start in _SUFFIX_START.finditer(path):
            log, suffix = path[: start.start()], path[start.start() :]
            if log in self._watched_since and _SUFFIX.fullmatch(suffix):
                yield log

    def _warn_left_out(self) -> None:
        """Log older rotated files at a first start: it is unknown whether they were ever read."""
        for each in self._looked.values():
            known = each.stream in self._tails or each.stream in self._copies
            if not (each.matches or known) and any(self._named_after(each.path)):
                _log.warning(
                    "%s: first start: it is older than the log of that name and matches no pattern "
                    "of paths, so it is not read. If its lines are missing, add it to paths",
                    shown(each.path),
                )

    def _rests(self, each: _Seen) -> bool:
        """Whether a rotated file without a whole line is unlikely to get one any more."""
        # Either sign: a file from the future was written before this machine's clock was set.
        return abs(time.time() - each.mtime_ns / 1e9) >= self._settle_seconds

    def _hold(self) -> None:
        """Open the files with unread bytes, and others up to the limit of descriptors."""
        opened = sum(tail.is_open for tail in self._live.values())
        now = time.monotonic()
        for tail in self._live.values():
            if not tail.is_open and tail.path is not None and (tail.unread or opened < HELD_OPEN):
                self._open(tail)
                opened += tail.is_open
            elif tail.is_open and not tail.unread and opened > HELD_OPEN:
                tail.close()
                opened -= 1
            size = tail.size()
            if self._rest.get(tail.stream, (-1, now))[0] != size:
                self._rest[tail.stream] = (size, now)

    def _open(self, tail: Tail) -> None:
        try:
            tail.open()
        except OSError as error:
            self._cannot_read(tail.path or "", error)
            return
        if tail.is_open and not tail.intact():
            if tail.begins_as_before():
                what = "was truncated and has the same first line again"
                self._met_gap(tail, what, "its new content is read from the beginning")
                tail.restart()
            else:
                tail.close()  # truncated just now: the next scan finds the new content

    def _cannot_read(self, path: str, error: OSError) -> None:
        if path not in self._unreadable and not isinstance(error, FileNotFoundError):
            self._unreadable.add(path)
            _log.error(
                "%s cannot be read (%s): its lines wait; give this user permission to read it",
                shown(path),
                error.strerror,
            )


def matching_paths(patterns: Sequence[str]) -> set[str]:
    """Return the paths that the patterns match now, without compressed files."""
    return {
        str(Path(path))
        for pattern in patterns
        for path in glob.glob(pattern, recursive=True)  # noqa: PTH207  absolute patterns too
        if not path.endswith(COMPRESSED)
    }


def shown(path: str) -> str:
    """Return a path for logs and references; bytes that are not UTF-8 are replaced."""
    return os.fsencode(path).decode("utf-8", "replace")


def _files(directory: Path) -> set[str]:
    try:
        return {str(path) for path in directory.iterdir() if not path.name.endswith(COMPRESSED)}
    except OSError:
        return set()  # gone or not readable; matching files in it are reported one by one


def _repeats(file: BinaryIO, each: _Seen, tail: Tail) -> bool:
    """Whether the file begins like the one at the tail's path, or that is unknown right now.

    Raises:
        OSError: the tail's file does not exist any more, or must not be read.
    """
    with Path(tail.path or "").open("rb") as own:
        status = os.fstat(own.fileno())
        if identity(status.st_ino, head_in(own.fileno())) != tail.alias:
            return True
        if each.size > status.st_size:
            return False
        start = max(0, each.size - _COMPARED_BYTES)
        file.seek(start)
        own.seek(start)
        if file.read(each.size - start) == own.read(each.size - start):
            return True
        # They also differ if the tail's file was truncated meanwhile: the next scan decides.
        head = head_in(own.fileno())
        shrunk = os.fstat(own.fileno()).st_size < status.st_size
        return shrunk or identity(status.st_ino, head) != tail.alias


def _warn_truncated(tail: Tail) -> None:
    _log.warning(
        "%s was truncated after byte %d was read: its new content is read from the beginning, the "
        "unread rest of the old content from a copy beside it, if there is one",
        shown(tail.log),
        tail.offset,
    )
