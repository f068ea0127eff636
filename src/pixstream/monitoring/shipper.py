"""Ships log lines to OpenSearch where rsyslog is absent: `python -m pixstream.monitoring.shipper`.

Each line is created under its own `event.id`, so a line that is sent twice is there once. How far
each file was read is written to the disk after OpenSearch has taken the lines: after a crash a few
are sent again, and none is left out.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import msgspec

from pixstream.backoff import Backoff, BackoffSettings
from pixstream.errors import Transient

LINES = 2000
"""Most lines of one request."""

BYTES = 5_000_000
"""Most bytes of one request."""

IDLE_SECONDS = 0.5
_ANSWER_SECONDS = 60.0
_CREATED, _CONFLICT, _TOO_MANY = 201, 409, 429
log = logging.getLogger("pixstream.monitoring.shipper")


class ShipperSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The shipper's own small file, which `pixstream monitoring up` writes."""

    patterns: list[str]
    """Log files, with wildcards in the name alone; renamed ones too."""

    url: str
    """Of OpenSearch."""

    path: str
    """Where it takes bulk requests: `/DATA_STREAM/_bulk`."""

    positions: str
    """Where it keeps how far it has read."""


class Line(NamedTuple):
    """A line to send: its document, its id, and where the next one begins."""

    id: str
    document: bytes
    end: int


@dataclass(frozen=True)
class Chunk:
    """Complete lines of one file, in order."""

    file: str
    lines: list[Line]
    end: int


class Shipper:
    """Reads files and sends their lines.

    Args:
        settings: what and where to.
    """

    def __init__(self, settings: ShipperSettings) -> None:
        self._settings = settings
        self._file = Path(settings.positions)
        self._positions: dict[str, int] = {}
        if self._file.exists():
            self._positions = json.loads(self._file.read_bytes())
        self._client = httpx2.Client(
            base_url=settings.url, timeout=_ANSWER_SECONDS, trust_env=False
        )

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def turn(self) -> int:
        """Send the next lines of each file; return how many bytes were read.

        Raises:
            Transient: OpenSearch does not answer, or has no room now; nothing was moved on.
        """
        done = 0
        patterns = [Path(pattern) for pattern in self._settings.patterns]
        for path in sorted({path for p in patterns for path in p.parent.glob(p.name)}):
            chunk = self._next(path)
            if chunk is None:
                continue
            self._send(chunk.lines)
            done += chunk.end - self._positions.get(chunk.file, 0)
            self._positions[chunk.file] = chunk.end
            self._keep()
        return done

    def _next(self, path: Path) -> Chunk | None:
        """Read complete lines from where the last ones ended; None: there are none."""
        try:
            with path.open("rb") as stream:
                state = os.fstat(stream.fileno())
                # A renamed file keeps its inode; one that got shorter is another one by now.
                file = f"{state.st_dev}:{state.st_ino}"
                start = self._positions.get(file, 0)
                if start > state.st_size:
                    start = self._positions[file] = 0
                stream.seek(start)
                raw = stream.read(BYTES)
        except FileNotFoundError:  # renamed or deleted since it was found
            return None
        whole = raw[: raw.rfind(b"\n") + 1]
        if not whole and len(raw) == BYTES:
            log.warning("%s: a line of more than %d bytes is left out", path, BYTES)
            return Chunk(file, [], start + len(raw))
        lines: list[Line] = []
        end = start
        for text in whole.splitlines(keepends=True)[:LINES]:
            end += len(text)
            document = _document(text)
            if document is not None:
                lines.append(Line(_id(document, file, end), msgspec.json.encode(document), end))
        return Chunk(file, lines, end) if end > start else None

    def _send(self, lines: list[Line]) -> None:
        if not lines:
            return
        parts = []
        for line in lines:
            parts += [msgspec.json.encode({"create": {"_id": line.id}}), line.document]
        try:
            answer = self._client.post(
                self._settings.path,
                content=b"\n".join(parts) + b"\n",
                headers={"Content-Type": "application/x-ndjson"},
            )
        except httpx2.TransportError as error:
            raise Transient(f"OpenSearch does not answer: {type(error).__name__}") from None
        if answer.is_error:
            raise Transient(f"OpenSearch answers HTTP {answer.status_code}")
        statuses = [item["create"]["status"] for item in answer.json()["items"]]
        if any(status == _TOO_MANY or status >= 500 for status in statuses):  # noqa: PLR2004  HTTP
            raise Transient("OpenSearch has no room now")
        refused = [
            line.id
            for line, status in zip(lines, statuses, strict=True)
            if status not in (_CREATED, _CONFLICT)
        ]
        if refused:
            log.error(
                "OpenSearch refuses %d lines for good, the first with event.id %s; they stay in "
                "their file alone",
                len(refused),
                refused[0],
            )

    def _keep(self) -> None:
        part = self._file.with_suffix(".part")
        with part.open("w", encoding="utf-8") as stream:
            json.dump(self._positions, stream)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(self._file)


def _document(text: bytes) -> dict[str, Any] | None:
    """Return the object that a line is; None: it is another text, which stays in its file."""
    try:
        document = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return document if isinstance(document, dict) and "@timestamp" in document else None


def _id(document: dict[str, Any], file: str, end: int) -> str:
    """Return the line's own id, or one of its place if it has none."""
    own = document.get("event.id")
    if isinstance(own, str):
        return own
    return hashlib.sha256(f"{file}:{end}".encode()).hexdigest()[:32]


def main(file: str) -> None:
    """Ship until SIGTERM, which may come at any time."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    settings = msgspec.json.decode(Path(file).read_bytes(), type=ShipperSettings)
    shipper = Shipper(settings)
    backoff = Backoff(BackoffSettings(min_seconds=IDLE_SECONDS, max_seconds=10.0))
    while True:
        try:
            read = shipper.turn()
        except Transient as error:
            log.warning("%s; the lines are sent again", error)
            time.sleep(backoff.next())
        else:
            backoff.reset()
            if not read:
                time.sleep(IDLE_SECONDS)


if __name__ == "__main__":
    main(*sys.argv[1:])
