"""The lag of every group, measured beside the components."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pixstream.errors import Transient
from pixstream.kafka.memory import MemoryKafka
from pixstream.kafka.ports import TopicPartition, TopicSpec
from pixstream.processes.lag_watch import LagWatch
from pixstream.testing.waiting import wait_for

TOPIC, GROUP, UNREAD = "pix.pagamentos", "pixstream.delta_lake", "pixstream.console"


@pytest.fixture
def kafka() -> MemoryKafka:
    kafka = MemoryKafka()
    kafka.client().admin().create(TopicSpec(TOPIC, 1, 1, {}))
    return kafka


@contextmanager
def watching(kafka: MemoryKafka, connect: object = None) -> Iterator[LagWatch]:
    opened = connect or (lambda: kafka.client().admin())
    assert callable(opened)
    watch = LagWatch(opened, {GROUP: [TOPIC], UNREAD: [TOPIC]}, 0.01)
    watch.start()
    yield watch
    watch.stop()


def produce(kafka: MemoryKafka, number: int) -> None:
    outbox = kafka.client().outbox("producer")
    outbox.begin()
    for _ in range(number):
        outbox.send(TOPIC, b"key", b"value", ())
    outbox.commit()


def values(watch: LagWatch) -> dict[tuple[str, str], object]:
    return {(s.name, s.labels.get("group", "")): s.value for s in watch.samples()}


def test_records_seconds_and_offsets_of_each_group_are_measured(kafka: MemoryKafka) -> None:
    produce(kafka, 3)
    end = next(iter(kafka.client().admin().end_offsets([TOPIC]).values()))
    kafka.client().admin().set_group_offsets(GROUP, {TopicPartition(TOPIC, 0): end})
    with watching(kafka) as watch:
        wait_for(watch.samples)
        found = values(watch)
        assert found["pix_topic_end_offset", ""] == end
        assert found["pix_consumer_lag_records", GROUP] == 0
        assert found["pix_consumer_lag_seconds", GROUP] == 0
        assert found["pix_consumer_committed_offset", GROUP] == end
        assert found["pix_consumer_lag_records", UNREAD] == end
        assert ("pix_consumer_committed_offset", UNREAD) not in found
        produce(kafka, 2)
        wait_for(lambda: values(watch)["pix_consumer_lag_records", GROUP] == 3)  # and a marker
        wait_for(lambda: values(watch)["pix_consumer_lag_seconds", GROUP] != 0)


class MayBeAway:
    """Kafka's administration, which does not answer while `away` has an element."""

    def __init__(self, kafka: MemoryKafka, away: list[None]) -> None:
        self._admin, self._away = kafka.client().admin(), away

    def __getattr__(self, name: str) -> object:
        if self._away and name == "end_offsets":
            raise Transient("no broker answers")
        return getattr(self._admin, name)


def test_while_kafka_is_away_nothing_is_shown_and_each_outage_is_logged_once(
    kafka: MemoryKafka, caplog: pytest.LogCaptureFixture
) -> None:
    away: list[None] = []
    connected = itertools.count()

    def connect() -> MayBeAway:
        next(connected)
        return MayBeAway(kafka, away)

    with watching(kafka, connect) as watch:
        for outage in (1, 2):
            wait_for(watch.samples)
            away.append(None)
            wait_for(lambda: not watch.samples())
            before = next(connected)
            wait_for(lambda before=before: next(connected) > before + 5)  # type: ignore[misc]
            away.clear()
            assert caplog.text.count("the lag cannot be measured: no broker answers") == outage
        wait_for(watch.samples)


def test_an_unexpected_error_ends_no_measurement_for_good(
    kafka: MemoryKafka, caplog: pytest.LogCaptureFixture
) -> None:
    failures = [RuntimeError("a fault of the library")] * 3

    def connect() -> object:
        if failures:
            raise failures.pop()
        return kafka.client().admin()

    with watching(kafka, connect) as watch:
        wait_for(watch.samples)
    assert caplog.text.count("the lag cannot be measured: unexpected error") == 1


def test_without_groups_nothing_is_measured(kafka: MemoryKafka) -> None:
    watch = LagWatch(lambda: kafka.client().admin(), {}, 0.01)
    watch.start()
    watch.stop()
    assert watch.samples() == []
