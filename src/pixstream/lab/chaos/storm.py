"""The schedule and injection of faults, in two lanes that do not wait for each other.

One lane hits processes, the other their environment: broker, connections, disk, sources. The seed
determines the order; the state of a process at the time of a fault is random.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from contextlib import closing
from random import Random
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import psutil

from pixstream.errors import PixstreamError
from pixstream.kafka.names import EVENT_TOPICS
from pixstream.kafka.transactions import Writer
from pixstream.lab.chaos.site import CONSUMER, PROCESSOR, SESSION_MS
from pixstream.patience import Patience

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pixstream.lab.chaos.oracle import Oracle
    from pixstream.lab.chaos.site import Site
    from pixstream.lab.chaos.sources import Sources

log = logging.getLogger("pixstream.lab.chaos")

PROCESS_FAULTS = {
    "kill_producer": 8.0,
    "kill_consumer": 10.0,
    "kill_processor": 5.0,
    "kill_supervisor": 1.9,
    "burst": 0.4,
    "stop": 0.5,
    "join": 0.5,
}
"""Faults per minute of the first lane, which takes longer on a busy machine: see `stalls`."""

WORLD_FAULTS = {
    "kill_broker": 0.85,
    "cut": 1.5,
    "lose_answers": 1.5,
    "slow": 0.7,
    "disk_full": 0.5,
    "storage_error": 0.4,
    "rotate": 2.0,
    "poison_at_end": 2.0,
}
"""Faults per minute of the second lane."""

KILLED = ("producers", "consumers", "processors", "supervisor", "broker")
_BURST_SECONDS = 10.0
_VICTIM_SECONDS = 20.0
"""Longest idle time before a running supervisor has started a component."""

_LOOK_SECONDS = 0.5


class Weather(NamedTuple):
    """The parameters of a storm.

    Attributes:
        facts: distinct facts delivered during the storm, at an even pace.
        seconds: duration, not counting the time in which processes are spared.
        seed: seed of facts and faults.
        rates: faults per minute by name; a fault without a rate is omitted.
    """

    facts: int
    seconds: float
    seed: int
    rates: Mapping[str, float] = MappingProxyType({**PROCESS_FAULTS, **WORLD_FAULTS})


class _Later(NamedTuple):
    """The action that ends a fault, and its time (monotonic seconds)."""

    when: float
    action: Callable[[], None]


class Storm:
    """A storm that injects as many faults as the weather demands, however long that takes.

    Args:
        site: the pipeline to hit.
        sources: rotate the log, and deliver malformed pieces.
        oracle: numbers the malformed pieces.
        weather: duration and rates.
        spare: returns whether processes were hit too often to make progress: then they are spared,
            and the rest of their lane is postponed.

    Attributes:
        kills: number of SIGKILLs that hit a running process, by kind.
        faults: number of all other faults, by name.
        spared_seconds: how long processes were spared.
        disk_shut: the tables' disk accepts no writes now.
    """

    def __init__(
        self,
        site: Site,
        sources: Sources,
        oracle: Oracle,
        weather: Weather,
        spare: Callable[[], bool],
    ) -> None:
        self._spare = spare
        self._site = site
        self._sources = sources
        self._oracle = oracle
        self._rng = Random(f"storm/{weather.seed}")
        self._seconds = weather.seconds
        self._rates = weather.rates
        self._over = threading.Event()
        self._error: BaseException | None = None
        self._later: list[_Later] = []
        # Not in the lane: it may be waiting for a supervisor's children, one of them frozen.
        self._wakings: list[threading.Timer] = []
        self._threads = [
            threading.Thread(target=self._lane, args=lane, name=f"storm-{n}", daemon=True)
            for n, lane in enumerate([(PROCESS_FAULTS, self._later), (WORLD_FAULTS, [])])
        ]
        self.kills: Counter[str] = Counter(dict.fromkeys(KILLED, 0))
        self.faults: Counter[str] = Counter()
        self.spared_seconds = 0.0
        self.disk_shut = False

    def start(self) -> None:
        """Start injecting faults."""
        self._started = time.monotonic()
        for thread in self._threads:
            thread.start()

    def over(self) -> bool:
        """Return whether the storm is over.

        Raises:
            PixstreamError: a fault found a broken promise: an orphan, or a broker that stays down.
        """
        if self._error is not None:
            raise self._error
        return not any(thread.is_alive() for thread in self._threads)

    def stop(self) -> None:
        """End early, and undo every fault."""
        self._over.set()
        for thread in [*self._threads, *self._wakings]:
            thread.join()

    def _lane(self, rates: dict[str, float], later: list[_Later]) -> None:
        try:
            for due, name in self._schedule(rates):
                self._wait_for(due, later, spare=rates is PROCESS_FAULTS)
                if self._over.is_set():
                    break
                getattr(self, f"_{name}")()
        except BaseException as error:  # noqa: BLE001  `over` raises it in the main thread
            self._error = error
        finally:
            self._put_right(later, everything=True)

    def _wait_for(self, due: float, later: list[_Later], *, spare: bool) -> None:
        """Return at the second `due` of a lane, or when the storm is over."""
        while not self._over.is_set():
            self._put_right(later)
            late = self.spared_seconds if spare else 0.0
            wait = self._started + due + late - time.monotonic()
            spared = wait <= 0 and spare and self._spare()
            if wait <= 0 and not spared:
                return
            began = time.monotonic()
            self._over.wait(_LOOK_SECONDS if spared else min(wait, _LOOK_SECONDS))
            self.spared_seconds += (time.monotonic() - began) * spared

    def _schedule(self, rates: dict[str, float]) -> list[tuple[float, str]]:
        """Return every fault with its second: evenly spread, each at random in its interval."""
        strikes: list[tuple[float, str]] = []
        for name in rates:
            count = round(self._rates.get(name, 0.0) * self._seconds / 60)
            stretch = self._seconds / max(1, count)
            strikes += [((place + self._rng.random()) * stretch, name) for place in range(count)]
        return sorted(strikes)

    def _put_right(self, lane: list[_Later], *, everything: bool = False) -> None:
        """Undo the faults whose time has come."""
        now = time.monotonic()
        due = [item for item in lane if everything or item.when <= now]
        lane[:] = [item for item in lane if item not in due]
        for item in due:
            item.action()

    # Processes

    def _victims(self, kind: str | None) -> list[psutil.Process]:
        living = self._site.components().items()
        return [process for label, process in living if kind in {None, _kind(label)}]

    def _kill(self, kind: str | None = None) -> None:
        """SIGKILL a running component of a kind; wait for one while the supervisor is running."""
        patience = Patience(_VICTIM_SECONDS)
        while self._site.is_running() and not (patience.exhausted or self._over.is_set()):
            living = self._site.components()
            labels = [label for label in sorted(living) if kind in {None, _kind(label)}]
            if labels:
                label = self._rng.choice(labels)
                try:
                    living[label].kill()
                except psutil.NoSuchProcess:
                    continue
                self.kills[_kind(label)] += 1
                return
            time.sleep(0.1)

    def _kill_producer(self) -> None:
        self._kill("producers")

    def _kill_consumer(self) -> None:
        self._kill("consumers")

    def _kill_processor(self) -> None:
        self._kill("processors")

    def _kill_supervisor(self) -> None:
        self.kills["supervisor"] += self._site.kill_supervisor()

    def _burst(self) -> None:
        """Kill a member every 0.1 to 1 s: none lives long enough to finish anything."""
        self.faults["bursts"] += 1
        deadline = time.monotonic() + min(_BURST_SECONDS, self._seconds / 6)
        while time.monotonic() < deadline and not self._over.is_set():
            self._kill()
            time.sleep(self._rng.uniform(0.1, 1.0))

    def _stop(self) -> None:
        """Freeze a member for longer than its session and its transaction, then resume it."""
        victims = list(self._site.components().values())
        if not victims:
            return
        victim = self._rng.choice(victims)
        try:
            victim.suspend()
        except psutil.NoSuchProcess:
            return
        self.faults["stops"] += 1
        seconds = SESSION_MS / 1000 + self._rng.uniform(1, 7)
        waking = threading.Timer(seconds, _wake, [victim])
        waking.daemon = True
        waking.start()
        self._wakings.append(waking)

    def _join(self) -> None:
        """Add a replica for some seconds: the group rebalances twice."""
        self._site.join()
        self.faults["joins"] += 1
        until = time.monotonic() + self._rng.uniform(6, 15)
        self._later.append(_Later(until, self._site.leave))

    # The environment

    def _kill_broker(self) -> None:
        self._site.kill_broker(lambda: time.sleep(self._rng.uniform(0, 2)))
        self.kills["broker"] += 1

    def _cut(self) -> None:
        self._site.proxy.refusing = True
        self._site.proxy.cut()
        self.faults["cuts"] += 1
        self._over.wait(self._rng.choice((0, 0.2, 1, 4)))
        self._site.proxy.refusing = False

    def _lose_answers(self) -> None:
        """Lose the answers to requests that Kafka has executed, by cutting the connections."""
        self._site.proxy.silent = True
        self._over.wait(self._rng.uniform(0.1, 1))
        self._site.proxy.cut()
        self._site.proxy.silent = False
        self.faults["lost_answers"] += 1

    def _slow(self) -> None:
        self.faults["slowdowns"] += 1
        self._site.proxy.delay = self._rng.uniform(0.02, 0.3)
        self._over.wait(self._rng.uniform(2, 6))
        self._site.proxy.delay = 0.0

    def _disk_full(self) -> None:
        ballast = self._site.fill_disk()
        if ballast is not None:
            self.faults["disk_full"] += 1
            self.disk_shut = True
            self._over.wait(self._rng.uniform(1, 5))
            ballast.unlink()
            self.disk_shut = False

    def _storage_error(self) -> None:
        """Make the tables' disk read-only; the remount fails while a file is being written."""
        for _ in range(50):
            if self._site.read_only(on=True):
                self.faults["storage_errors"] += 1
                self.disk_shut = True
                self._over.wait(self._rng.uniform(1, 4))
                break
            time.sleep(0.02)
        while self._site.own_disk and not self._site.read_only(on=False):
            time.sleep(0.05)
        self.disk_shut = False

    def _rotate(self) -> None:
        self._sources.log.rotate()

    def _poison_at_end(self) -> None:
        """Write a record that is not an event to a partition's end: a batch may end with it."""
        number = self._sources.next_poison()
        topic = self._rng.choice(sorted(EVENT_TOPICS.values()))
        self._oracle.poison_offered.add(number, 1)
        value = self._oracle.poison(number).encode()
        try:
            with (
                closing(Writer(self._site.client, "pixstream/chaos/stray")) as writer,
                writer.transaction() as transaction,
            ):
                transaction.send(topic, value, value, ())
        except PixstreamError:
            return  # offered, never acknowledged
        self._oracle.poison_acknowledged.add(number, 1)
        self.faults["poison_at_end"] += 1


def _kind(label: str) -> str:
    """Return the kind of a component, by its label."""
    kinds = {CONSUMER: "consumers", PROCESSOR: "processors"}
    return kinds.get(label.rpartition("-")[0], "producers")


def _wake(process: psutil.Process) -> None:
    try:
        process.resume()
    except psutil.NoSuchProcess:
        log.info("a stopped member exited before it was resumed")
