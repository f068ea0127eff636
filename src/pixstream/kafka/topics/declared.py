"""The topics of pixstream: their names, their settings in the YAML, and the specs for Kafka.

The names are fixed because producers, consumers, tables and dead letters share them. Everything
else about a topic is declared in the YAML's `topics` section, which overrides the defaults here.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Final, Literal

import msgspec
from msgspec import Meta

from pixstream.errors import ConfigError
from pixstream.kafka.ports import TopicSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

from pixstream.kafka.names import CHANGELOG_PREFIX, DLQ, DLQ_STATE, EVENT_TOPICS, POSITIONS

_MILLISECONDS: Final = MappingProxyType(
    {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
)


_RETENTION: Final = r"^(forever|[1-9][0-9]{0,11}(ms|s|m|h|d|w))$"


class TopicSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One topic of the `topics` section. A null takes the topic's default, or else the broker's."""

    partitions: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="number of partitions; it can grow later, never shrink"),
    ] = None
    replication: Annotated[
        Annotated[int, Meta(ge=1, le=32_767)] | None,
        Meta(description="copies of each partition; 3 in production"),
    ] = None
    retention: Annotated[
        Annotated[str, Meta(pattern=_RETENTION)] | None,
        Meta(description="how long records stay: 12h, 7d, 4w, … or forever"),
    ] = None
    compression: Annotated[
        Literal["producer", "lz4", "zstd", "gzip", "snappy", "uncompressed"] | None,
        Meta(description="compression codec of stored records; producer: the producer's codec"),
    ] = None
    min_insync_replicas: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="replicas that must acknowledge a record; 2 in production"),
    ] = None
    cleanup_policy: Annotated[
        Literal["delete", "compact"] | None,
        Meta(description="delete: by age; compact: keep the last record per key"),
    ] = None
    max_message_bytes: Annotated[
        Annotated[int, Meta(ge=1024)] | None,
        Meta(description="largest batch of records that the topic accepts, bytes"),
    ] = None
    config: Annotated[
        dict[str, str], Meta(description="further topic settings, by Kafka's own names")
    ] = msgspec.field(default_factory=dict)


def kept_by_key() -> TopicSettings:
    """Return the settings of a topic that keeps the last record per key, in one partition."""
    return TopicSettings(
        partitions=1,
        replication=1,
        compression="producer",
        min_insync_replicas=1,
        cleanup_policy="compact",
        max_message_bytes=2**20,
    )


def _events() -> TopicSettings:
    return TopicSettings(
        partitions=3,
        replication=1,
        retention="7d",
        compression="producer",
        min_insync_replicas=1,
        cleanup_policy="delete",
        max_message_bytes=2 * 2**20,
    )


DEFAULT_TOPICS: Final[Mapping[str, TopicSettings]] = MappingProxyType(
    {
        **{topic: _events() for topic in EVENT_TOPICS.values()},
        DLQ: TopicSettings(
            partitions=1,
            replication=1,
            retention="forever",
            compression="producer",
            min_insync_replicas=1,
            cleanup_policy="delete",
            max_message_bytes=16 * 2**20,
            config={"retention.bytes": "-1"},
        ),
        POSITIONS: kept_by_key(),
        DLQ_STATE: kept_by_key(),
    }
)
"""The default settings of each topic, for what the YAML does not set."""


_NONE: Final[Mapping[str, TopicSettings]] = MappingProxyType({})


def retention_ms(text: str) -> int:
    """Return Kafka's `retention.ms` for a text such as 7d; -1 for forever.

    Raises:
        ConfigError: the text is not a valid duration.
    """
    if re.search(_RETENTION, text) is None:
        raise ConfigError(
            f"retention {text!r} is neither forever nor a duration such as 90s, 12h, 7d"
        )
    if text == "forever":
        return -1
    number = text.rstrip("mshdw")
    return int(number) * _MILLISECONDS[text[len(number) :]]


def in_force(
    topics: Mapping[str, TopicSettings], plugins: Mapping[str, TopicSettings] = _NONE
) -> dict[str, TopicSettings]:
    """Return the settings of every topic that should exist, defaults filled in, by name.

    Args:
        topics: the `topics` section, by name.
        plugins: the topics that plugins declare, by name.
    """
    defaults = {**plugins, **DEFAULT_TOPICS}
    none = TopicSettings()
    names = dict.fromkeys([*DEFAULT_TOPICS, *plugins, *topics])
    return {name: _merged(defaults.get(name, none), topics.get(name, none)) for name in names}


def declared(
    topics: Mapping[str, TopicSettings], plugins: Mapping[str, TopicSettings] = _NONE
) -> list[TopicSpec]:
    """Return every topic that should exist: the fixed ones, and those of plugins and the YAML.

    Args:
        topics: the `topics` section, by name.
        plugins: the topics that plugins declare, by name.

    Raises:
        ConfigError: see `spec`.
    """
    defaults = {**plugins, **DEFAULT_TOPICS}
    names = dict.fromkeys([*DEFAULT_TOPICS, *plugins, *topics])
    return [spec(name, topics.get(name, TopicSettings()), defaults.get(name)) for name in names]


def spec(name: str, settings: TopicSettings, default: TopicSettings | None = None) -> TopicSpec:
    """Return the spec of a topic: its settings from the YAML over its defaults.

    Args:
        name: the topic's name.
        settings: the settings from the YAML.
        default: the settings that a plugin declares; None: those of a fixed topic, if it is one.

    Raises:
        ConfigError: the settings contradict each other, or would lose records of a fixed topic.
    """
    if re.fullmatch(r"[A-Za-z0-9._-]{1,249}", name) is None:
        raise ConfigError(
            f"topic {name!r}: a topic name has 1 to 249 letters, digits, '.', '_' or '-'"
        )
    values = _merged(default or DEFAULT_TOPICS.get(name, TopicSettings()), settings)
    named = {
        "retention.ms": str(retention_ms(values.retention)) if values.retention else None,
        "compression.type": values.compression,
        "min.insync.replicas": _text(values.min_insync_replicas),
        "cleanup.policy": values.cleanup_policy,
        "max.message.bytes": _text(values.max_message_bytes),
    }
    twice = sorted(named.keys() & values.config.keys())
    if twice:
        raise ConfigError(
            f"topic {name}: {', '.join(twice)} has its own setting; remove it from config"
        )
    config = {key: value for key, value in named.items() if value is not None} | values.config
    result = TopicSpec(name, values.partitions or 1, values.replication or 1, config)
    _check(result)
    return result


def _merged(default: TopicSettings, settings: TopicSettings) -> TopicSettings:
    """Fill the nulls of `settings` from the topic's defaults; merge `config` by key."""
    given = {
        field: value
        for field in TopicSettings.__struct_fields__
        if (value := getattr(settings, field)) is not None
    }
    return msgspec.structs.replace(default, **given | {"config": default.config | settings.config})


def _check(wanted: TopicSpec) -> None:
    """Reject a topic that nobody could write to, or that would lose records of a fixed topic."""
    name, config = wanted.name, wanted.config
    if int(config.get("min.insync.replicas", "1")) > wanted.replication:
        raise ConfigError(
            f"topic {name}: min_insync_replicas {config['min.insync.replicas']} is above "
            f"replication {wanted.replication}: no record could ever be written"
        )
    fixed: dict[str, str] = {}
    if name in EVENT_TOPICS.values():
        fixed = {"cleanup.policy": "delete"}
    elif name == DLQ:
        fixed = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
    elif name in {POSITIONS, DLQ_STATE} or name.startswith(CHANGELOG_PREFIX):
        fixed = {"cleanup.policy": "compact"}
        if wanted.partitions != 1:
            raise ConfigError(f"topic {name}: it must have one partition, to keep records in order")
    for key, value in fixed.items():
        if config.get(key) != value:
            raise ConfigError(
                f"topic {name}: {key} {config.get(key)} would lose records; it must be {value}"
            )


def _text(number: int | None) -> str | None:
    return None if number is None else str(number)
