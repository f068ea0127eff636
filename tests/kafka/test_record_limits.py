import pytest

from pixstream.errors import KafkaError
from pixstream.kafka.record_limits import RecordLimits, largest_request
from pixstream.kafka.settings import KafkaSettings


class Topics:
    def __init__(self, **limits: int) -> None:
        self.limits = limits
        self.asked: list[str] = []

    def ask(self, topic: str) -> int:
        self.asked.append(topic)
        return self.limits[topic]


def test_a_topic_is_asked_once_as_long_as_its_records_fit() -> None:
    topics = Topics(a=1000, b=1000)
    limits = RecordLimits(topics.ask)
    for _ in range(3):
        limits.check("a", b"k", b"v" * 500, [])
        limits.check("b", None, None, [])
    assert topics.asked == ["a", "b"]


def test_key_value_and_headers_count_and_the_refusal_tells_the_limit() -> None:
    limits = RecordLimits(Topics(a=1000).ask)
    limits.check("a", b"k" * 400, b"v" * 400, [])
    with pytest.raises(KafkaError, match=r"topic a: .* larger than its limit of 1000 bytes"):
        limits.check("a", b"k" * 400, b"v" * 400, [("name", b"h" * 100)])


def test_before_a_refusal_the_topic_is_asked_again() -> None:
    topics = Topics(a=1000)
    limits = RecordLimits(topics.ask)
    limits.check("a", None, b"v", [])
    topics.limits["a"] = 5000
    limits.check("a", None, b"v" * 3000, [])
    assert topics.asked == ["a", "a"]


def test_forgotten_limits_are_asked_for_anew() -> None:
    topics = Topics(a=1000)
    limits = RecordLimits(topics.ask)
    limits.check("a", None, b"v", [])
    limits.forget()
    del topics.limits["a"]
    with pytest.raises(KeyError):
        limits.check("a", None, b"v", [])


def test_a_client_can_send_the_largest_letter_with_its_headers() -> None:
    settings = KafkaSettings()
    assert largest_request(settings) == settings.max_letter_bytes + 2**20
    assert largest_request(KafkaSettings(max_event_bytes=2**25)) == 2**25 + 2**20
