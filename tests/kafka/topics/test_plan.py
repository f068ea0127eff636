"""Plans of topics: each difference named, the dangerous ones refused, the rest applied in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pixstream.errors import KafkaError, Transient
from pixstream.kafka.ports import TopicSpec, TopicState
from pixstream.kafka.topics.changes import (
    AddPartitions,
    Configure,
    Create,
    Delete,
    Plan,
    RefusedChange,
)
from pixstream.kafka.topics.declared import declared
from pixstream.kafka.topics.plan import apply, plan

if TYPE_CHECKING:
    from collections.abc import Mapping

PAGAMENTOS = TopicSpec("pix.pagamentos", 3, 1, {"retention.ms": "86400000"})


def state(spec: TopicSpec, **changed: object) -> dict[str, TopicState]:
    whole = TopicState(spec.name, "id", spec.partitions, spec.replication, spec.config)
    return {spec.name: whole._replace(**changed)}  # type: ignore[arg-type]


def drained(topic: str) -> Mapping[str, int]:
    del topic
    return {"pixstream.lake": 0}


def behind(topic: str) -> Mapping[str, int]:
    return {"pixstream.lake": 0, "pixstream.screen": 7 if topic == PAGAMENTOS.name else 0}


class Recorder:
    """Takes every call of a plan; fails at the topic it is told."""

    def __init__(self, fails: str = "", error: type[Exception] = KafkaError) -> None:
        self.calls: list[tuple[object, ...]] = []
        self._fails, self._error = fails, error

    def _took(self, topic: str, *call: object) -> None:
        if topic == self._fails:
            raise self._error("not authorised")
        self.calls.append(call)

    def create(self, spec: TopicSpec) -> None:
        self._took(spec.name, "create", spec)

    def configure(self, topic: str, config: Mapping[str, str]) -> None:
        self._took(topic, "configure", topic, config)

    def add_partitions(self, topic: str, total: int) -> None:
        self._took(topic, "add_partitions", topic, total)

    def delete(self, topic: str) -> None:
        self._took(topic, "delete", topic)


def test_an_equal_topic_is_no_change() -> None:
    assert plan([PAGAMENTOS], state(PAGAMENTOS), lags=behind) == ()


def test_a_missing_topic_is_created_with_all_that_is_declared() -> None:
    changes = plan([PAGAMENTOS], {}, lags=behind)
    assert changes == (Create(PAGAMENTOS),)
    assert str(changes[0]) == (
        "+ create pix.pagamentos (3 partitions, replication 1, retention.ms=86400000)"
    )
    dlq = next(s for s in declared({}) if s.name == "pix.dlq")
    assert str(Create(dlq)).startswith("+ create pix.dlq (1 partition, replication 1, cleanup.")


def test_settings_that_differ_are_changed_together_and_say_old_and_new() -> None:
    wanted = PAGAMENTOS._replace(config={**PAGAMENTOS.config, "segment.ms": "1000"})
    actual = state(PAGAMENTOS, config={"retention.ms": "604800000", "flush.ms": "5"})
    (change,) = plan([wanted], actual, lags=behind)
    assert str(change) == (
        "~ pix.pagamentos retention.ms 604800000 -> 86400000, segment.ms (default) -> 1000"
    )
    admin = Recorder()
    assert list(apply(Plan([change]), admin)) == [change]  # type: ignore[arg-type]
    assert admin.calls == [
        ("configure", "pix.pagamentos", {"retention.ms": "86400000", "segment.ms": "1000"})
    ]


@pytest.mark.parametrize(
    ("declared_text", "text_of_kafka"), [("0.50", "0.5"), ("a, b", "a,b"), ("TRUE", "true")]
)
def test_texts_that_mean_the_same_to_kafka_are_no_change(
    declared_text: str, text_of_kafka: str
) -> None:
    wanted = PAGAMENTOS._replace(config={"x": declared_text})
    assert plan([wanted], state(PAGAMENTOS, config={"x": text_of_kafka}), lags=behind) == ()


def test_fewer_partitions_are_refused_with_what_to_do() -> None:
    changes = plan([PAGAMENTOS], state(PAGAMENTOS, partitions=6), lags=drained)
    assert str(changes[0]) == (
        "! pix.pagamentos partitions 6 -> 3 refused: Kafka cannot remove partitions without "
        "their records; declare partitions: 6, or move to a new topic"
    )
    assert changes.refused == list(changes)
    assert changes.to_do == []


def test_more_partitions_come_when_every_group_has_read_all() -> None:
    changes = plan([PAGAMENTOS], state(PAGAMENTOS, partitions=2), lags=drained)
    assert changes == (AddPartitions("pix.pagamentos", 2, 3),)
    assert str(changes[0]) == "~ pix.pagamentos partitions 2 -> 3"


def test_more_partitions_are_refused_while_a_group_is_behind() -> None:
    (change,) = plan([PAGAMENTOS], state(PAGAMENTOS, partitions=2), lags=behind)
    assert isinstance(change, RefusedChange)
    assert "pixstream.screen has 7 records to read" in str(change)
    assert "stop the producers" in str(change)
    assert "pixstream.lake" not in str(change)


def test_another_replication_is_refused_but_its_settings_still_change() -> None:
    actual = state(PAGAMENTOS, replication=3, config={})
    changes = plan([PAGAMENTOS], actual, lags=drained)
    assert [type(change) for change in changes] == [RefusedChange, Configure]
    assert "replication 3 -> 1 refused" in str(changes[0])


def test_an_undeclared_topic_stays_unless_deleting_is_allowed() -> None:
    actual = {
        **state(PAGAMENTOS),
        **state(PAGAMENTOS._replace(name="pix.old")),
        **state(PAGAMENTOS._replace(name="somebody.elses")),
    }
    kept = plan([PAGAMENTOS], actual, lags=drained)
    assert [str(change) for change in kept] == [
        "= pix.old is not declared and stays (--allow-delete deletes it and its records)"
    ]
    assert (kept.to_do, kept.refused) == ([], [])
    assert plan([PAGAMENTOS], actual, lags=drained, allow_delete=True) == (Delete("pix.old"),)


def test_applying_makes_every_change_in_order_and_leaves_the_refused_ones() -> None:
    changes = Plan(
        [
            Create(PAGAMENTOS),
            RefusedChange("pix.dlq", "partitions 6 -> 3", "no"),
            AddPartitions("pix.estornos", 1, 2),
            Delete("pix.old"),
        ]
    )
    admin = Recorder()
    assert list(apply(changes, admin)) == changes.to_do  # type: ignore[arg-type]
    assert admin.calls == [
        ("create", PAGAMENTOS),
        ("add_partitions", "pix.estornos", 2),
        ("delete", "pix.old"),
    ]


@pytest.mark.parametrize("error", [KafkaError, Transient])
def test_the_first_error_ends_applying_and_says_what_was_done(error: type[Exception]) -> None:
    changes = Plan([Delete("pix.a"), Delete("pix.b"), Delete("pix.c")])
    admin = Recorder(fails="pix.b", error=error)
    with pytest.raises(error) as caught:
        list(apply(changes, admin))  # type: ignore[arg-type]
    assert admin.calls == [("delete", "pix.a")]
    assert str(caught.value) == (
        "Failed: - delete pix.b (not declared)\n"
        "not authorised\n"
        "Changes made before, which stay: 1 of 3. The later changes were not tried. Fix the cause "
        "and apply again."
    )
