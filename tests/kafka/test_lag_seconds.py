"""How long the next record of a group has been waiting."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixstream.kafka.lag import PartitionLag
from pixstream.kafka.lag_seconds import MOST_NOTES, EndOffsets
from pixstream.kafka.ports import TopicPartition

PLACE = TopicPartition("pix.pagamentos", 0)


def lag(committed: int | None, end: int, beginning: int = 0) -> PartitionLag:
    return PartitionLag("group", *PLACE, committed, beginning, end)


def noted(*notes: tuple[float, int]) -> EndOffsets:
    ends = EndOffsets()
    for at, end in notes:
        ends.note(PLACE, end, at)
    return ends


def test_a_group_that_has_read_all_has_no_lag() -> None:
    assert noted((0, 5), (10, 10)).age(lag(10, 10), 1000) == 0


def test_the_time_of_the_next_record_is_interpolated() -> None:
    ends = noted((100, 0), (110, 10))
    assert ends.age(lag(4, 10), 120) == pytest.approx(15)
    assert ends.age(lag(9, 10), 120) == pytest.approx(10)


def test_while_nothing_is_written_the_next_record_ages() -> None:
    ends = noted((100, 0), (110, 10), (120, 10), (130, 10), (1000, 10))
    assert ends.age(lag(5, 10), 1000) == pytest.approx(894)


def test_a_record_after_the_last_note_has_no_age_yet() -> None:
    assert noted((100, 10)).age(lag(10, 12), 100) == 0


def test_nothing_older_than_the_first_note_is_known() -> None:
    assert noted((100, 10), (110, 20)).age(lag(3, 20), 130) == 30
    assert noted((100, 10), (110, 20)).age(lag(None, 20), 130) == 30


def test_a_recreated_topic_starts_over() -> None:
    assert noted((100, 50), (110, 60), (120, 0), (130, 10)).age(lag(0, 10), 140) == pytest.approx(
        19
    )


def test_a_partition_that_was_never_noted_has_no_age() -> None:
    assert EndOffsets().age(lag(0, 5), 100) == 0


@given(st.integers(1, 5 * MOST_NOTES), st.floats(0, 1))
def test_notes_are_thinned_out_and_stay_right(number: int, share: float) -> None:
    ends = EndOffsets()
    for second in range(number + 1):
        ends.note(PLACE, 10 * second, float(second))
    assert len(ends._times[PLACE]) <= MOST_NOTES
    committed = int(share * (10 * number - 1))
    written = (committed + 1) / 10
    assert ends.age(lag(committed, 10 * number), float(number)) == pytest.approx(number - written)
