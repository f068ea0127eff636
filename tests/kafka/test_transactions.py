"""A writer of transactions: kept while it can begin, replaced when it cannot."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from pixstream.errors import FencedError, KafkaError, Transient
from pixstream.kafka.memory import MemoryKafka
from pixstream.kafka.names import DLQ
from pixstream.kafka.ports import TopicSpec
from pixstream.kafka.transactions import Writer, fence_off

if TYPE_CHECKING:
    from collections.abc import Callable

AWAY = Transient("no broker answers")


@pytest.fixture
def kafka() -> MemoryKafka:
    made = MemoryKafka()
    made.client().admin().create(TopicSpec(DLQ, 1, 1, {}))
    return made


@pytest.fixture
def writer(kafka: MemoryKafka) -> Writer:
    return Writer(kafka.client(), "letters")


def post(writer: Writer, value: bytes, then: Callable[[], object] = lambda: None) -> None:
    with writer.transaction() as transaction:
        transaction.send(DLQ, b"k", value, ())
        then()


def held(kafka: MemoryKafka) -> list[bytes | None]:
    return [record.value for record in kafka.client().scan(DLQ)]


def test_it_is_opened_once_and_says_when(kafka: MemoryKafka, writer: Writer) -> None:
    assert kafka.epochs["letters"] == 0
    assert [writer.open(), writer.open()] == [True, False]
    post(writer, b"first")
    assert kafka.epochs["letters"] == 1
    writer.close()
    assert writer.open()


def test_a_block_that_raises_leaves_nothing_and_the_writer_goes_on(
    kafka: MemoryKafka, writer: Writer
) -> None:
    post(writer, b"first")
    with pytest.raises(ZeroDivisionError):
        post(writer, b"given up", lambda: 1 // 0)
    post(writer, b"second")
    assert kafka.epochs["letters"] == 1
    assert held(kafka) == [b"first", b"second"]


def test_one_that_cannot_begin_is_replaced_at_the_next_try(
    kafka: MemoryKafka, writer: Writer
) -> None:
    writer.open()
    kafka.fail("begin", AWAY)
    with pytest.raises(Transient):
        post(writer, b"first")
    kafka.fail("outbox", AWAY)
    with pytest.raises(Transient):
        post(writer, b"first")
    assert writer.open()
    post(writer, b"first")
    assert kafka.epochs["letters"] == 2
    assert held(kafka) == [b"first"]


@pytest.mark.parametrize("what", ["send", "commit"])
def test_what_fails_later_costs_the_transaction_only(
    kafka: MemoryKafka, writer: Writer, what: str
) -> None:
    kafka.fail(what, AWAY)
    with pytest.raises(Transient):
        post(writer, b"first")
    post(writer, b"again")
    assert kafka.epochs["letters"] == 1
    assert held(kafka) == [b"again"]


def test_what_waiting_does_not_cure_is_not_waited_for(kafka: MemoryKafka, writer: Writer) -> None:
    kafka.fail("begin", KafkaError("this user may not"))
    with pytest.raises(KafkaError):
        post(writer, b"first")
    assert kafka.epochs["letters"] == 1


def test_an_abort_that_fails_hides_nothing(
    kafka: MemoryKafka,
    writer: Writer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    writer.open()

    def silent() -> None:
        raise AWAY

    monkeypatch.setattr(kafka.open["letters"], "abort", silent)
    with pytest.raises(ZeroDivisionError):
        post(writer, b"given up", lambda: 1 // 0)
    assert "letters: the open transaction could not be aborted" in caplog.text


def test_a_commit_that_failed_is_not_aborted_as_well(
    kafka: MemoryKafka, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer.open()
    aborted: list[bool] = []
    monkeypatch.setattr(kafka.open["letters"], "abort", lambda: aborted.append(True))
    kafka.fail("commit", KafkaError("Kafka did not answer whether it committed"))
    with pytest.raises(KafkaError):
        post(writer, b"first")
    assert not aborted


def test_it_closes_also_between_two_outboxes(kafka: MemoryKafka, writer: Writer) -> None:
    kafka.fail("begin", AWAY)
    with pytest.raises(Transient):
        post(writer, b"first")
    writer.close()
    writer.close()
    assert kafka.epochs["letters"] == 1


def test_fencing_off_shuts_out_whoever_writes_and_leaves_nothing_open(kafka: MemoryKafka) -> None:
    with closing(Writer(kafka.client(), "letters")) as former:
        with pytest.raises(FencedError):
            post(former, b"lost", lambda: fence_off(kafka.client(), "letters"))
        assert held(kafka) == []
