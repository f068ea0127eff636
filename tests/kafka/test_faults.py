import pytest

from pixstream.errors import FencedError, KafkaError, Transient
from pixstream.kafka import faults
from pixstream.kafka.ports import TopicSpec


@pytest.mark.parametrize(
    ("code", "kind"),
    [(90, FencedError), (82, FencedError), (47, FencedError), (29, KafkaError), (14, Transient)],
)
def test_a_code_decides_what_kind_of_error_it_is(code: int, kind: type[Exception]) -> None:
    assert type(faults.fault("topic t", code, "NAME")) is kind


def test_a_message_says_on_what_and_what_to_do_and_the_codes_name() -> None:
    error = faults.fault("topic pix.dlq", faults.UNKNOWN_TOPIC, "UNKNOWN_TOPIC_OR_PARTITION")
    assert str(error) == (
        "topic pix.dlq: the topic does not exist: create it with `pixstream topics apply` "
        "(UNKNOWN_TOPIC_OR_PARTITION)"
    )


def test_a_library_may_know_better_that_a_fault_passes_except_where_a_person_must_act() -> None:
    assert isinstance(faults.fault("x", -185, "_TIMED_OUT", passing=True), Transient)
    assert not isinstance(faults.fault("x", 3, "UNKNOWN_TOPIC", passing=True), Transient)
    assert not isinstance(faults.fault("x", 29, "DENIED", passing=True), Transient)


def test_a_topic_that_cannot_be_created_is_named_with_its_settings() -> None:
    assert faults.creating(TopicSpec("t", 1, 1, {})) == "topic t could not be created"
    assert faults.creating(TopicSpec("t", 1, 1, {"a": "1", "b": "2"})).endswith("with a, b")
