"""Reads a letter again: returns its events, or the reason why it stays open.

A producer's letter is processed like a reading: the producer's own `parse_again`, the sealer, the
same key and headers. A consumer's letter goes back to its topic unchanged, only for that consumer.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from pixstream.columns.decoding import decode
from pixstream.dead_letters.letters import DRAFT, REPLAY_FOR, REPLAY_OF
from pixstream.dead_letters.reading import content, original, unmasked
from pixstream.errors import ConfigError, DestinationError, PixstreamError, Refused
from pixstream.event import lenient
from pixstream.event.model import Draft, Reason, Refusal
from pixstream.event.record import EventRecord, event_record
from pixstream.kafka.names import EVENT_TOPICS
from pixstream.kafka.ports import Record
from pixstream.plugins.producer import ParsesByStream

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pixstream.dead_letters.reading import LetterView
    from pixstream.dead_letters.repair import Repair
    from pixstream.event.contract import ContractSettings
    from pixstream.event.model import PixEvent
    from pixstream.event.sealing import Sealer
    from pixstream.plugins.producer import Producer
    from pixstream.plugins.reader import Reader
    from pixstream.privacy import Vault

UNREADABLE = "unreadable"
"""Reason code: the content cannot be opened here (another key, or a file on another machine)."""

NOT_CONFIGURED = "not_configured"
"""Reason code: no component of this configuration can read or take it."""

TOPIC_CHANGED = "topic_changed"
"""Reason code: the topic it came from was deleted or recreated."""

LEFT_BY_REPAIR = "left_by_repair"
"""Reason code: the repair returned None for it, which is not a failure."""


class Replayed(NamedTuple):
    """One event of a letter, ready to be sent."""

    event_id: str
    record: EventRecord


class Replayer:
    """Converter of letters to the records to send; it sends nothing itself.

    Args:
        producers: the producers of the configuration, by name.
        readers: the consumers and processors of the configuration, by name.
        sealer: seals drafts into events.
        vault: opens the letters.
        directory: the directory of letters that are too large for Kafka.
        max_event_bytes: a larger event stays a letter.
    """

    def __init__(
        self,
        producers: Mapping[str, Producer],
        readers: Mapping[str, Reader],
        *,
        sealer: Sealer,
        vault: Vault,
        directory: Path,
        max_event_bytes: int,
    ) -> None:
        self._producers = producers
        self._readers = readers
        self._sealer = sealer
        self._vault = vault
        self._directory = directory
        self._max_event_bytes = max_event_bytes
        self.repair: Repair | None = None
        """Applied to the content first, if set."""
        self.topic_ids: Mapping[str, str] = {}
        """The current id of each topic of events."""
        self.new_topic = False
        """Whether a letter may go to a topic that has been recreated since."""
        self.contract: ContractSettings | None = None
        """How consumers treat new fields of a newer version; None: as columns."""
        self.sample = 0
        """One payment in so many is sampled, see `event.trace`; 0: none."""

    def __call__(self, letter: LetterView) -> list[Replayed]:
        """Return all events of a letter.

        Raises:
            Refused: the letter stays open; its reason is a code of `event.Reason` or this package.
        """
        try:
            raw = content(letter, self._vault, self._directory)
            letter = unmasked(letter, self._vault)
        except PixstreamError as error:
            raise Refused(UNREADABLE, str(error)) from None
        if self.repair is not None:
            repaired = self.repair(raw, letter.headers)
            if repaired is None:
                raise Refused(LEFT_BY_REPAIR, "the repair returned None: the letter stays open")
            raw = repaired
        if "consumer" in letter.headers:
            found = [self._sent_back(letter, raw)]
        else:
            found = [
                Replayed(event.event_id, event_record(event, sample=self.sample))
                for event in self._events(letter, raw)
            ]
        if not found:
            raise Refused(Reason.EMPTY, "its content has no event")
        for replayed in found:
            if replayed.record.size > self._max_event_bytes:
                size = replayed.record.size
                message = f"event: larger than kafka.max_event_bytes, {size} bytes"
                raise Refused(Reason.TOO_LARGE, message)
        return found

    def _events(self, letter: LetterView, raw: bytes) -> Iterator[PixEvent]:
        """Yield the events of a producer's letter, sealed now."""
        if letter.headers.get("stage") == "produce":
            yield lenient.read(raw, self._seal_extra)
            return
        now, source = dt.datetime.now(dt.UTC), letter.component
        for draft in self._drafts(letter, raw):
            if isinstance(draft, Refusal):
                raise Refused(draft.reason, draft.message)
            if draft.source_ref is None:
                draft.source_ref = f"dead letter {letter.letter_id}"
            yield self._sealer.seal(draft, source=source, now=now)

    def _drafts(self, letter: LetterView, raw: bytes) -> Iterator[Draft | Refusal]:
        if letter.headers.get("content-type") == DRAFT:
            yield _draft(raw)
            return
        producer = self._producers.get(letter.component)
        if producer is None:
            raise Refused(
                NOT_CONFIGURED,
                f"the configuration has no producer {letter.component} to read it",
            )
        try:
            if isinstance(producer, ParsesByStream):
                yield from producer.parse_again(raw, letter.headers.get("stream", ""))
            else:
                yield from producer.parse(raw)
        except ConfigError as error:
            raise Refused(NOT_CONFIGURED, str(error)) from None

    def _sent_back(self, letter: LetterView, raw: bytes) -> Replayed:
        """Return a consumer's letter as a record of its own topic, only for that consumer."""
        topic, name = letter.headers.get("origin-topic", ""), letter.component
        self._check_reader(topic, name)
        actual = self.topic_ids.get(topic)
        if actual is None:
            raise Refused(TOPIC_CHANGED, f"topic {topic} no longer exists")
        if actual != letter.headers.get("origin-topic-id") and not self.new_topic:
            raise Refused(
                TOPIC_CHANGED,
                f"topic {topic} has been recreated since; --new-topic sends it there anyway",
            )
        try:
            key, headers = original(letter, self._vault)
        except PixstreamError as error:
            raise Refused(UNREADABLE, str(error)) from None
        record = Record(topic, 0, 0, -1, key, raw, headers)
        try:
            decoded = decode([record], seal_extra=self._seal_extra, contract=self.contract)
        except DestinationError:
            message = "new fields of a newer schema_version, and schema.contract is freeze"
            raise Refused(Reason.SCHEMA_CONTRACT, message) from None
        for bad in decoded.bad:
            raise Refused(bad.reason, bad.message)
        kept = [pair for pair in headers if pair[0] not in {REPLAY_FOR, REPLAY_OF}]
        marks = [(REPLAY_FOR, name.encode()), (REPLAY_OF, letter.letter_id.encode())]
        event_id = str(decoded.table["event_id"][0])
        return Replayed(event_id, EventRecord(topic, key, raw, [*kept, *marks]))

    def _check_reader(self, topic: str, name: str) -> None:
        """Refuse the letter unless its consumer is configured and still reads the topic."""
        reader = self._readers.get(name)
        if reader is None:
            raise Refused(NOT_CONFIGURED, f"the configuration has no consumer {name} to take it")
        if topic not in {EVENT_TOPICS[category] for category in reader.categories}:
            raise Refused(NOT_CONFIGURED, f"consumer {name} no longer reads topic {topic}")

    def _seal_extra(self, extra: dict[str, object], event_id: str) -> dict[str, str]:
        return self._sealer.seal_extra(extra, {}, event_id)


def _draft(raw: bytes) -> Draft:
    """Parse a draft strictly: an unknown field would be lost silently.

    Raises:
        Refused: the content is not a draft.
    """
    try:
        fields = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
        draft = msgspec.json.decode(raw, type=Draft)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise Refused(Reason.FIELD_INVALID, "draft: not the JSON of a draft's fields") from None
    if not fields.keys() <= set(Draft.__struct_fields__):
        raise Refused(Reason.FIELD_INVALID, "draft: has an unknown field")
    return draft
