"""Readings are cut into batches while they are being sent."""

import threading
from collections.abc import Iterator

import pytest

from pixstream.errors import Transient
from pixstream.event.model import Draft
from pixstream.loops.batches import batches
from pixstream.plugins.component import BatchLimits
from pixstream.plugins.producer import Reading

NEVER = 3600.0


def reading(position: str, stream: str = "s", *, more: bool = False) -> Reading:
    content = Draft(message="api_pix.pix", end_to_end_id=position, amount="1.00")
    return Reading(stream=stream, position=position, content=content, more=more)


def cut(
    readings: Iterator[Reading | None],
    limits: BatchLimits,
    stop: threading.Event | None = None,
    size: int = 1,
) -> list[list[str | None]]:
    found = []
    for batch in batches(readings, limits, stop or threading.Event()):
        for _ in batch:
            batch.size += size
        found.append([one.position for one in batch.readings])
    return found


def test_a_batch_closes_at_its_rows_and_where_the_source_has_nothing_more_now() -> None:
    source = iter([None, reading("1"), reading("2"), reading("3"), None, None, reading("4")])
    assert cut(source, BatchLimits(rows=2, seconds=NEVER)) == [["1", "2"], ["3"], ["4"]]


def test_a_batch_closes_at_the_bytes_that_its_readings_became() -> None:
    source = iter([reading(str(number)) for number in range(4)])
    limits = BatchLimits(rows=100, bytes=2048, seconds=NEVER)
    assert cut(source, limits, size=1024) == [["0", "1"], ["2", "3"]]


def test_a_batch_closes_when_its_first_reading_is_old_enough() -> None:
    source = iter([reading(str(number)) for number in range(2)])
    assert cut(source, BatchLimits(rows=100, seconds=1e-9)) == [["0"], ["1"]]


def test_readings_that_belong_together_stay_together_beyond_every_limit() -> None:
    source = iter([reading("1", more=True), reading("2", more=True), reading("3"), reading("4")])
    assert cut(source, BatchLimits(rows=1, seconds=1e-9)) == [["1", "2", "3"], ["4"]]


def test_stopping_ends_the_batch_after_the_reading_in_hand_and_reads_no_further() -> None:
    stop = threading.Event()

    def source() -> Iterator[Reading | None]:
        yield reading("1")
        stop.set()
        yield reading("2")
        raise AssertionError("it was read on")

    assert cut(source(), BatchLimits(rows=100, seconds=NEVER), stop) == [["1", "2"]]


def test_stopping_while_the_source_is_quiet_ends_it_too() -> None:
    stop = threading.Event()
    stop.set()
    assert cut(iter([None, reading("1")]), BatchLimits(), stop) == []


def test_an_error_of_the_source_reaches_whoever_sends_with_what_was_read_before() -> None:
    def source() -> Iterator[Reading | None]:
        yield reading("1")
        raise Transient("the source does not answer")

    batch = next(batches(source(), BatchLimits(), threading.Event()))
    sent = iter(batch)
    next(sent)
    with pytest.raises(Transient):
        next(sent)
    assert [one.position for one in batch.readings] == ["1"]


def test_the_last_position_of_each_stream_that_moved_counts() -> None:
    still = Reading(stream="c", position=None, content=None)
    source = iter([reading("1", "a"), reading("7", "b"), reading("2", "a"), still])
    batch = next(batches(source, BatchLimits(seconds=NEVER), threading.Event()))
    list(batch)
    assert batch.positions() == {"a": "2", "b": "7"}
