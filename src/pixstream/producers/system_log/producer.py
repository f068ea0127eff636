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

import msgspec
from msgspec import Meta

from pixstream.errors import ConfigError, PixstreamError, Refused
from pixstream.event.model import Draft, Reason, Refusal
from pixstream.formats import log_line, log_wrapping
from pixstream.formats.log_wrapping import Unwrapper, Whole
from pixstream.plugins.gaps import OnGap
from pixstream.plugins.producer import Producer, Reading
from pixstream.producers.system_log.files import LogFiles, matching_paths, shown
from pixstream.producers.system_log.nuls import texts
from pixstream.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pixstream.plugins.producer import Position, Stream
    from pixstream.producers.system_log.tail import Tail

log = logging.getLogger("pixstream.producers.system_log.producer")

STARTED = "started"
"""The stream whose position records that a first start took place."""

LONGEST = 16
"""Multiple of `max_line_bytes` up to which a line is one dead letter; a longer one is split."""

_MEANINGS = {"event": log_line.EVENTS, "status": log_line.STATUSES}
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
    values: Annotated[
        dict[str, dict[str, str]],
        Meta(description="field name → its words in a line → pixstream's word for each"),
    ] = dataclasses.field(default_factory=dict)
    amount_unit: Annotated[
        Literal["reais", "centavos"],
        Meta(description="unit of amounts; centavos are whole numbers: 1050 is 10.50"),
    ] = "reais"
    wrapping: Annotated[
        Annotated[str, Meta(pattern=log_wrapping.PATTERN)],
        Meta(
            description="what is around each JSON line: none, cri, docker, journald, syslog, "
            "prefix (any text before it) or json:PATH (text or object at a dotted path)"
        ),
    ] = "none"
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
        """Reject names of fields that do not exist, and words that mean nothing here.

        Raises:
            ConfigError: a name or word is unknown; the text suggests the nearest one.
        """
        super().__post_init__()
        # The positions of a first start outlive a `read` that failed before their commit.
        self._cold: dict[Stream, Position] = {}
        self._unwrappers: dict[Stream, Unwrapper] = {}
        self._words = {
            name: {log_line.word(theirs): ours for theirs, ours in words.items()}
            for name, words in self.values.items()
        }
        self._ignored = [log_line.word(prefix) for prefix in self.ignore_events]
        problems = [
            f"{setting}.{name}: unknown; nearest: {_nearest(name, log_line.FIELDS)}"
            for setting, names in (("fields", self.fields), ("values", self.values))
            for name in names
            if name not in log_line.FIELDS
        ]
        problems += [
            f"values.{name}: {ours} is not one of {', '.join(_MEANINGS[name])}; "
            f"nearest: {_nearest(ours, _MEANINGS[name])}"
            for name in _MEANINGS
            for ours in self.values.get(name, {}).values()
            if ours not in _MEANINGS[name]
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
        self._unwrappers.clear()
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
        unwrapper = self._unwrapper()
        for line in raw.split(b"\n"):
            for _, text in texts(line):
                yield from filter(None, map(self._content, unwrapper.take(text.strip(b"\0"), 0)))
        yield from filter(None, map(self._content, unwrapper.rest()))

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
        return f"{counted(len(found), 'file')} found for {', '.join(self.paths)}"

    def _round(self, files: LogFiles) -> Iterator[Reading]:
        unread = files.scan()
        for tail in files.news():
            if tail.ended:
                yield from self._rest(tail)
            else:
                self._cold[tail.stream] = tail.position()
            yield Reading(stream=tail.stream, position=tail.position(), content=None)
        for tail in unread:
            yield from self._readings(tail, complete=files.complete(tail))

    def _readings(self, tail: Tail, *, complete: bool) -> Iterator[Reading]:
        unwrapper = self._unwrappers.setdefault(tail.stream, self._unwrapper())
        skipped = 0
        for line in tail.lines(LONGEST * self.max_line_bytes, complete=complete):
            skipped += 1
            for whole in unwrapper.take(line.raw.strip(b"\0"), line.offset):
                content = self._content(whole)
                if content is not None:
                    skipped = 0
                    # The position stays while a line before it is not whole.
                    position = None if unwrapper.holds else line.position
                    yield self._reading(tail, position, content, whole.offset)
            if skipped == _SKIPPED_AT_ONCE and not unwrapper.holds:
                skipped = 0
                yield Reading(stream=tail.stream, position=line.position, content=None)
        if skipped and not unwrapper.holds:
            yield Reading(stream=tail.stream, position=tail.position(), content=None)

    def _rest(self, tail: Tail) -> Iterator[Reading]:
        """Yield the parts of lines that a file ends with."""
        unwrapper = self._unwrappers.pop(tail.stream, None)
        for whole in unwrapper.rest() if unwrapper else ():
            content = self._content(whole)
            if content is not None:
                yield self._reading(tail, tail.position(), content, whole.offset)

    def _reading(
        self, tail: Tail, position: Position | None, content: Draft | Refusal, offset: int
    ) -> Reading:
        if isinstance(content, Draft):
            name = shown(tail.path or tail.log).rpartition("/")[2]
            content.source_ref = f"{name}:{offset}"
        return Reading(stream=tail.stream, position=position, content=content)

    def _unwrapper(self) -> Unwrapper:
        return Unwrapper(self.wrapping, LONGEST * self.max_line_bytes)

    def _content(self, line: Whole) -> Draft | Refusal | None:
        """Return what a line is; None if it is blank or ignored."""
        if len(line.raw) > self.max_line_bytes:
            message = f"line: longer than max_line_bytes, {len(line.raw)} bytes"
            return _refusal(Refused(Reason.TOO_LARGE, message), line)
        if line.refused is not None:
            return _refusal(line.refused, line)
        content = log_line.parse(
            line.text,
            self.fields,
            ignore_events=self._ignored,
            values=self._words,
            centavos=self.amount_unit == "centavos",
        )
        if isinstance(content, Refusal) and line.text is not line.raw:
            return msgspec.structs.replace(content, raw=line.raw)
        return content

    def _pause(self) -> Iterator[None]:
        deadline = time.monotonic() + self.poll_seconds
        while (left := deadline - time.monotonic()) > 0:
            time.sleep(min(left, _IDLE_SECONDS))
            yield None


def _refusal(refused: Refused, line: Whole) -> Refusal:
    return Refusal(
        reason=refused.reason,
        message=refused.message,
        raw=line.raw,
        content_type=log_line.CONTENT_TYPE,
    )


def _nearest(name: str, known: Iterable[str]) -> str:
    return difflib.get_close_matches(name, known, 1, cutoff=0)[0]
