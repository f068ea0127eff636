"""The ISO 20022 producer: Pix events from a directory of SPI messages (XML files), each read once.

The directory is one stream. Its position lists the files that were read and are still there, by
identity (see `spool`), so that no file is missed because of its time and none is read twice. With
`finished: move` the list covers one transaction. With `remember` it grows with the directory, by 16
bytes per file in every position, up to `MAX_KNOWN` files; then the producer stops and asks for a
clean-up.

The position advances with a file's last reading. After a crash before that, the file is read again
and its events are dropped later by their ids. After a crash between Kafka's commit and the move,
the file is found in the position and moved.

Archives, folders and symbolic links in the directory are not read: the log, `pixstream status` and
`pixstream check` say so.

A file is read once it has not changed for `settle_seconds`. A writer that pauses longer must use
another name (with a leading dot) and rename the file: half a message becomes a whole dead letter.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from msgspec import Meta

from pixstream.errors import PixstreamError
from pixstream.event.model import Draft, Reason, Refusal
from pixstream.formats import spi
from pixstream.formats.spi_pacs import CONTENT_TYPE
from pixstream.metrics.records import PASSED_OVER
from pixstream.plugins.producer import Producer, Reading
from pixstream.producers.iso20022.spool import DONE, KEY_LENGTH, Spool, SpoolFile
from pixstream.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pixstream.plugins.producer import Position, Stream

log = logging.getLogger("pixstream.producers.iso20022.producer")

MAX_KNOWN = 50_000
"""Most files in a position: 800 kB of the 1 MiB that Kafka accepts."""

WHOLE = 4
"""Multiple of `max_file_bytes` up to which a file becomes a dead letter, with its whole content."""

_POSITION_BYTES = 4 * 2**20
_IDLE_SECONDS = 0.05


@dataclasses.dataclass(kw_only=True)
class Iso20022(Producer):
    """SPI messages (pacs.008, pacs.002, pacs.004, camt.054) from the files of a directory."""

    metrics: ClassVar = (PASSED_OVER,)

    directory: Annotated[str, Meta(min_length=1, description="directory of the files")] = "data/spi"
    pattern: Annotated[str, Meta(min_length=1, description="glob of the file names")] = "*.xml"
    finished: Annotated[
        Literal["move", "remember"],
        Meta(description="files committed to Kafka: moved to done/ in the directory, or left"),
    ] = "move"
    settle_seconds: Annotated[
        Annotated[float, Meta(ge=0, le=3600)],
        Meta(description="a file is read once it has not changed for this long, s"),
    ] = 1.0
    max_file_bytes: Annotated[
        Annotated[int, Meta(ge=1024, le=2**30)],
        Meta(description="a larger file becomes a dead letter; above four times this, it waits"),
    ] = 64 * 2**20
    poll_seconds: Annotated[
        Annotated[float, Meta(gt=0, le=3600)], Meta(description="pause between scans, s")
    ] = 0.5

    def __post_init__(self) -> None:
        """Start with nothing remembered from earlier scans."""
        super().__post_init__()
        self._spool = Spool(self.directory, self.pattern, self.settle_seconds)
        self._known: dict[str, None] = {}
        self._uncommitted: deque[tuple[Position, SpoolFile]] = deque()
        self._unread: dict[str, SpoolFile] = {}

    def read(self, since: Mapping[Stream, Position]) -> Iterator[Reading | None]:
        """Read the files that have stopped changing, oldest first; see `Producer.read`.

        Raises:
            PixstreamError: the directory does not exist at the start, or contains more finished
                files than a position can list.
            Transient: the directory cannot be read any more.
        """
        self._uncommitted.clear()
        self._known = dict.fromkeys(_keys(self.directory, since.get(self.directory)))
        if self.directory not in since and self.owns(self.directory):
            log.warning(
                "%s: first start, no position: every file in %s is read",
                self.name,
                self.directory,
            )
        while True:
            if self.owns(self.directory):
                yield from self._round()
            yield from self._pause()

    def parse(self, raw: bytes) -> Iterator[Draft | Refusal]:
        """Yield the contents of one file, see `Producer.parse`."""
        return spi.parse(raw)

    def delivered(self, reading: Reading) -> None:
        """Move the file away if this is its last reading."""
        if self._uncommitted and reading.position == self._uncommitted[0][0]:
            self._finish(self._uncommitted.popleft()[1])

    def check(self) -> str:
        """Test access to the directory and report how many files it contains.

        Raises:
            PixstreamError: it does not exist, or this user lacks a permission there.
        """
        count = len(self._spool.look())
        if self.finished == "move" and not os.access(self.directory, os.W_OK | os.X_OK):
            raise PixstreamError(
                f"{self.directory}: finished files cannot be moved to {DONE}/; give this user "
                "permission to write there, or set finished: remember"
            )
        return f"{counted(count, 'file')} like {self.pattern} in {self.directory}"

    def warnings(self) -> Iterator[str]:
        """Yield what is in the directory and is not read."""
        with suppress(PixstreamError):  # `check` reports a directory that cannot be read
            self._spool.look()
        yield from self._spool.passed_over.warnings()

    def _round(self) -> Iterator[Reading | None]:
        """Read every file that one scan finds unchanged."""
        files = self._spool.look()
        self._spool.passed_over.log()
        self.counts.set(PASSED_OVER, self._spool.passed_over.count)
        present = {file.key for file in files}
        self._miss(files)
        self._known = {key: None for key in self._known if key in present}
        size = 0
        for file in files:
            if file.key in self._known:
                if all(file.key != pending.key for _, pending in self._uncommitted):
                    self._finish(file)
            elif self._spool.rests(file):
                for reading in self._readings(file):
                    yield reading
                    size += len(reading.position or "")
            if size > _POSITION_BYTES:
                # Many positions are large together: have them committed before the next ones.
                yield None
                size = 0

    def _miss(self, files: list[SpoolFile]) -> None:
        """Log the files that were removed before they were read: nothing else reports them."""
        here = {file.inode for file in files}
        for file in self._unread.values():
            if file.inode not in here and file.key not in self._known:
                log.error(
                    "%s/%s was removed before it was read, %d bytes: its content is not in Kafka; "
                    "put it back if it belongs there",
                    self.directory,
                    file.shown,
                    file.size,
                )
        self._unread = {file.key: file for file in files if file.key not in self._known}

    def _readings(self, file: SpoolFile) -> Iterator[Reading]:
        """Yield a file's readings; the last one has the position and makes the file known."""
        raw = self._spool.take(file, WHOLE * self.max_file_bytes)
        if raw is None:
            return
        contents = self._contents(raw)
        content = next(contents, None)
        while content is not None:
            if isinstance(content, Draft) and content.source_ref is None:
                content.source_ref = file.shown
            following = next(contents, None)
            position = None
            if following is None:
                position = self._position_after(file)
                self._uncommitted.append((position, file))
            yield Reading(stream=self.directory, position=position, content=content)
            content = following

    def _contents(self, raw: bytes) -> Iterator[Draft | Refusal]:
        if len(raw) <= self.max_file_bytes:
            return spi.parse(raw)
        message = f"file: larger than max_file_bytes, {len(raw)} bytes"
        return iter(
            [Refusal(reason=Reason.TOO_LARGE, message=message, raw=raw, content_type=CONTENT_TYPE)]
        )

    def _position_after(self, file: SpoolFile) -> Position:
        if len(self._known) >= MAX_KNOWN:
            raise PixstreamError(
                f"{self.directory} contains {MAX_KNOWN} finished files, as many as a position can "
                "list; remove old ones, or set finished: move; new files wait"
            )
        self._known[file.key] = None
        self._unread.pop(file.key, None)
        return json.dumps({"known": "".join(self._known)})

    def _finish(self, file: SpoolFile) -> None:
        """Finish a file that is committed to Kafka. It stays known while it is there."""
        if self.finished == "move" and self._spool.finish(file):
            self._known.pop(file.key, None)

    def _pause(self) -> Iterator[None]:
        deadline = time.monotonic() + self.poll_seconds
        yield None
        while (left := deadline - time.monotonic()) > 0:
            time.sleep(min(left, _IDLE_SECONDS))
            yield None


def _keys(directory: str, position: Position | None) -> list[str]:
    """Return the known files in a position.

    Raises:
        PixstreamError: this version cannot read the position.
    """
    if position is None:
        return []
    try:
        known = json.loads(position)["known"]
        return [known[at : at + KEY_LENGTH] for at in range(0, len(known), KEY_LENGTH)]
    except (ValueError, TypeError, KeyError):
        raise PixstreamError(
            f"stream {directory}: this version cannot read its position in Kafka; reading starts "
            "after the position is corrected, or the producer gets a new name"
        ) from None
