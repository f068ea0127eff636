"""Checks everything that a run needs, without reading or writing an event: `pixstream check`."""

from __future__ import annotations

import datetime as dt
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from pixstream import kafka, pem_files
from pixstream.config import show
from pixstream.errors import ConfigError, PixstreamError, PortTakenError
from pixstream.plugins.component import Warns
from pixstream.plugins.listening import Listens
from pixstream.privacy import key_files, keys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pixstream.config.settings import Settings
    from pixstream.http_serving.exposure import Listener
    from pixstream.kafka.ports import Admin
    from pixstream.kafka.settings import KafkaSettings
    from pixstream.plugins.component import Component

_NO_BROKER = "not checked without a broker"


class Finding(NamedTuple):
    """One line of the report.

    Attributes:
        ok: None if it was not checked, and `text` says why.
        what: what was checked.
        text: what was found.
        warns: it works today, but somebody should act.
        port_taken: another process listens on the port of the component.
    """

    ok: bool | None
    what: str
    text: str
    warns: bool = False
    port_taken: bool = False


def examine(settings: Settings, address: KafkaSettings | None) -> Iterator[Finding]:
    """Check keys, certificates, metrics, page, broker, topics and components, in that order.

    Args:
        settings: a valid configuration.
        address: the address of Kafka; None: the embedded broker is not running.
    """
    yield _try("keys", lambda: _keys(settings))
    yield from _files(settings)
    yield _tried("metrics", lambda: _metrics(settings), enabled=settings.metrics.enabled)
    yield _tried("page", lambda: _page(settings), enabled=settings.page.enabled)
    if address is None:
        text = "the embedded broker is not running; `pixstream run` starts it"
        yield Finding(None, "broker", text)
        yield Finding(None, "topics", _NO_BROKER)
    else:
        yield from _kafka(settings, address)
    for name, producer in settings.producers.items():
        yield _tried(f"producer {name}", partial(_component, producer), enabled=producer.enabled)
    for name, consumer in settings.consumers.items():
        yield _tried(f"consumer {name}", partial(_component, consumer), enabled=consumer.enabled)
    for name, processor in settings.processors.items():
        yield _tried(f"processor {name}", partial(_component, processor), enabled=processor.enabled)
    yield from _warnings(settings)


def exposed(settings: Settings, components: Iterable[Component]) -> list[str]:
    """Return what listens for strangers without anybody having said so, and what to do about it.

    Args:
        settings: a valid configuration.
        components: those that run.
    """
    listeners = {c.name: c.listener() for c in components if isinstance(c, Listens)}
    if settings.metrics.enabled:
        listeners["metrics"] = settings.metrics.listener()
    if settings.page.enabled:
        listeners["page"] = settings.page.listener()
    exposures = {name: listener.exposure for name, listener in listeners.items()}
    return [f"{name}: {text}" for name, text in exposures.items() if text is not None]


def _component(component: Component) -> str:
    if isinstance(component, Listens):
        _guarded(component.listener())
    return component.check()


def _metrics(settings: Settings) -> str:
    listener = settings.metrics.listener()
    _guarded(listener)
    return f"from port {listener.port} of {listener.host}"


def _page(settings: Settings) -> str:
    listener = settings.page.listener()
    _guarded(listener)
    if settings.page.token:
        return f"from port {listener.port} of {listener.host}; actions need page.token"
    return f"from port {listener.port} of {listener.host}, to read only: page.token is not set"


def _guarded(listener: Listener) -> None:
    if listener.exposure is not None:
        raise ConfigError(listener.exposure)


def _files(settings: Settings) -> Iterator[Finding]:
    """Yield what is wrong with the files of keys and certificates that settings name."""
    for file in key_files(settings.privacy):
        for trouble in pem_files.open_to_others(file):
            yield Finding(not trouble.fails, "keys", trouble.text, warns=True)
    values = show.values(settings)
    idle = {name for name, component in settings.components.items() if not component.enabled}
    for section in ("producers", "consumers", "processors"):
        values[section] = {k: v for k, v in values[section].items() if k not in idle}
    now = dt.datetime.now(dt.UTC)
    for setting, file in pem_files.named(values):
        for trouble in pem_files.troubles(file, now):
            yield Finding(not trouble.fails, setting, trouble.text, warns=not trouble.fails)


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
    prefix = settings.kafka.topic_prefix
    named = f", with {prefix} before their names" if prefix else ""
    return f"all {len(wanted)} exist{named}; `pixstream topics plan` compares their settings"


def _keys(settings: Settings) -> str:
    keys(settings.privacy)
    return f"both keys are usable, key id {settings.privacy.key_id}"


def _warnings(settings: Settings) -> Iterator[Finding]:
    """Yield what enabled components find that works, but should not stay so."""
    for name, component in settings.components.items():
        if component.enabled and isinstance(component, Warns):
            for warning in component.warnings():
                yield Finding(True, name, warning, warns=True)


def _tried(what: str, check: Callable[[], str], *, enabled: bool) -> Finding:
    if not enabled:
        return Finding(None, what, "enabled: false")
    return _try(what, check)


def _try(what: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(True, what, check())
    except PortTakenError as error:
        return Finding(False, what, str(error), port_taken=True)
    except PixstreamError as error:
        return Finding(False, what, str(error))
