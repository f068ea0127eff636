"""Topics: what the YAML declares, the plan of changes, and the real broker that takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from pixstream.errors import ConfigError
from pixstream.kafka.names import DLQ, DLQ_STATE, EVENT_TOPICS, POSITIONS
from pixstream.kafka.topics.declared import (
    DEFAULT_TOPICS,
    TopicSettings,
    declared,
    retention_ms,
    spec,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


def settings(section: Mapping[str, object]) -> TopicSettings:
    return msgspec.convert(section, TopicSettings)


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("forever", -1),
        ("500ms", 500),
        ("90s", 90_000),
        ("5m", 300_000),
        ("12h", 43_200_000),
        ("7d", 604_800_000),
        ("2w", 1_209_600_000),
    ],
)
def test_a_retention_is_read_in_milliseconds(text: str, milliseconds: int) -> None:
    assert retention_ms(text) == milliseconds
    assert settings({"retention": text}).retention == text


@pytest.mark.parametrize(
    "text", ["", "7", "d", "0d", "-1", "7 d", "7D", "1.5h", "7d\n7d", "forever!"]
)
def test_what_is_no_retention_is_refused_twice(text: str) -> None:
    with pytest.raises(ConfigError, match="neither forever nor a duration"):
        retention_ms(text)
    with pytest.raises(msgspec.ValidationError, match="retention"):
        settings({"retention": text})


def test_an_unknown_setting_and_a_partition_count_of_zero_are_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="partition_count"):
        settings({"partition_count": 3})
    with pytest.raises(msgspec.ValidationError, match="partitions"):
        settings({"partitions": 0})


def test_every_setting_has_a_description_for_editors() -> None:
    definition = msgspec.json.schema(TopicSettings)["$defs"]["TopicSettings"]
    assert all("description" in field for field in definition["properties"].values())


def test_a_topic_that_the_yaml_leaves_out_is_declared_all_the_same() -> None:
    specs = {s.name: s for s in declared({})}
    assert specs.keys() == {*EVENT_TOPICS.values(), DLQ, POSITIONS, DLQ_STATE}
    assert specs[DLQ].config["retention.ms"] == "-1"
    assert specs[DLQ].config["retention.bytes"] == "-1"
    assert specs[DLQ].config["max.message.bytes"] == str(16 * 2**20)
    for kept in (POSITIONS, DLQ_STATE):
        assert specs[kept].config["cleanup.policy"] == "compact"
        assert specs[kept].partitions == 1
    assert specs["pix.estornos"].config["retention.ms"] == "604800000"


def test_naming_one_setting_of_a_fixed_topic_keeps_its_other_defaults() -> None:
    wanted = spec(DLQ, settings({"replication": 3, "min_insync_replicas": 2}))
    assert wanted.replication == 3
    assert wanted.config == {**spec(DLQ, TopicSettings()).config, "min.insync.replicas": "2"}


def test_further_settings_go_to_kafka_verbatim_and_the_defaults_stay_untouched() -> None:
    wanted = spec("pix.pagamentos", settings({"config": {"segment.ms": "3600000"}}))
    assert wanted.config["segment.ms"] == "3600000"
    assert "segment.ms" not in DEFAULT_TOPICS["pix.pagamentos"].config


def test_a_topic_of_ones_own_takes_the_brokers_defaults() -> None:
    assert spec("pix.scores", TopicSettings()).config == {}


@pytest.mark.parametrize(
    ("topic", "section", "complaint"),
    [
        ("pix.pagamentos", {"cleanup_policy": "compact"}, "would lose records"),
        (DLQ, {"retention": "7d"}, "retention.ms 604800000 would lose records"),
        (DLQ, {"config": {"retention.bytes": "1000"}}, "retention.bytes 1000 would lose"),
        (DLQ, {"cleanup_policy": "compact"}, "would lose records"),
        (POSITIONS, {"cleanup_policy": "delete"}, "would lose records"),
        (POSITIONS, {"partitions": 2}, "must have one partition"),
        (DLQ_STATE, {"cleanup_policy": "delete"}, "would lose records"),
        (DLQ_STATE, {"partitions": 2}, "must have one partition"),
        ("pix.estornos", {"min_insync_replicas": 2}, "is above replication 1"),
        ("pix.estornos", {"config": {"retention.ms": "1"}}, "has its own setting"),
        ("pix estornos", {}, "a topic name has"),
    ],
)
def test_settings_that_lose_records_or_contradict_one_another_are_refused(
    topic: str, section: dict[str, object], complaint: str
) -> None:
    with pytest.raises(ConfigError, match=complaint) as caught:
        spec(topic, settings(section))
    assert topic in str(caught.value)
