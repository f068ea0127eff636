"""Rules between settings, which a schema of a single setting cannot express."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from pixstream import logs
from pixstream.errors import ConfigError
from pixstream.event.categories import TOPIC_PREFIX
from pixstream.http_serving.limits import networks
from pixstream.kafka.embedded import refusal
from pixstream.kafka.names import CHANGELOG_PREFIX, DLQ, EVENT_TOPICS
from pixstream.kafka.topics.declared import DEFAULT_TOPICS, TopicSettings, spec
from pixstream.plugins.processor import topics_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pixstream.config.settings import Settings

Broken = tuple[tuple[str, ...], str]
"""The path of the setting to change, and what is wrong with it."""

SUPERVISOR = "supervisor"
"""The name of `pixstream run` itself in `logging.levels` and in log lines."""

_CARRIERS = frozenset({*EVENT_TOPICS.values(), DLQ})
"""The topics that carry what sources send."""


def broken(settings: Settings, *, whole: bool = True) -> list[Broken]:
    """Return every rule that these settings break.

    Args:
        settings: the settings.
        whole: every component is among them; otherwise what concerns all of them is not judged.
    """
    chosen = (*_RULES, *(_RULES_OF_THE_WHOLE if whole else ()))
    return [found for rule in chosen for found in rule(settings)]


def _credentials(settings: Settings) -> Iterator[Broken]:
    kafka = settings.kafka
    if not kafka.security_protocol.startswith("SASL_"):
        return
    for name in ("username", "password"):
        if not getattr(kafka.sasl, name):
            yield (
                ("kafka", "sasl", name),
                f"security_protocol {kafka.security_protocol} needs a {name}",
            )


def _tls_files(settings: Settings) -> Iterator[Broken]:
    kafka, tls = settings.kafka, settings.kafka.tls
    if "SSL" not in kafka.security_protocol:
        return
    if tls.key_file and not tls.certificate_file:
        yield ("kafka", "tls", "key_file"), "a client key needs its certificate_file as well"
    for name in ("ca_file", "certificate_file", "key_file"):
        file = getattr(tls, name)
        if file is not None and not _is_file(file):
            # Do not repeat the text: it may be the key itself.
            yield ("kafka", "tls", name), "is not an existing file; give the path of a PEM file"


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except OSError:  # too long for a file name
        return False


def _names(settings: Settings) -> Iterator[Broken]:
    kinds = ("producers", "consumers", "processors")
    for section, other in combinations(kinds, 2):
        for name in getattr(settings, section).keys() & getattr(settings, other).keys():
            who = f"a {other.removesuffix('s')} has this name too"
            yield (section, name), f"{who}; every component needs its own"


def _checkpoints(settings: Settings) -> Iterator[Broken]:
    if "://" in settings.spark.checkpoints:
        yield (
            ("spark", "checkpoints"),
            "must be a directory: give a path of this machine, or a volume (/Volumes/…)",
        )


def _categories(settings: Settings) -> Iterator[Broken]:
    known = ", ".join(EVENT_TOPICS)
    for name, reader in settings.readers.items():
        section = "consumers" if name in settings.consumers else "processors"
        path = (section, name, "categories")
        for category in reader.categories:
            if category not in EVENT_TOPICS:
                yield path, f"unknown category {category!r}; known: {known}"
        if len(set(reader.categories)) < len(reader.categories):
            yield path, "a category is listed twice"
        if not reader.categories:
            yield path, f"no category, so nothing would be read; known: {known}"


def _topics(settings: Settings) -> Iterator[Broken]:
    written = topics_of(settings.processors)
    for name, topic in settings.topics.items():
        try:
            config = spec(name, topic, written.get(name)).config
        except ConfigError as error:
            yield ("topics", name), str(error).removeprefix(f"topic {name}: ")
            continue
        setting = "max_letter_bytes" if name == DLQ else "max_event_bytes"
        needed = getattr(settings.kafka, setting) if name in _CARRIERS else 0
        if int(config.get("max.message.bytes", needed)) < needed:
            yield ("topics", name, "max_message_bytes"), f"below kafka.{setting}, {needed}"


def _unused_topics(settings: Settings) -> Iterator[Broken]:
    """Refuse a topic that nothing reads or writes: it was meant to be one of ours."""
    used = {*DEFAULT_TOPICS, *topics_of(settings.processors)}
    for name in settings.topics:
        if name not in used:
            text = (
                "no component reads or writes this topic; for other names in Kafka set "
                f"kafka.topic_prefix, and keep these names here: {', '.join(sorted(used))}"
            )
            yield ("topics", name), text


def _written_topics(settings: Settings) -> Iterator[Broken]:
    """Check that a processor writes only topics of its own, which `topics apply` manages."""
    for name, processor in settings.processors.items():
        for topic, default in processor.writes.items():
            path = ("processors", name)
            if topic in DEFAULT_TOPICS or topic.startswith(CHANGELOG_PREFIX):
                yield path, f"its class declares topic {topic}, which is pixstream's own"
            elif not topic.startswith(TOPIC_PREFIX):
                yield (
                    path,
                    f"its class declares topic {topic}, whose name must begin with {TOPIC_PREFIX}",
                )
            elif topic not in settings.topics:
                try:
                    spec(topic, TopicSettings(), default)
                except ConfigError as error:
                    yield path, str(error)


def _broker_properties(settings: Settings) -> Iterator[Broken]:
    """Refuse what would keep the embedded broker from answering where its clients look."""
    for name in settings.broker.properties:
        why = refusal(name)
        if why is not None:
            yield ("broker", "properties", name), why


def _waits(settings: Settings) -> Iterator[Broken]:
    for path, waits in (
        (("retry",), settings.retry),
        (("supervisor", "restart"), settings.supervisor.restart),
    ):
        if waits.min_seconds > waits.max_seconds:
            yield (*path, "min_seconds"), f"above max_seconds, {waits.max_seconds:g}"
    limit = settings.kafka.max_poll_interval_ms / 1000
    if settings.retry.max_seconds >= limit:
        yield (
            ("retry", "max_seconds"),
            f"must be below kafka.max_poll_interval_ms, {limit:g} s, or partitions are lost",
        )


def _transactions(settings: Settings) -> Iterator[Broken]:
    """Leave half of the transaction time-out for sending and committing what was read."""
    limit = settings.kafka.transaction_timeout_ms / 2000
    for name, producer in settings.producers.items():
        if producer.batch.seconds > limit:
            path = ("producers", name, "batch", "seconds")
            half = f"half of kafka.transaction_timeout_ms, {limit:g} s"
            yield path, f"above {half}: Kafka aborts longer ones; lower it, or raise that"


def _networks(settings: Settings) -> Iterator[Broken]:
    listed = {"metrics": settings.metrics.allow_from, "page": settings.page.allow_from}
    for section, texts in listed.items():
        try:
            networks(texts)
        except ConfigError as error:
            yield (section, "allow_from"), str(error).removeprefix("allow_from: ")


def _levels(settings: Settings) -> Iterator[Broken]:
    """Refuse a level for nobody: the lines that were meant keep theirs."""
    known = sorted({SUPERVISOR, *settings.components})
    for name in settings.logging.levels:
        if name not in known and not name.startswith(f"{logs.OURS}."):
            text = (
                f"no component and no logger has this name; components: {', '.join(known)}; "
                "loggers begin with pixstream."
            )
            yield ("logging", "levels", name), text


_RULES: tuple[Callable[[Settings], Iterator[Broken]], ...] = (
    _credentials,
    _tls_files,
    _names,
    _broker_properties,
    _categories,
    _checkpoints,
    _topics,
    _written_topics,
    _waits,
    _transactions,
    _networks,
)

_RULES_OF_THE_WHOLE: tuple[Callable[[Settings], Iterator[Broken]], ...] = (
    _unused_topics,
    _levels,
)
