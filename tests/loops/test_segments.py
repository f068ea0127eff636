from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from pixstream.kafka.ports import Record, TopicIdPartition
from pixstream.loops.segments import VERSION_HEADER, segments, version

A, B = TopicIdPartition("a", "id-a", 0), TopicIdPartition("a", "id-a", 1)
C, IDLE = TopicIdPartition("c", "id-c", 0), TopicIdPartition("c", "id-c", 1)


def record(place: TopicIdPartition, offset: int, told: int | bytes | None = 1) -> Record:
    value = str(told).encode() if isinstance(told, int) else told
    headers = [("traceparent", b"5")] + ([] if value is None else [(VERSION_HEADER, value)])
    return Record(place.topic, place.partition, offset, 0, None, b"{}", headers)


def test_one_version_is_one_segment_with_every_offset() -> None:
    records = [record(A, 3), record(B, 0), record(A, 4)]
    ahead = {A: 6, B: 1, IDLE: 9}
    assert segments(records, ahead, 1) == [(records, ahead, 1)]


def test_no_records_are_one_segment_too() -> None:
    assert segments([], {IDLE: 9}, 1) == [([], {IDLE: 9}, 1)]


def test_the_first_record_of_a_new_version_cuts_and_no_other() -> None:
    records = [
        *(record(A, 0), record(B, 0), record(C, 5), record(A, 2, 2), record(B, 1)),
        *(record(A, 3, 2), record(A, 4, 3), record(A, 5, 2)),
    ]
    ahead = {A: 7, B: 3, C: 8, IDLE: 9}
    assert segments(records, ahead, 1) == [
        (records[:3], {A: 2, B: 1, C: 8}, 1),
        (records[3:6], {A: 4, B: 3}, 2),
        (records[6:], ahead, 3),
    ]


def test_a_version_that_was_seen_before_cuts_no_more() -> None:
    records = [record(A, 0), record(A, 1, 2), record(A, 2)]
    assert segments(records, {A: 3}, 2) == [(records, {A: 3}, 2)]


def test_a_batch_that_begins_with_a_new_version_has_nothing_before_it() -> None:
    records = [record(A, 0, 2), record(A, 1)]
    assert segments(records, {A: 2}, 1) == [(records, {A: 2}, 2)]


def test_a_header_that_is_no_number_cuts_nothing() -> None:
    for told in (None, b"", b"two", b"-2", b"2.0", b"\xb2", b"9" * 10):
        assert version(record(A, 0, told)) == 0
    assert version(record(A, 0, b"000000012")) == 12


PLACES = st.sampled_from([A, B, C])


@given(st.lists(st.tuples(PLACES, st.integers(0, 4), st.integers(1, 3))), st.integers(0, 3))
def test_segments_are_the_buffer_and_offsets_only_rise(
    told: list[tuple[TopicIdPartition, int, int]], known: int
) -> None:
    ends: dict[TopicIdPartition, int] = {IDLE: 4}
    records = []
    for place, version_told, gap in told:
        offset = ends.get(place, 0) + gap - 1
        records.append(record(place, offset, version_told))
        ends[place] = offset + 1
    ahead = {place: end + 1 for place, end in ends.items()}
    found = segments(records, ahead, known)
    assert [r for segment in found for r in segment.records] == records
    assert all(segment.records for segment in found[:-1])
    assert found[-1].next_offsets == ahead
    highest = [segment.version for segment in found]
    assert highest == sorted(set(highest))
    standing: dict[TopicIdPartition, int] = defaultdict(int)
    for number, segment in enumerate(found):
        later = [r for one in found[number + 1 :] for r in one.records]
        for place, offset in segment.next_offsets.items():
            here = [r.offset for r in segment.records if (r.topic, r.partition) == place[::2]]
            left = [r.offset for r in later if (r.topic, r.partition) == place[::2]]
            assert offset >= standing[place]
            assert all(o < offset for o in here)
            assert offset == (left[0] if left else ahead[place])
            standing[place] = offset
        moved = {(p.topic, p.partition) for p in segment.next_offsets}
        assert {(r.topic, r.partition) for r in segment.records} <= moved
