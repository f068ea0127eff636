"""Reading letters: their records in the topic and, with the key, their content."""

from __future__ import annotations

import datetime as dt
import os
import re
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from pixstream.dead_letters.letters import HIDDEN_HEADERS
from pixstream.errors import PixstreamError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from pixstream.event.record import Headers
    from pixstream.kafka.ports import Record
    from pixstream.privacy import Vault

_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)


class LetterView(NamedTuple):
    """A letter as stored in the topic: headers as text, the content still sealed."""

    letter_id: str
    offset: int
    headers: dict[str, str]
    sealed: bytes
    sealed_key: bytes
    sealed_headers: bytes
    hidden_headers: bytes = b""

    @property
    def component(self) -> str:
        """The producer or consumer that wrote it."""
        return self.headers.get("source") or self.headers.get("consumer", "?")

    @property
    def reason(self) -> str:
        """The reason code."""
        return self.headers.get("reason", "?")

    @property
    def time(self) -> dt.datetime | None:
        """When it was written, UTC; None if its header is not a valid time."""
        try:
            time = dt.datetime.fromisoformat(self.headers.get("time", ""))
        except ValueError:
            return None
        return time.astimezone(dt.UTC)


def views(records: Iterable[Record]) -> Iterator[LetterView]:
    """Yield the letters among records of `pix.dlq`, one per id: a repeated id is the same letter.

    It keeps the ids it has seen in memory, about 100 bytes per letter, and one letter at a time.
    """
    seen: set[bytes] = set()
    for record in records:
        letter = view(record)
        if letter is not None:
            letter_id = bytes.fromhex(letter.letter_id)
            if letter_id not in seen:
                seen.add(letter_id)
                yield letter


def taken(records: Iterable[Record], ids: set[bytes]) -> Iterator[LetterView]:
    """Yield the letters with these ids, each once, until all are found.

    Args:
        records: the records of `pix.dlq`.
        ids: the result of `selection.choose`; each id found is removed.
    """
    if not ids:
        return
    for record in records:
        letter = view(record)
        if letter is not None and bytes.fromhex(letter.letter_id) in ids:
            ids.remove(bytes.fromhex(letter.letter_id))
            yield letter
            if not ids:
                return


def view(record: Record) -> LetterView | None:
    """Return a record as a letter; None for a tombstone and for a record that is not a letter."""
    raw = dict(record.headers)
    letter_id = raw.get("letter-id", b"").decode("ascii", "replace")
    if record.value is None or not _ID.fullmatch(letter_id):
        return None
    sealed_key, sealed_headers = raw.pop("original-key", b""), raw.pop("original-headers", b"")
    hidden = raw.pop(HIDDEN_HEADERS, b"")
    headers = {name: value.decode("utf-8", "replace") for name, value in raw.items()}
    return LetterView(
        letter_id, record.offset, headers, record.value, sealed_key, sealed_headers, hidden
    )


def content(letter: LetterView, vault: Vault, directory: Path) -> bytes:
    """Return the raw bytes of a letter, from Kafka or from its file.

    Raises:
        PixstreamError: its file cannot be read, or it was sealed with another key.
    """
    sealed = letter.sealed
    name = letter.headers.get("file")
    if name:
        try:
            sealed = (directory / os.path.basename(name)).read_bytes()  # noqa: PTH119  no way out
        except OSError:
            raise PixstreamError(
                f"letter {letter.letter_id}: its file {name} cannot be read in {directory}; look "
                "for it on the machine of the component that wrote it, or in a backup"
            ) from None
    return _opened(letter, sealed, vault)


def unmasked(letter: LetterView, vault: Vault) -> LetterView:
    """Return the letter with the whole texts of its masked headers.

    Raises:
        PixstreamError: they were sealed with another key.
    """
    if not letter.hidden_headers:
        return letter
    packed = _opened(letter, letter.hidden_headers, vault)
    hidden = msgspec.msgpack.decode(packed, type=dict[str, str])
    return letter._replace(headers=letter.headers | hidden, hidden_headers=b"")


def original(letter: LetterView, vault: Vault) -> tuple[bytes | None, Headers]:
    """Return key and headers of the record that a consumer's letter came from.

    Raises:
        PixstreamError: they were sealed with another key.
    """
    key = _opened(letter, letter.sealed_key, vault) if letter.sealed_key else None
    if not letter.sealed_headers:
        return key, []
    packed = _opened(letter, letter.sealed_headers, vault)
    return key, msgspec.msgpack.decode(packed, type=list[tuple[str, bytes]])


def _opened(letter: LetterView, sealed: bytes, vault: Vault) -> bytes:
    try:
        return vault.open(sealed, letter.letter_id.encode())
    except PixstreamError as error:
        raise PixstreamError(f"letter {letter.letter_id}: {error}") from None
