"""The writer of a consumer's letters: kept while it can begin, replaced when it cannot."""

from __future__ import annotations

import pytest

from pixstream.errors import KafkaError, Transient
from pixstream.kafka.memory import MemoryKafka
from pixstream.kafka.names import DLQ
from pixstream.kafka.ports import TopicSpec
from pixstream.loops.letterbox import Letterbox

AWAY = Transient("no broker answers")


@pytest.fixture
def kafka() -> MemoryKafka:
    made = MemoryKafka()
    made.client().admin().create(TopicSpec(DLQ, 1, 1, {}))
    return made


@pytest.fixture
def box(kafka: MemoryKafka) -> Letterbox:
    return Letterbox(lambda: kafka.client().outbox("letters"))


def post(box: Letterbox, value: bytes) -> None:
    box.begin()
    box.send(DLQ, b"k", value, ())
    box.commit()


def held(kafka: MemoryKafka) -> list[bytes | None]:
    return [record.value for record in kafka.client().scan(DLQ)]


def test_the_former_owner_is_fenced_at_once_and_one_writer_serves_for_long(
    kafka: MemoryKafka, box: Letterbox
) -> None:
    assert kafka.epochs["letters"] == 1
    post(box, b"first")
    box.begin()
    box.send(DLQ, b"k", b"given up", ())
    box.abort()
    post(box, b"second")
    assert kafka.epochs["letters"] == 1
    assert held(kafka) == [b"first", b"second"]


def test_one_that_cannot_begin_is_replaced_at_the_next_try(
    kafka: MemoryKafka, box: Letterbox
) -> None:
    kafka.fail("begin", AWAY)
    with pytest.raises(Transient):
        box.begin()
    kafka.fail("outbox", AWAY)
    with pytest.raises(Transient):
        box.begin()
    post(box, b"first")
    assert kafka.epochs["letters"] == 2
    assert held(kafka) == [b"first"]


@pytest.mark.parametrize("what", ["send", "commit"])
def test_what_fails_later_costs_the_transaction_only(
    kafka: MemoryKafka, box: Letterbox, what: str
) -> None:
    kafka.fail(what, AWAY)
    with pytest.raises(Transient):
        post(box, b"first")
    post(box, b"again")
    assert kafka.epochs["letters"] == 1
    assert held(kafka) == [b"again"]


def test_what_waiting_does_not_cure_is_not_waited_for(kafka: MemoryKafka, box: Letterbox) -> None:
    kafka.fail("begin", KafkaError("this user may not"))
    with pytest.raises(KafkaError):
        box.begin()
    assert kafka.epochs["letters"] == 1


def test_it_closes_also_between_two_writers(kafka: MemoryKafka, box: Letterbox) -> None:
    kafka.fail("begin", AWAY)
    with pytest.raises(Transient):
        box.begin()
    box.close()
    assert kafka.epochs["letters"] == 1
