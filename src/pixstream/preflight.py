"""Checks everything that a run needs, without reading or writing an event: `pixstream check`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pixstream import kafka
from pixstream.errors import PixstreamError
from pixstream.privacy import keys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pixstream.config.settings import Settings
    from pixstream.kafka.ports import Admin
    from pixstream.kafka.settings import KafkaSettings


_NO_BROKER = "not checked without a broker"


class Finding(NamedTuple):
    """One line of the report; `ok` is None if it was not checked, and `text` says why."""

    ok: bool | None
    what: str
    text: str


def examine(settings: Settings, address: KafkaSettings | None) -> Iterator[Finding]:
    """Check keys, broker, topics, sources, destinations and processors, in that order.

    Args:
        settings: a valid configuration.
        address: the address of Kafka; None: the embedded broker is not running.
    """
    yield _try("keys", lambda: _keys(settings))
    if address is None:
        text = "the embedded broker is not running; `pixstream run` starts it"
        yield Finding(None, "broker", text)
        yield Finding(None, "topics", _NO_BROKER)
    else:
        yield from _kafka(settings, address)
    for name, producer in settings.producers.items():
        yield _tried(f"producer {name}", producer.check, enabled=producer.enabled)
    for name, consumer in settings.consumers.items():
        yield _tried(f"consumer {name}", consumer.check, enabled=consumer.enabled)
    for name, processor in settings.processors.items():
        yield _tried(f"processor {name}", processor.check, enabled=processor.enabled)


def _kafka(settings: Settings, address: KafkaSettings) -> Iterator[Finding]:
    try:
        admin = kafka.connect(address).admin()
    except PixstreamError as error:
        yield Finding(False, "broker", str(error))
        yield Finding(None, "topics", _NO_BROKER)
        return
    try:
        broker = _try(
            "broker", lambda: f"{address.bootstrap_servers} is cluster {admin.cluster_id()}"
        )
        yield broker
        if broker.ok:
            yield _try("topics", lambda: _topics(settings, admin))
        else:
            yield Finding(None, "topics", _NO_BROKER)
    finally:
        admin.close()


def _topics(settings: Settings, admin: Admin) -> str:
    wanted = settings.declared_topics
    existing = admin.topics()
    missing = [spec.name for spec in wanted if spec.name not in existing]
    if missing:
        raise PixstreamError(f"missing: {', '.join(missing)}; create with `pixstream topics apply`")
    return f"all {len(wanted)} exist; `pixstream topics plan` compares their settings"


def _keys(settings: Settings) -> str:
    keys(settings.privacy)
    return f"both keys are usable, key id {settings.privacy.key_id}"


def _tried(what: str, check: Callable[[], str], *, enabled: bool) -> Finding:
    if not enabled:
        return Finding(None, what, "enabled: false")
    return _try(what, check)


def _try(what: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(True, what, check())
    except PixstreamError as error:
        return Finding(False, what, str(error))
