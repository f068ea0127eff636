"""Dead letters: what could not go on, whole and sealed, with all it takes to understand it.

A letter is a record of the topic `pix.dlq`: its key and `letter-id` are a hash of its origin, so a
letter written twice after a crash is one letter; its headers tell what happened; its value is the
raw bytes, sealed with the letter's id as context. A letter too large for Kafka has an empty value
and a `file` header that names an encrypted file.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import os
from typing import TYPE_CHECKING, NamedTuple

from pixstream.errors import PixstreamError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from pixstream.kafka import Headers, Record
    from pixstream.plugin import Reading, Refusal
    from pixstream.privacy import Vault

STAGES = ("read", "seal", "produce", "decode", "write")
"""Where a record stopped: at its source, made canonical, sent, decoded from Kafka, written."""


class Letter(NamedTuple):
    """A letter as it is written to Kafka."""

    key: bytes
    value: bytes
    headers: Headers


class LetterView(NamedTuple):
    """A letter as it lies in the topic: headers as texts, the content still sealed."""

    letter_id: str
    offset: int
    headers: dict[str, str]
    sealed: bytes
    sealed_key: bytes


class LetterWriter:
    """Makes letters of one component.

    Args:
        component: name of the producer or consumer.
        vault: seals the raw bytes.
        max_bytes: largest sealed value that Kafka takes; larger ones go to files.
        directory: where those files go; created when needed, mode 0700.
    """

    def __init__(self, component: str, vault: Vault, max_bytes: int, directory: Path) -> None:
        self._component = component
        self._vault = vault
        self._max_bytes = max_bytes
        self._directory = directory

    def from_reading(self, reading: Reading, refusal: Refusal, stage: str, error: str) -> Letter:
        """The letter of a reading that a producer could not take further."""
        digest = hashlib.sha256(refusal.raw).hexdigest()
        origin = (self._component, reading.stream, reading.position or "", stage, digest)
        headers = {
            "stage": stage,
            "reason": refusal.reason,
            "message": refusal.message,
            "error-class": error,
            "attempts": "1",
            "source": self._component,
            "stream": reading.stream,
            "position": reading.position or "",
            "content-type": refusal.content_type,
        }
        return self._letter(origin, headers, refusal.raw, None)

    def from_record(
        self,
        record: Record,
        topic_id: str,
        *,
        stage: str,
        reason: str,
        message: str,
        error: str,
    ) -> Letter:
        """The letter of a record that a consumer could not decode or its destination rejected."""
        origin = (topic_id, str(record.partition), str(record.offset), stage, self._component)
        headers = {
            "stage": stage,
            "reason": reason,
            "message": message,
            "error-class": error,
            "attempts": "1",
            "consumer": self._component,
            "origin-topic": record.topic,
            "origin-topic-id": topic_id,
            "origin-partition": str(record.partition),
            "origin-offset": str(record.offset),
            "content-type": "application/json",
        }
        trace = dict(record.headers).get("traceparent")
        if trace:
            headers["traceparent"] = trace.decode("ascii", "replace")
        return self._letter(origin, headers, record.value or b"", record.key)

    def _letter(
        self, origin: tuple[str, ...], headers: dict[str, str], raw: bytes, key: bytes | None
    ) -> Letter:
        letter_id = hashlib.blake2b("\x1f".join(origin).encode(), digest_size=16).hexdigest()
        context = letter_id.encode()
        sealed = self._vault.seal(raw, context)
        every = {
            "letter-id": letter_id,
            "time": dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds"),
            "traceparent": traceparent(letter_id),
            **headers,
        }
        if len(sealed) > self._max_bytes:
            every["file"] = self._to_file(letter_id, sealed)
            sealed = b""
        pairs = [(name, text.encode()) for name, text in every.items()]
        if key is not None:
            pairs.append(("original-key", self._vault.seal(key, context)))
        return Letter(context, sealed, pairs)

    def _to_file(self, letter_id: str, sealed: bytes) -> str:
        """Write the sealed bytes durably before the letter that points to them exists."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._directory / f"{letter_id}.sealed"
        draft = path.with_suffix(f".{os.getpid()}.part")
        mode = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        with os.fdopen(os.open(draft, mode, 0o600), "wb") as out:
            out.write(sealed)
            out.flush()
            os.fsync(out.fileno())
        draft.replace(path)
        handle = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        return path.name


def traceparent(trace_id: str) -> str:
    """W3C trace context that starts at an event or letter: its 128-bit id is the trace's id."""
    return f"00-{trace_id}-{trace_id[:16]}-01"


def views(records: Iterable[Record]) -> Iterator[LetterView]:
    """The letters among records of `pix.dlq`, one per id: a repeated one is the same letter."""
    seen: set[str] = set()
    for record in records:
        if record.value is None:
            continue
        raw = dict(record.headers)
        sealed_key = raw.pop("original-key", b"")
        headers = {name: value.decode("utf-8", "replace") for name, value in raw.items()}
        letter_id = headers.get("letter-id", "")
        if letter_id and letter_id not in seen:
            seen.add(letter_id)
            yield LetterView(letter_id, record.offset, headers, record.value, sealed_key)


def content(letter: LetterView, vault: Vault, directory: Path) -> bytes:
    """The raw bytes of a letter, from Kafka or from its file.

    Raises:
        PixstreamError: its file is gone, or the key is not the one it was sealed with.
    """
    sealed = letter.sealed
    name = letter.headers.get("file")
    if name:
        try:
            sealed = (directory / os.path.basename(name)).read_bytes()  # noqa: PTH119  no way out
        except OSError:
            raise PixstreamError(
                f"letter {letter.letter_id}: its file {name} cannot be read in {directory}; "
                "look on the machine of the component that wrote it, or in its backup"
            ) from None
    return vault.open(sealed, letter.letter_id.encode())
