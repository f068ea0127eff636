"""One component in its own process; `pixstream run` starts one for each replica.

The child loads the same configuration as its supervisor, opens its own clients (they are never
forked), runs one loop, and reports on a pipe about once a second. `lifeline` defines how it ends.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pixstream import config, kafka, logs
from pixstream.errors import ConfigError, FencedError, PixstreamError
from pixstream.event.sealing import Sealer
from pixstream.loops.consume import ConsumeLoop
from pixstream.loops.process import ProcessLoop
from pixstream.loops.produce import ProduceLoop
from pixstream.loops.reading import ReadingLoop
from pixstream.plugins.consumer import OwnsItsLoop
from pixstream.plugins.listening import Listens
from pixstream.plugins.producer import ReportsWaiting
from pixstream.privacy import keys
from pixstream.processes import lifeline
from pixstream.processes.lifeline import EXIT_CONFIG, EXIT_FAILED, EXIT_FENCED, EXIT_OK
from pixstream.processes.report import STARTING, Reporter
from pixstream.runtime import letter_writer, sealer

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator, Sequence

    from pixstream.config.settings import Settings
    from pixstream.event.lenient import SealExtra
    from pixstream.plugins.component import Component, Loop

log = logging.getLogger("pixstream.component")

STOPPED = {"event.action": "component-stopped", "event.outcome": "failure"}
"""Fields of the line that says why a component ends."""


class ChildSpec(msgspec.Struct, kw_only=True):
    """What a child must run: its supervisor passes it as JSON in the only argument.

    `report_fd`, `lock_fd` and `listen_fd` are open files that the child inherits: the pipe for
    reports, the lock of its replica, which it holds as long as it lives, and the socket that its
    component listens on.
    """

    config_path: str
    environment: str | None
    overrides: list[str]
    name: str
    replica: int
    report_fd: int | None = None
    lock_fd: int | None = None
    listen_fd: int | None = None
    parent: int = 0


def main(arguments: Sequence[str]) -> int:
    """Run the component that the argument describes; return the exit code."""
    spec = msgspec.json.decode(arguments[0], type=ChildSpec)
    if spec.parent:
        lifeline.end_with(spec.parent)
    stop = lifeline.Stop()
    reporter = Reporter(spec.report_fd, stop)
    lifeline.obey(stop, lambda: reporter.state == STARTING)
    for descriptor in (spec.report_fd, spec.lock_fd, spec.listen_fd):
        if descriptor is not None:  # not inherited by programs that we start
            os.set_inheritable(descriptor, False)
    reporter.start()
    try:
        return _run_spec(spec, stop, reporter)
    finally:
        lifeline.disregard_requests()
        reporter.report()


def _run_spec(spec: ChildSpec, stop: lifeline.Stop, reporter: Reporter) -> int:
    label = f"{spec.name}-{spec.replica}"
    try:
        settings = config.load(
            Path(spec.config_path),
            env=spec.environment,
            overrides=spec.overrides,
            only=[spec.name],
        )
        reporter.lines = logs.configure(settings.logging, spec.name, spec.replica).counts
        listening = None if spec.listen_fd is None else socket.socket(fileno=spec.listen_fd)
        run(settings, spec.name, spec.replica, stop, reporter, listening)
    except ConfigError as error:
        _say("%s: %s", label, error)
        return EXIT_CONFIG
    except FencedError as error:
        _say("%s: %s", label, error)
        return EXIT_FENCED
    except PixstreamError as error:
        _say("%s stops, nothing of its batch is committed: %s", label, error)
        return EXIT_FAILED
    except Exception:
        text = "%s stops, nothing of its batch is committed: unexpected error"
        log.exception(text, label, extra={"ecs": STOPPED})
        return EXIT_FAILED
    return EXIT_OK


def _say(text: str, label: str, error: PixstreamError) -> None:
    """Log why the component stops; a trace does not explain one of our own errors."""
    fields = STOPPED | {"error.type": type(error).__name__}
    log.error(text, label, error, extra={"ecs": fields})


def run(
    settings: Settings,
    name: str,
    replica: int,
    stop: threading.Event,
    reporter: Reporter | None = None,
    listening: socket.socket | None = None,
) -> None:
    """Run the loop of one component until `stop`.

    Args:
        settings: the configuration.
        name: the component.
        replica: its number.
        stop: set to end.
        reporter: follows the loop.
        listening: the socket of a component that listens; None: it opens its own.

    Raises:
        PixstreamError: waiting does not cure the failure.
    """
    vault = keys(settings.privacy)[1]
    client = kafka.connect(settings.kafka)
    letters = letter_writer(settings, name, vault)
    loop: Loop
    waits: Callable[[], bool] = bool
    if name in settings.producers:
        producer = settings.producers[name]
        producer.replica = replica
        loop = ProduceLoop(
            producer,
            client,
            sealer(settings),
            letters,
            max_event_bytes=settings.kafka.max_event_bytes,
            retry=settings.retry,
            stop=stop,
        )
        counts = producer.counts
        if isinstance(producer, ReportsWaiting):
            waits = producer.waits
    elif name in settings.consumers:
        consumer = settings.consumers[name]
        consumer.replica = replica
        if isinstance(consumer, OwnsItsLoop):
            loop = consumer.loop(settings, stop)
        else:
            loop = ConsumeLoop(
                consumer,
                client,
                letters,
                retry=settings.retry,
                stop=stop,
                seal_extra=_seal_extra(settings),
                contract=settings.schema.contract,
            )
        counts = consumer.counts
    elif name in settings.processors:
        processor = settings.processors[name]
        processor.replica = replica
        loop = ProcessLoop(
            processor,
            client,
            letters,
            retry=settings.retry,
            stop=stop,
            seal_extra=_seal_extra(settings),
            contract=settings.schema.contract,
        )
        counts = processor.counts
    else:
        known = ", ".join(settings.components)
        raise ConfigError(f"no component named {name}; configured: {known}")
    if isinstance(loop, ProduceLoop | ReadingLoop):
        loop.lines.sample = settings.logging.sample
    if reporter is not None:
        reporter.follow(loop, counts, waits)
    with _answering(settings.components[name], listening):
        loop.run()


@contextmanager
def _answering(component: Component, listening: socket.socket | None) -> Iterator[None]:
    """Let a component that listens answer for as long as its process works."""
    if not isinstance(component, Listens):
        yield
        return
    component.serve(listening)
    try:
        yield
    finally:
        component.hang_up()


def _seal_extra(settings: Settings) -> SealExtra:
    """Return a function that seals the unknown keys of a newer writer."""
    pseudonym, vault = keys(settings.privacy)
    seal = Sealer(pseudonym, vault, allowlist=frozenset(settings.privacy.extra_allowlist))
    return lambda extra, event_id: seal.seal_extra(extra, {}, event_id)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
