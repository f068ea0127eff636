import pytest

from pixstream.errors import Transient
from pixstream.kafka import scanning
from pixstream.kafka.ports import Record
from pixstream.kafka.settings import KafkaSettings


def record(key: bytes | None, value: bytes | None) -> Record:
    return Record("t", 0, 0, 0, key, value, ())


def test_reading_ends_when_every_position_has_passed_its_end() -> None:
    positions = {0: 0, 1: 0}

    def poll(_: float) -> list[Record]:
        positions[0] += 2
        positions[1] = min(positions[1] + 1, 3)
        return [record(b"k", b"v")]

    found = list(scanning.to_end("t", {0: 5, 1: 3}, poll, positions.__getitem__, 5.0))
    assert len(found) == 3
    assert positions == {0: 6, 1: 3}


def test_nothing_is_polled_where_nothing_lies() -> None:
    def poll(_: float) -> list[Record]:
        pytest.fail("polled")

    assert list(scanning.to_end("t", {}, poll, {}.__getitem__, 5.0)) == []


def test_an_end_that_is_not_reached_is_an_error_that_passes() -> None:
    with pytest.raises(Transient, match="topic t: reading stopped before its end"):
        list(scanning.to_end("t", {0: 5}, lambda _: [], lambda _: 4, 0.01))


def test_the_last_value_per_key_is_what_counts() -> None:
    records = [
        record(b"a/1", b"1"),
        record(b"b/1", b"2"),
        record(b"a/2", b"3"),
        record(b"a/1", b"4"),
        record(b"a/2", None),
        record(b"a/3", None),
        record(None, b"5"),
    ]
    assert scanning.last_values(records, "a/") == {"a/1": b"4"}


def test_a_heart_beats_four_times_a_session_and_at_least_once_a_second() -> None:
    assert scanning.heartbeat_ms(KafkaSettings(session_timeout_ms=2000)) == 500
    assert scanning.heartbeat_ms(KafkaSettings(session_timeout_ms=60_000)) == 1000
