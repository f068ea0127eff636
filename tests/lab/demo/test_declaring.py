"""Topics are created on a Kafka that is too busy to say so at once, and only on one that is."""

from typing import Any

import pytest

from pixstream.config.settings import Settings
from pixstream.errors import KafkaError, Transient
from pixstream.kafka.memory import MemoryKafka
from pixstream.lab.demo import declaring


class Busy:
    """Creates topics, and so many times cannot say that it has."""

    def __init__(self, times: int, error: type[Exception] = Transient) -> None:
        self.admin = MemoryKafka().client().admin()
        self._times = times
        self._error = error

    def topics(self) -> Any:
        return self.admin.topics()

    def create(self, spec: Any) -> None:
        self.admin.create(spec)
        self._times -= 1
        if self._times >= 0:
            raise self._error("the change is accepted but not visible yet")


def wanted() -> set[str]:
    return {spec.name for spec in Settings().declared_topics}


def test_what_is_there_already_is_not_created_again() -> None:
    busy: Any = Busy(2)
    declaring.create(Settings().declared_topics, busy)
    assert set(busy.topics()) == wanted()
    declaring.create(Settings().declared_topics, busy)


def test_a_kafka_that_idles_and_does_not_answer_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(declaring, "IDLE_SECONDS", 0.0)
    busy: Any = Busy(1)
    with pytest.raises(Transient, match="not visible yet"):
        declaring.create(Settings().declared_topics, busy)


def test_a_refusal_is_not_asked_again() -> None:
    busy: Any = Busy(1, KafkaError)
    with pytest.raises(KafkaError):
        declaring.create(Settings().declared_topics, busy)
    assert len(busy.topics()) == 1
