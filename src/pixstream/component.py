"""One component in its own process: what `pixstream run` starts for each of them.

The child loads the same configuration as its supervisor, opens its own clients (they are never
forked), runs one loop, and reports on a pipe: `{"state": "ready"}` once, then its counters about
once a second. It ends by itself when the supervisor dies: Linux signals it, and everywhere the
standard input that the supervisor holds comes to its end.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from pixstream import config, kafka
from pixstream.canonical import Sealer
from pixstream.dead_letters import LetterWriter
from pixstream.errors import ConfigError, FencedError, PixstreamError
from pixstream.ingest.consume import ConsumeLoop
from pixstream.ingest.produce import ProduceLoop
from pixstream.observability import logs
from pixstream.privacy import keys

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pixstream.config.settings import Settings
    from pixstream.privacy import Vault

log = logging.getLogger("pixstream.component")

EXIT_OK, EXIT_FAILED, EXIT_CONFIG, EXIT_FENCED = 0, 1, 2, 3
REPORT_SECONDS = 1.0
_PR_SET_PDEATHSIG = 1


class Order(msgspec.Struct, kw_only=True):
    """What a supervisor tells a child to be, as JSON in its only argument."""

    config_path: str
    environment: str | None
    overrides: list[str]
    name: str
    replica: int
    report_fd: int | None = None
    parent: int = 0


def main(arguments: Sequence[str]) -> int:
    """Run the component that the order names; the exit code says how it ended."""
    order = msgspec.json.decode(arguments[0], type=Order)
    stop = threading.Event()
    _end_with(order.parent, stop)
    signal.signal(signal.SIGTERM, lambda *_: _terminate(stop))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    label = f"{order.name}-{order.replica}"
    try:
        settings = config.load(
            Path(order.config_path),
            env=order.environment,
            overrides=order.overrides,
            only=[order.name],
        )
        logs.configure(settings.logging, label)
        run(settings, order.name, order.replica, stop, _Reporter(order.report_fd))
    except ConfigError as error:
        log.error("%s: %s", label, error)  # noqa: TRY400  a trace adds nothing to a setting
        return EXIT_CONFIG
    except FencedError as error:
        log.error("%s: %s", label, error)  # noqa: TRY400  the newer owner goes on
        return EXIT_FENCED
    except PixstreamError as error:
        log.error("%s stops, nothing of its batch is committed: %s", label, error)  # noqa: TRY400
        return EXIT_FAILED
    except Exception:
        log.exception("%s stops, nothing of its batch is committed: unexpected error", label)
        return EXIT_FAILED
    return EXIT_OK


def run(
    settings: Settings,
    name: str,
    replica: int,
    stop: threading.Event,
    reporter: _Reporter | None = None,
) -> None:
    """Run the loop of one component until `stop`.

    Raises:
        PixstreamError: what waiting does not cure.
    """
    pseudonym, vault = keys(settings.privacy)
    client = kafka.connect(settings.kafka)
    letters = letter_writer(settings, name, vault)
    loop: ProduceLoop | ConsumeLoop
    stats: Callable[[], Mapping[str, int]] = dict
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
    elif name in settings.consumers:
        consumer = settings.consumers[name]
        consumer.replica = replica
        seal = Sealer(pseudonym, vault, allowlist=frozenset(settings.privacy.extra_allowlist))
        loop = ConsumeLoop(
            consumer,
            client,
            letters,
            retry=settings.retry,
            stop=stop,
            seal_extra=lambda extra, event_id: seal.seal_extra(extra, {}, event_id),
        )
        stats = consumer.stats
    else:
        known = ", ".join([*settings.producers, *settings.consumers])
        raise ConfigError(f"no component named {name}; configured: {known}")
    if reporter is not None:
        reporter.start(loop, stats)
    loop.run()
    if reporter is not None:
        reporter.report(loop, stats)


def sealer(settings: Settings) -> Sealer:
    """What makes drafts canonical, as configured.

    Raises:
        KeysMissingError: a privacy key is absent.
    """
    pseudonym, vault = keys(settings.privacy)
    return Sealer(
        pseudonym,
        vault,
        own_ispbs=frozenset(settings.institution.ispbs),
        free_text=settings.privacy.free_text,
        allowlist=frozenset(settings.privacy.extra_allowlist),
        time=settings.time,
    )


def letter_writer(settings: Settings, name: str, vault: Vault) -> LetterWriter:
    """What makes the dead letters of a component."""
    return LetterWriter(name, vault, settings.kafka.max_letter_bytes, letters_directory(settings))


def letters_directory(settings: Settings) -> Path:
    """Where letters too large for Kafka lie."""
    return Path(settings.data_dir) / "letters"


class _Reporter:
    """Writes the loop's state to the supervisor's pipe from a thread of its own."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor

    def start(self, loop: ProduceLoop | ConsumeLoop, stats: Any) -> None:
        """Report every second until the process ends."""
        if self._descriptor is None:
            return

        def reports() -> None:
            while True:
                self.report(loop, stats)
                time.sleep(REPORT_SECONDS)

        threading.Thread(target=reports, daemon=True, name="report").start()

    def report(self, loop: ProduceLoop | ConsumeLoop, stats: Any) -> None:
        """Write one line: counters only, never content."""
        if self._descriptor is None:
            return
        line = {"state": loop.state, "counts": {**loop.counts, **stats()}}
        with contextlib.suppress(BrokenPipeError):
            os.write(self._descriptor, msgspec.json.encode(line) + b"\n")


def _terminate(stop: threading.Event) -> None:
    """First SIGTERM drains; a second one ends at once, still exact: nothing is half committed."""
    if stop.is_set():
        os._exit(EXIT_FAILED)
    stop.set()


def _end_with(parent: int, stop: threading.Event) -> None:
    """Make sure that this process does not outlive its supervisor."""
    if not parent:
        return
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        stop.set()

    def watch() -> None:
        # Past Python's buffer, whose lock a waiting thread would hold at the interpreter's end.
        while os.read(0, 1):
            continue
        _terminate(stop)

    threading.Thread(target=watch, daemon=True, name="supervisor-watch").start()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
