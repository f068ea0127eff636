"""Which log files there are, which of them are old acquaintances, and what is left to read of them.

A stream is one file, known by its inode and its first line, whatever it is called:

- renamed by rotation: found under its new name in the same directory (also one that no pattern
  matches), read to its end; its unfinished last line counts once the file rests;
- rotated more than once while nobody watched: files beside it that are called like it with a
  number or date behind, written since it was first watched and never read, are read whole;
- truncated (copytruncate): what is new is a new stream from 0; what was not yet read is read from
  the copy, recognised by its first line and by the bytes in front of the offset;
- deleted: it is held open and read to its end, until it rests; then a warning says so. It is not
  held longer, or the space of a deleted log would never be free again.

What was deleted while nobody watched, or truncated without a copy, may have held lines that were
never read: `on_gap` decides whether reading stops there or goes on with an error in the log.

A copy of a file that is still there is not read again. Compressed files are left out: what they
hold was read before. The cost: one descriptor a file (of the 512 written last) and one small
position in Kafka for each file ever read, by which it is known never to come twice.
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
from pixstream.producers.system_log.tail import HEAD_BYTES, Head, Tail, head_of, identity

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
    """A file as it was met in a directory."""

    path: str
    inode: int
    size: int
    mtime_ns: int
    head: Head
    matches: bool

    @property
    def stream(self) -> Stream:
        """The stream that it would be."""
        return identity(self.inode, self.head)


class LogFiles:
    """The files of some patterns.

    Args:
        patterns: globs.
        positions: where each stream stands, as `Tail.position` wrote it; keys of another form
            are left alone.
        owns: which streams are read here; the others are only known.
        settle_seconds: a file without its name and of the same size for so long is complete.
        from_end: files of the first scan are read from their end.
        on_gap: what becomes of lines that may be lost.

    Raises:
        PixstreamError: a position is none of ours.
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
        """Look at the directories; the tails with something unread, the oldest first."""
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
        """Whether the file lost its name and rests, so that nothing will be added to it."""
        _, since = self._rest[tail.stream]
        return tail.path != tail.log and time.monotonic() - since >= self._settle_seconds

    def news(self) -> Iterator[Tail]:
        """Tails whose position tells something new without a line: begun at the end, or ended.

        Raises:
            PixstreamError: lines may be lost, and `on_gap` is to stop.
        """
        begun, self._begun = self._begun, []
        yield from begun
        for tail in [t for t in self._live.values() if not t.unread and self.complete(t)]:
            if tail.path is None and not tail.is_open:
                self._met_gap(tail, "is gone, or was truncated without a copy", "it is forgotten")
            elif tail.deleted:
                _log.warning(
                    "%s was deleted and is read to byte %d; what is still written to it is not "
                    "read: let its program reopen it",
                    shown(tail.log),
                    tail.offset,
                )
            tail.ended = True
            tail.close()
            del self._live[tail.stream]
            yield tail

    def close(self) -> None:
        """Let go of every file."""
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
        """Every plain file of the directories in question: those that match first, then by age."""
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
                head = head_of(file.read(HEAD_BYTES))
        except OSError as error:
            if matches:
                self._cannot_read(path, error)
            return None
        if matches:
            self._watch(path, found.st_mtime_ns)
        return _Seen(path, found.st_ino, found.st_size, found.st_mtime_ns, head, matches)

    def _place(self, seen: Sequence[_Seen]) -> None:
        """Find the known files under the names that they have now."""
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
        """Decide what a file is that no position knows: a copy, a new one, or none of ours."""
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
                "%s: first start at its end: its first %d bytes are not read",
                shown(tail.log),
                tail.offset,
            )

    def _is_copy(self, each: _Seen) -> bool:
        """Whether a file repeats a known one; the copy of one that is gone takes its place.

        Also where that cannot be told because files are just being renamed: the next scan knows.
        """
        relatives = self._by_head.get(each.head.digest, ())
        if not relatives:
            return False
        try:
            with Path(each.path).open("rb") as file:
                now = os.fstat(file.fileno())
                if now.st_ino != each.inode:
                    return True
                # A copy may have been met half made, and its original after the truncation.
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
        """The watched log whose rotated name this is, if it was written since the watch began."""
        for log in self._named_after(each.path):
            if each.mtime_ns >= self._watched_since[log]:
                return log
        return None

    def _named_after(self, path: str) -> Iterator[str]:
        """Watched logs whose name this path has, with a number or date behind."""
        for start in _SUFFIX_START.finditer(path):
            log, suffix = path[: start.start()], path[start.start() :]
            if log in self._watched_since and _SUFFIX.fullmatch(suffix):
                yield log

    def _warn_left_out(self) -> None:
        """At a first start nothing tells whether older rotated files were ever read: name them."""
        for each in self._looked.values():
            known = each.stream in self._tails or each.stream in self._copies
            if not (each.matches or known) and any(self._named_after(each.path)):
                _log.warning(
                    "%s: first start: it is older than the log of that name, and no pattern of "
                    "paths matches it: it is not read. If it holds what is not known yet, add it",
                    shown(each.path),
                )

    def _rests(self, each: _Seen) -> bool:
        """Whether a rotated file without a whole line will hardly get one any more."""
        # By either sign: a file from the future was written before this machine's clock was set.
        return abs(time.time() - each.mtime_ns / 1e9) >= self._settle_seconds

    def _hold(self) -> None:
        """Open what has something unread, and the rest as far as descriptors may be spent."""
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
                what = "was truncated and begins again as it began before"
                self._met_gap(tail, what, "its new content is read from the beginning")
                tail.restart()
            else:
                tail.close()  # truncated just now: the next scan meets what it becomes

    def _cannot_read(self, path: str, error: OSError) -> None:
        if path not in self._unreadable and not isinstance(error, FileNotFoundError):
            self._unreadable.add(path)
            _log.error(
                "%s cannot be read (%s): its lines wait; give this user the right to read it",
                shown(path),
                error.strerror,
            )


def matching_paths(patterns: Sequence[str]) -> set[str]:
    """The paths that the patterns match now, compressed ones left out."""
    return {
        str(Path(path))
        for pattern in patterns
        for path in glob.glob(pattern, recursive=True)  # noqa: PTH207  absolute patterns too
        if not path.endswith(COMPRESSED)
    }


def shown(path: str) -> str:
    """A path for logs and references; a name that is no UTF-8 gets replacement characters."""
    return os.fsencode(path).decode("utf-8", "replace")


def _files(directory: Path) -> set[str]:
    try:
        return {str(path) for path in directory.iterdir() if not path.name.endswith(COMPRESSED)}
    except OSError:
        return set()  # gone or closed to us; matching files in it are reported one by one


def _repeats(file: BinaryIO, each: _Seen, tail: Tail) -> bool:
    """Whether the file has the beginning of the one at the tail's path, or nobody can say now.

    Raises:
        OSError: that one is gone, or may not be read.
    """
    with Path(tail.path or "").open("rb") as own:
        status = os.fstat(own.fileno())
        if identity(status.st_ino, head_of(own.read(HEAD_BYTES))) != tail.alias:
            return True
        if each.size > status.st_size:
            return False
        start = max(0, each.size - _COMPARED_BYTES)
        file.seek(start)
        own.seek(start)
        if file.read(each.size - start) == own.read(each.size - start):
            return True
        # Unequal also when that one was truncated while we read: then the next scan knows.
        own.seek(0)
        head = head_of(own.read(HEAD_BYTES))
        shrunk = os.fstat(own.fileno()).st_size < status.st_size
        return shrunk or identity(status.st_ino, head) != tail.alias


def _warn_truncated(tail: Tail) -> None:
    _log.warning(
        "%s was truncated after its byte %d was read: its new content is read from the beginning, "
        "what was left of the old one from a copy beside it, if there is one",
        shown(tail.log),
        tail.offset,
    )
