"""The state of letters: marks in the compacted topic `pix.dlq.state`, one per letter id.

A letter without a mark is open. A mark says who did what, when and why; a tombstone reopens the
letter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pixstream.errors import PixstreamError
from pixstream.kafka.names import DLQ_STATE

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection, Mapping

    from pixstream.dead_letters.reading import LetterView
    from pixstream.kafka.ports import Client

OPEN, REPLAYED, DISCARDED = "open", "replayed", "discarded"
STATES = (OPEN, REPLAYED, DISCARDED)


class Mark(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """The value of a mark.

    Attributes:
        state: `replayed`: its events are in Kafka, written in the same transaction as the mark;
            `discarded`: a person decided that it is not an event.
        time: the time of the mark, UTC.
        who: the login name of the person.
        why: the reason that the person gave.
        events: how many events were written.
    """

    state: str
    time: str
    who: str
    why: str
    events: int = 0

    @classmethod
    def now(cls, state: str, time: dt.datetime, *, who: str, why: str, events: int = 0) -> Mark:
        """Return a mark with the given time as text."""
        text = time.isoformat(timespec="milliseconds")
        return cls(state=state, time=text, who=who, why=why, events=events)


def states(client: Client) -> dict[bytes, str]:
    """Return the state of every letter that is not open, by its 16-byte id; 125 bytes per letter.

    Raises:
        KafkaError: the topic does not exist or may not be read.
        PixstreamError: the topic has a mark that this version cannot read.
    """
    known = {state: state for state in STATES}
    found: dict[bytes, str] = {}
    for record in client.scan(DLQ_STATE):
        letter_id = _letter_id(record.key)
        if letter_id is None:
            continue
        mark = _mark(record.value)
        if mark is None:
            found.pop(letter_id, None)
        else:
            found[letter_id] = known.get(mark.state, mark.state)
    return found


def state_of(states: Mapping[bytes, str], letter: LetterView) -> str:
    """Return the state of one letter."""
    return states.get(bytes.fromhex(letter.letter_id), OPEN)


def mark_of(client: Client, letter_id: str) -> Mark | None:
    """Return the mark of one letter; None while it is open."""
    value = client.load(DLQ_STATE, letter_id).get(letter_id)
    return _mark(value)


def marks_of(client: Client, letter_ids: Collection[str]) -> dict[str, Mark]:
    """Return the marks of those letters that are not open, by letter id."""
    found = client.load(DLQ_STATE, "")
    marks = {one: _mark(found.get(one)) for one in letter_ids}
    return {one: mark for one, mark in marks.items() if mark is not None}


def _letter_id(key: bytes | None) -> bytes | None:
    try:
        return bytes.fromhex((key or b"").decode("ascii")) or None
    except ValueError:
        return None


def _mark(value: bytes | None) -> Mark | None:
    try:
        return None if value is None else msgspec.json.decode(value, type=Mark)
    except msgspec.MsgspecError:
        raise PixstreamError(
            f"topic {DLQ_STATE} has a mark that this version cannot read, so it does not know what "
            "was replayed: use the version that wrote the mark"
        ) from None
