"""The system log producer: Pix events from JSON lines, followed through rotation and restarts.

A stream is one file, not one name: see `files` for rotated, truncated and removed logs. Each
reading has the position after its line, so reading can resume after any of them. Blank lines and
the NULs of a truncated file (see `nuls`) are skipped; a line that is not a Pix is a dead letter
unless `ignore_events` names it. The first start, without a position, reads the existing lines
(`start: beginning`) or only new ones (`start: end`); a later start always resumes. `on_gap` says
what to do when lines may be lost; the default is to continue, because waiting would lose more of
them.
"""

from __future__ import annotations

import dataclasses
import difflib
import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta

from pixstream.errors import ConfigError, PixstreamError
from pixstream.event.model import Draft, Reason, Refusal
from pixstream.formats import log_line
from pixstream.plugins.gaps import OnGap
from pixstream.plugins.producer import Producer, Reading
from pixstream.producers.system_log.files import LogFiles, matching_paths, shown
from pixstream.producers.system_log.nuls import texts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pixstream.plugins.producer import Position, Stream
    from pixstream.producers.system_log.tail import Tail

log = logging.getLogger("pixstream.producers.system_log.producer")

STARTED = "started"
"""The stream whose position records that a first start took place."""

LONGEST = 16
"""Multiple of `max_line_bytes` up to which a line is one dead letter; a longer one is split."""

_IDLE_SECONDS = 0.05
_SKIPPED_AT_ONCE = 1000


@dataclasses.dataclass(kw_only=True)
class SystemLog(Producer):
    """JSON lines from log files, read as they are written."""

    paths: Annotated[
        list[str],
        Meta(min_length=1, description="globs of log files; compressed files are ignored"),
    ] = dataclasses.field(default_factory=lambda: ["data/logs/*.jsonl"])
    fields: Annotated[
        dict[str, str],
        Meta(description="field name → its dotted path in a line, where it differs"),
    ] = dataclasses.field(default_factory=dict)
    start: Annotated[
        Literal["beginning", "end"],
        Meta(description="where the very first start begins in existing files"),
    ] = "beginning"
    on_gap: Annotated[
        OnGap,
        Meta(description="a file gone or truncated, perhaps before all was read: stop or continue"),
    ] = "continue"
    ignore_events: Annotated[
        list[str], Meta(description="prefixes of `event` in lines that are not about Pix")
    ] = dataclasses.field(default_factory=list)
    max_line_bytes: Annotated[
        Annotated[int, Meta(ge=1024, le=64 * 2**20)],
        Meta(description="a longer line becomes a dead letter"),
    ] = 2**20
    poll_seconds: Annotated[
        Annotated[float, Meta(gt=0, le=3600)], Meta(description="pause between scans, s")
    ] = 0.5
    settle_seconds: Annotated[
        Annotated[float, Meta(ge=0, le=3600)],
        Meta(description="a rotated file that has not changed for this long is complete, s"),
    ] = 5.0

    def __post_init__(self) -> None:
        """Reject names of fields that do not exist.

        Raises:
            ConfigError: a name is unknown; the text suggests the nearest one.
        """
        super().__post_init__()
        # The positions of a first start outlive a `read` that failed before their commit.
        self._cold: dict[Stream, Position] = {}
        problems = [
            f"fields.{name}: unknown; nearest: {_nearest(name)}"
            for name in self.fields
            if name not in log_line.FIELDS
        ]
        if self.start == "end" and self.replicas > 1:
            problems.append("start: end needs replicas: 1, as the first start is one moment")
        if problems:
            raise ConfigError("\n".join(problems))

    def read(self, since: Mapping[Stream, Position]) -> Iterator[Reading | None]:
        """Follow the files, see `Producer.read`."""
        known = {**self._cold, **since}
        files = LogFiles(
            self.paths,
            known,
            owns=self.owns,
            settle_seconds=self.settle_seconds,
            from_end=self.start == "end" and not known,
            on_gap=self.on_gap,
        )
        if not known:
            log.warning(
                "%s: first start, no position: existing files are read from the %s (start: %s)",
                self.name,
                self.start,
                self.start,
            )
        self._cold.setdefault(STARTED, "{}")
        try:
            for stream in sorted(self._cold.keys() - since.keys()):
                if self.owns(stream):
                    yield Reading(stream=stream, position=self._cold[stream], content=None)
            while True:
                read = False
                for reading in self._round(files):
                    read = True
                    yield reading
                if not read:
                    yield from self._pause()
        finally:
            files.close()

    def parse(self, raw: bytes) -> Iterator[Draft | Refusal]:
        """Yield the content of every line of the bytes, see `Producer.parse`."""
        for line in raw.split(b"\n"):
            for _, text in texts(line):
                content = self._content(text)
                if content is not None:
                    yield content

    def check(self) -> str:
        """Report how many files the patterns match; all of them must be readable."""
        found = sorted(matching_paths(self.paths))
        for path in found:
            try:
                Path(path).open("rb").close()
            except OSError as error:
                raise PixstreamError(
                    f"{shown(path)} cannot be read ({error.strerror}): give this user permission "
                    "to read it, or remove it from paths"
                ) from None
        return f"{len(found) or 'no'} files match {', '.join(self.paths)}"

    def _round(self, files: LogFiles) -> Iterator[Reading]:
        unread = files.scan()
        for tail in files.news():
            if not tail.ended:
                self._cold[tail.stream] = tail.position()
            yield Reading(stream=tail.stream, position=tail.position(), content=None)
        for tail in unread:
            yield from self._readings(tail, complete=files.complete(tail))

    def _readings(self, tail: Tail, *, complete: bool) -> Iterator[Reading]:
        name = shown(tail.path or tail.log).rpartition("/")[2]
        skipped = 0
        for line in tail.lines(LONGEST * self.max_line_bytes, complete=complete):
            content = self._content(line.raw)
            if content is None:
                skipped += 1
                if skipped % _SKIPPED_AT_ONCE:
                    continue
            else:
                skipped = 0
            if isinstance(content, Draft):
                content.source_ref = f"{name}:{line.offset}"
            yield Reading(stream=tail.stream, position=line.position, content=content)
        if skipped:
            yield Reading(stream=tail.stream, position=tail.position(), content=None)

    def _content(self, line: bytes) -> Draft | Refusal | None:
        if len(line) > self.max_line_bytes:
            return Refusal(
                reason=Reason.TOO_LARGE,
                message=f"line: longer than max_line_bytes, {len(line)} bytes",
                raw=line,
            )
        return log_line.parse(line.strip(b"\0"), self.fields, ignore_events=self.ignore_events)

    def _pause(self) -> Iterator[None]:
        deadline = time.monotonic() + self.poll_seconds
        while (left := deadline - time.monotonic()) > 0:
            time.sleep(min(left, _IDLE_SECONDS))
            yield None


def _nearest(name: str) -> str:
    return difflib.get_close_matches(name, log_line.FIELDS, 1, cutoff=0)[0]
