"""The dead letters of a trace: those whose content or origin names a payment, and their marks.

What a producer could not read is sealed, so its letters are opened in memory to look for the
identifier in them; a consumer's letter also names its event in its trace context.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, NamedTuple

from pixstream.dead_letters import REPLAY_OF, content
from pixstream.dead_letters.reading import original, view
from pixstream.dead_letters.state import REPLAYED
from pixstream.errors import PixstreamError
from pixstream.event import routing
from pixstream.event.categories import Category
from pixstream.event.identifiers import id_time, is_identity
from pixstream.event.model import Status
from pixstream.trace.question import Place

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from pathlib import Path

    from pixstream.dead_letters import LetterView
    from pixstream.dead_letters.state import Mark
    from pixstream.kafka.ports import Record
    from pixstream.privacy import Vault
    from pixstream.trace.facts import Arrival

_IDENTIFIERS = re.compile(rb"(?<![0-9A-Za-z])[ED][0-9A-Z]{8}\d{12}[a-zA-Z0-9]{11}(?![0-9A-Za-z])")


_SPAN_DIGITS = 16


class Letter(NamedTuple):
    """A dead letter, where it is in Kafka, and its mark, if it has one."""

    place: Place
    view: LetterView
    mark: Mark | None = None

    @property
    def origin(self) -> Place | None:
        """The record that a consumer could not take; None for a producer's letter."""
        headers = self.view.headers
        numbers = headers.get("origin-partition", ""), headers.get("origin-offset", "")
        if not all(map(str.isdecimal, numbers)):
            return None
        return Place(headers.get("origin-topic", ""), int(numbers[0]), int(numbers[1]))

    @property
    def is_replayed(self) -> bool:
        """Whether its events were sent."""
        return self.mark is not None and self.mark.state == REPLAYED

    @property
    def marked_at(self) -> dt.datetime | None:
        """When it was marked; None: not, or at no valid time."""
        try:
            return dt.datetime.fromisoformat(self.mark.time) if self.mark is not None else None
        except ValueError:
            return None


class Opener:
    """Opens letters to look into them; nothing of their content is kept.

    Args:
        vault: opens them; None: the privacy keys are not there, so only their headers are read.
        directory: the directory of letters that are too large for Kafka.
    """

    def __init__(self, vault: Vault | None, directory: Path) -> None:
        self._vault = vault
        self._directory = directory
        self._unopened: set[str] = set()

    @property
    def unopened(self) -> int:
        """How many letters could not be opened."""
        return len(self._unopened)

    def payments(self, letter: LetterView) -> list[str]:
        """Return the identifiers of payments in a letter: its record's key, or those it names."""
        key, raw = self._open(letter)
        if key and is_identity(key.decode("utf-8", "replace")):
            return [key.decode("utf-8", "replace")]
        found = [text.decode("ascii") for text in _IDENTIFIERS.findall(raw)]
        return [text for text in dict.fromkeys(found) if id_time(text) is not None]

    def names_any(self, letter: LetterView, identifiers: Collection[str]) -> bool:
        """Return whether a letter is about one of these identifiers."""
        key, raw = self._open(letter)
        words = [text.encode() for text in identifiers]
        return key in words or any(_is_in(word, raw) for word in words)

    def _open(self, letter: LetterView) -> tuple[bytes | None, bytes]:
        if self._vault is None:
            self._unopened.add(letter.letter_id)
            return None, b""
        try:
            key, _ = original(letter, self._vault)
            return key, content(letter, self._vault, self._directory)
        except PixstreamError:
            self._unopened.add(letter.letter_id)
            return None, b""


def _is_in(word: bytes, raw: bytes) -> bool:
    """Return whether a text contains a word; as part of a longer one it is another."""
    start = raw.find(word)
    while start >= 0:
        around = raw[max(start - 1, 0) : start] + raw[start + len(word) :][:1]
        if not any(chr(byte).isalnum() for byte in around):
            return True
        start = raw.find(word, start + 1)
    return False


def letters(records: Iterable[Record]) -> Iterator[Letter]:
    """Yield the letters among records, one per id."""
    seen: set[str] = set()
    for record in records:
        found = view(record)
        if found is not None and found.letter_id not in seen:
            seen.add(found.letter_id)
            yield Letter(Place(record.topic, record.partition, record.offset), found)


def about_events(letter: Letter, event_ids: Collection[str]) -> bool:
    """Return whether a consumer's letter continues the trace of one of these events.

    The trace id is the event's, unless a sender gave another; the span id begins the event's.
    """
    _, trace_id, span_id, *_ = f"{letter.view.headers.get('traceparent', '')}---".split("-")
    return trace_id in event_ids or any(span_id == one[:_SPAN_DIGITS] for one in event_ids)


def replayed_in(letter: Letter, arrivals: Iterable[Arrival]) -> bool:
    """Return whether one of these records is a replay of the letter."""
    own = letter.view.letter_id
    return any(
        arrival.headers.get(REPLAY_OF) == own
        or (arrival.fact is not None and arrival.fact.source_ref == f"dead letter {own}")
        for arrival in arrivals
    )


def event_ids(identifiers: Iterable[str]) -> set[str]:
    """Return the id of every event that these identifiers can have."""
    return {
        routing.event_id(category, identifier, status)
        for identifier in identifiers
        for category in Category
        for status in Status
    }
