"""Writing letters: what could not be processed becomes a sealed record of `pix.dlq`."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from pixstream.event.identifiers import mask_documents
from pixstream.event.record import traceparent

if TYPE_CHECKING:
    from pathlib import Path

    from pixstream.event.model import Refusal
    from pixstream.event.record import Headers
    from pixstream.kafka.ports import Record
    from pixstream.plugins.producer import Reading
    from pixstream.privacy import Vault

STAGES = ("read", "seal", "produce", "decode", "write")
"""The step that failed: reading the source, sealing, producing, decoding from Kafka, writing."""

REPLAY_FOR = "replay-for"
"""Header of a replayed record: the only consumer that takes it; all others skip it."""

REPLAY_OF = "replay-of"
"""Header of a replayed record: the id of its letter."""

HIDDEN_HEADERS = "hidden-headers"
"""Header with the texts, sealed, of those headers that are masked."""

DRAFT = "application/x-pixstream-draft+json"
"""Content type of a letter with an `event.Draft`: parsed, but not yet sealed."""


_FREE_HEADERS = frozenset({"message", "stream", "position"})
"""Headers whose text comes from outside: names of files and accounts, positions of plugins."""

_LONGEST_CLEAR = 4096


def error_class(reason: str) -> str:
    """Return the error class of a record that is not an event: its reason in CamelCase."""
    return "".join(word.title() for word in reason.split("_"))


def _clear(text: str) -> str:
    """Return a text without CPFs and CNPJs; nothing of a long one, which is a position."""
    return mask_documents(text) if len(text) <= _LONGEST_CLEAR else f"({len(text)} characters)"


class Letter(NamedTuple):
    """A letter in the form in which it is written to Kafka."""

    key: bytes
    value: bytes
    headers: Headers

    def header(self, name: str) -> str:
        """Return the text of a header; empty if there is none."""
        return next((value.decode() for known, value in self.headers if known == name), "")


class LetterWriter:
    """Builder of one component's letters.

    Args:
        component: name of the producer or consumer.
        vault: seals the raw bytes.
        max_bytes: largest sealed value that goes to Kafka; larger ones go to files.
        directory: the directory of those files; created when needed, mode 0700.
    """

    def __init__(self, component: str, vault: Vault, max_bytes: int, directory: Path) -> None:
        self._component = component
        self._vault = vault
        self._max_bytes = max_bytes
        self._directory = directory

    def from_reading(self, reading: Reading, refusal: Refusal, stage: str, error: str) -> Letter:
        """Return the letter for a reading that a producer could not process."""
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
        return self._letter(origin, headers, refusal.raw, {})

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
        """Return the letter for a record that a consumer could not decode or write."""
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
        secrets = {"original-headers": msgspec.msgpack.encode(list(record.headers))}
        if record.key is not None:
            secrets["original-key"] = record.key
        return self._letter(origin, headers, record.value or b"", secrets)

    def _letter(
        self,
        origin: tuple[str, ...],
        headers: dict[str, str],
        raw: bytes,
        secrets: dict[str, bytes],
    ) -> Letter:
        """Build a letter; `raw` is sealed into its value, each of `secrets` into a header.

        A CPF or CNPJ in a header, as in the name of a file, is masked; the whole text is sealed.
        """
        clear = {name: _clear(headers[name]) for name in _FREE_HEADERS & headers.keys()}
        hidden = {name: headers[name] for name, text in clear.items() if text != headers[name]}
        if hidden:
            secrets = {**secrets, HIDDEN_HEADERS: msgspec.msgpack.encode(hidden)}
        letter_id = hashlib.blake2b("\x1f".join(origin).encode(), digest_size=16).hexdigest()
        context = letter_id.encode()
        sealed = self._vault.seal(raw, context)
        every = {
            "letter-id": letter_id,
            "time": dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds"),
            "traceparent": traceparent(letter_id),
            **headers,
            **clear,
        }
        if len(sealed) > self._max_bytes:
            every["file"] = self._to_file(letter_id, sealed)
            sealed = b""
        pairs = [(name, text.encode()) for name, text in every.items()]
        pairs += [(name, self._vault.seal(secret, context)) for name, secret in secrets.items()]
        return Letter(context, sealed, pairs)

    def _to_file(self, letter_id: str, sealed: bytes) -> str:
        """Write the sealed bytes durably, before the letter that names the file is written."""
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
