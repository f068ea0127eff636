"""A segment becomes events, letters of the rest, and nothing of what is for somebody else."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pixstream.dead_letters import REPLAY_FOR, LetterWriter
from pixstream.event.model import encode
from pixstream.kafka.names import EVENT_TOPICS
from pixstream.kafka.ports import Record, TopicIdPartition
from pixstream.loops.decoder import Decoder
from pixstream.loops.segments import Segment
from pixstream.privacy import Vault
from tests.loops import consume_world as consuming

if TYPE_CHECKING:
    from pixstream.event.record import Headers

TOPIC = EVENT_TOPICS["recebimentos"]
PLACE = TopicIdPartition(TOPIC, "id", 0)


@pytest.fixture
def segment() -> Segment:
    """Good, bad, for another, good, for us."""
    events = [consuming.event(n, consuming.CATEGORIES["recebimentos"]) for n in range(3)]
    other, ours = [(REPLAY_FOR, b"other")], [(REPLAY_FOR, b"lake")]
    values: list[tuple[bytes, Headers]] = [
        (encode(events[0]), ()),
        (b"no event", ()),
        (b"no event either", other),
        (encode(events[1]), ()),
        (encode(events[2]), ours),
    ]
    records = [Record(TOPIC, 0, n, 1, b"k", v, h) for n, (v, h) in enumerate(values)]
    return Segment(records, {PLACE: 6}, 1)


@pytest.fixture
def decoder(tmp_path: Path) -> Decoder:
    letters = LetterWriter("lake", Vault(bytes(range(32)), "k1"), 2**20, tmp_path)
    return Decoder("lake", letters, None, None)


def test_each_record_is_an_event_a_letter_or_for_somebody_else(
    decoder: Decoder, segment: Segment
) -> None:
    batch = decoder.decode(segment, "cluster", {PLACE: 0})
    assert batch.events.table["_offset"].to_pylist() == [0, 3, 4]
    assert (batch.events.next_offsets, batch.events.begins) == ({PLACE: 6}, {PLACE: 0})
    assert (batch.taken, batch.skipped) == (5, 1)
    (letter,) = batch.letters
    assert dict(letter.headers)["origin-offset"] == b"1"


def test_rejected_rows_are_letters_of_the_records_that_they_come_from(
    decoder: Decoder, segment: Segment
) -> None:
    batch = decoder.decode(segment, "cluster", {})
    letters = decoder.rejected(batch, [2, 0], "it never takes these")
    heads = [dict(letter.headers) for letter in letters]
    assert [head["origin-offset"] for head in heads] == [b"4", b"0"]
    assert {head["stage"] for head in heads} == {b"write"}
    assert {head["message"] for head in heads} == {b"it never takes these"}
