"""Reading one log file line by line from a position, with proof that it is still the same file.

A position contains the offset after a line and a hash of that line's last bytes (the mark). Before
each read, the bytes in front of the offset must still produce the mark. A file that was truncated
and rewritten fails this test, however long it has become.

NULs in front of a line are passed over (see `nuls`), and a file's head is what follows them.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from pixstream.errors import PixstreamError
from pixstream.producers.system_log.nuls import RUN, first_written, texts

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD_BYTES = 1024
"""A file's head: its first line after any NULs, or this much of it."""

MARK_BYTES = 256
_PROOFS = 64
_CHUNK = 1 << 18
_LINE_FEED = 0x0A


class Line(NamedTuple):
    """A line without its line feed, the offset of its start, and the position after it."""

    raw: bytes
    offset: int
    position: str


class Head(NamedTuple):
    """A hash of a file's head; `whole`: the head is complete, growth does not change it."""

    digest: str
    whole: bool


class Tail:
    """The unread part of one file.

    Args:
        stream: identity of the file, `<inode>-<digest of the head>`, hexadecimal.
        log: path at which it was first seen.
        offset: start of the first unread line.
        mark: proof of the bytes in front of `offset`; empty at 0.
        mtime_ns: modification time of the file at the last read.
        ended: the file was read to its end and is not written any more.

    Attributes:
        path: path at which the last scan found the file; None: nowhere.
        found: its size there.
        alias: identity of the file at `path`: its own, or that of a copy.
    """

    def __init__(
        self,
        stream: str,
        log: str,
        *,
        offset: int = 0,
        mark: str = "",
        mtime_ns: int = 0,
        ended: bool = False,
    ) -> None:
        self.stream = stream
        self.log = log
        self.offset = offset
        self.mtime_ns = mtime_ns
        self.ended = ended
        self.path: str | None = None
        self.found = offset
        self.alias = stream
        self._mark = mark
        self._proofs: deque[tuple[int, str]] = deque([(offset, mark)], maxlen=_PROOFS)
        self._log_json = json.dumps(log)
        self._file: int | None = None

    @classmethod
    def at(cls, stream: str, position: str) -> Tail:
        """Return the tail that `position` describes.

        Raises:
            PixstreamError: this version cannot read the position.
        """
        try:
            known = json.loads(position)
            return cls(
                stream,
                known["log"],
                offset=known["offset"],
                mark=known["mark"],
                mtime_ns=known["mtime_ns"],
                ended=known.get("ended", False),
            )
        except (ValueError, TypeError, KeyError):
            raise PixstreamError(
                f"stream {stream}: this version cannot read its position in Kafka; reading starts "
                "after the position is corrected, or the producer gets a new name"
            ) from None

    @property
    def head(self) -> str:
        """Digest of the head, taken from the identity."""
        return self.stream.partition("-")[2]

    @property
    def unread(self) -> bool:
        """Whether the file has bytes after the offset."""
        return (self.size() if self.is_open else self.found) > self.offset

    @property
    def is_open(self) -> bool:
        """Whether the file is open; an open file stays readable whatever happens to its name."""
        return self._file is not None

    @property
    def deleted(self) -> bool:
        """Whether the open file has lost its last name."""
        return self._file is not None and os.fstat(self._file).st_nlink == 0

    def position(self) -> str:
        """Return the position as JSON, in ASCII whatever the path contains."""
        ended = ',"ended":true' if self.ended else ""
        return (
            f'{{"offset":{self.offset},"mark":"{self._mark}",'
            f'"mtime_ns":{self.mtime_ns},"log":{self._log_json}{ended}}}'
        )

    def open(self) -> None:
        """Open the file at `path` if it is the one that `alias` identifies.

        Raises:
            OSError: it does not exist any more, or must not be read.
        """
        if self._file is not None or self.path is None:
            return
        file = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        if identity(os.fstat(file).st_ino, head_in(file)) == self.alias:
            self._file = file
        else:
            os.close(file)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def size(self) -> int:
        """Return the current size of the open file in bytes; 0 while it is closed."""
        return os.fstat(self._file).st_size if self._file is not None else 0

    def written_ns(self) -> int:
        """Return the modification time of the open file, in nanoseconds since the epoch."""
        return os.fstat(self._file).st_mtime_ns if self._file is not None else self.mtime_ns

    def intact(self) -> bool:
        """Whether the open file still has its head and the bytes read before the offset."""
        return (
            self.begins_as_before() and self.size() >= self.offset and self._proven(self._before())
        )

    def begins_as_before(self) -> bool:
        """Whether the open file still has its head."""
        return self._file is not None and head_in(self._file).digest == self.head

    def bytes_at(self, start: int, count: int) -> bytes:
        """Return bytes of the open file; empty while it is closed."""
        return os.pread(self._file, count, start) if self._file is not None else b""

    def continues(self, file: int, size: int) -> bool:
        """Whether another open file of that size contains what was read of this one.

        A copy may be older than the last lines read; then an earlier mark of this run decides.
        """
        for offset, mark in reversed(self._proofs):
            if offset <= size:
                length = _length(mark)
                return not mark or _mark(os.pread(file, length, offset - length)) == mark
        return False

    def restart(self) -> None:
        """Go back to the beginning of the file."""
        self.offset, self._mark = 0, ""
        self._proofs = deque([(0, "")], maxlen=_PROOFS)

    def skip_to_end(self) -> None:
        """Move the offset after the last whole line that the open file has now."""
        end = self.size()
        while end:
            start = max(0, end - _CHUNK)
            block = self.bytes_at(start, end - start)
            found = block.rfind(b"\n")
            if found >= 0:
                self.offset = start + found + 1
                line = self.bytes_at(max(0, self.offset - MARK_BYTES), MARK_BYTES)
                self._mark = _mark(line[: self.offset])
                return
            end = start

    def lines(self, longest: int, *, complete: bool) -> Iterator[Line]:
        """Yield the lines up to the file's size at the time of the call, and advance `offset`.

        Args:
            longest: a line of more bytes is yielded in pieces of this size.
            complete: nothing will be appended, so a last line without a line feed counts.
        """
        if self._file is None or not self.intact():
            return
        status = os.fstat(self._file)
        self.mtime_ns = status.st_mtime_ns
        end = status.st_size
        while self.offset < end:
            start = first_written(self._file, self.offset, end)
            skipped = start - self.offset
            if start == end:
                if complete and self._unchanged():
                    yield self._passed(b"", b"\0", skipped - 1)
                return
            chunk = self._chunk(start, end, longest)
            done = self._finished(chunk, start, end, complete=complete)
            if done and (skipped or b"\0" in chunk):
                yield from self._between_nuls(chunk[:done], skipped)
            elif done and chunk[done - 1] == _LINE_FEED:
                for raw in chunk[: done - 1].split(b"\n"):
                    yield self._passed(raw, b"\n")
            elif done or (len(chunk) >= longest and RUN not in chunk):
                yield self._passed(chunk, b"", skipped)
            else:
                return
            self._proofs.append((self.offset, self._mark))

    def _finished(self, chunk: bytes, start: int, end: int, *, complete: bool) -> int:
        """Return how many bytes of the chunk at `start` are lines that will not change any more.

        A line ends with a line feed, before a run of NULs that has something behind it, and at the
        end of a complete file.
        """
        done = chunk.rfind(b"\n") + 1
        run = chunk.rfind(RUN, done)
        if run >= 0 and self._file is not None:
            followed = first_written(self._file, start + run, end) < end
            return len(chunk[:run].rstrip(b"\0")) if followed or complete else done
        return done or (len(chunk) if complete and start + len(chunk) == end else 0)

    def _between_nuls(self, chunk: bytes, skipped: int) -> Iterator[Line]:
        """Yield the lines of a chunk with NULs: `skipped` of them in front of it, others in it."""
        *lines, rest = chunk.split(b"\n")
        for line, feed in [*((line, b"\n") for line in lines), *([(rest, b"")] if rest else [])]:
            parts = texts(line) or [(len(line), b"")]
            at = -skipped
            for number, (place, text) in enumerate(parts, 1):
                ending = line[place + len(text) :] + feed if number == len(parts) else b""
                yield self._passed(text, ending, place - at)
                at = place + len(text)
            skipped = 0

    def _passed(self, raw: bytes, ending: bytes, skipped: int = 0) -> Line:
        start = self.offset + skipped
        self.offset = start + len(raw) + len(ending)
        self._mark = _mark(raw[-MARK_BYTES:] + ending)
        self.ended = False
        return Line(raw, start, self.position())

    def _chunk(self, start: int, end: int, longest: int) -> bytes:
        """Return unread bytes from `start` up to the end of a line, or to `end` or `longest`.

        The bytes in front are compared after these were read: if the file was truncated before or
        meanwhile, nothing is returned.
        """
        wanted = min(_CHUNK, longest)
        while True:
            count = min(wanted, end - start)
            chunk = self.bytes_at(start, count)
            ends = b"\n" in chunk or RUN in chunk
            if ends or len(chunk) < count or count in {end - start, longest}:
                return chunk if self._unchanged() else b""
            wanted = min(2 * wanted, longest)

    def _unchanged(self) -> bool:
        # At offset 0 there are no bytes in front: there the head itself is the proof.
        if self._mark:
            return self._proven(self._before())
        return self.offset > 0 or self.begins_as_before()

    def _before(self) -> bytes:
        length = _length(self._mark)
        return self.bytes_at(self.offset - length, length)

    def _proven(self, before: bytes) -> bool:
        return not self._mark or _mark(before) == self._mark


def head_in(file: int) -> Head:
    """Return the head of an open file: what follows its leading NULs.

    The NULs do not count: every hole of `HEAD_BYTES` or more would look like every other.
    """
    beginning = os.pread(file, HEAD_BYTES, 0)
    if beginning.startswith(b"\0"):
        start = first_written(file, 0, os.fstat(file).st_size)
        beginning = os.pread(file, HEAD_BYTES, start)
    end = beginning.find(b"\n") + 1
    digest = hashlib.blake2b(beginning[: end or HEAD_BYTES], digest_size=8).hexdigest()
    return Head(digest, bool(end) or len(beginning) >= HEAD_BYTES)


def identity(inode: int, head: Head) -> str:
    """Return the name of a file's stream."""
    return f"{inode:x}-{head.digest}"


def _mark(last: bytes) -> str:
    """Return `<length>:<hash>` of at most `MARK_BYTES` bytes in front of an offset."""
    last = last[-MARK_BYTES:]
    return f"{len(last)}:{hashlib.blake2b(last, digest_size=8).hexdigest()}"


def _length(mark: str) -> int:
    return int(mark.partition(":")[0] or 0)
