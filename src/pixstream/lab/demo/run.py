"""The demo's run: broker, topics, sandbox bank, every producer, the Delta consumer, the proof."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from typing import TYPE_CHECKING

import msgspec

from pixstream import config, kafka
from pixstream.config.settings import MonitoringSettings
from pixstream.errors import PixstreamError, Transient
from pixstream.kafka import lag
from pixstream.kafka.embedded import HOST, metrics_address
from pixstream.kafka.names import EVENT_TOPICS, group_id
from pixstream.lab.broker.embedded import EmbeddedBroker
from pixstream.lab.demo import declaring, parity, tables
from pixstream.lab.demo.feed import Feeder
from pixstream.lab.demo.monitored import Monitored, Watch
from pixstream.lab.demo.privacy_scan import PrivacyScan
from pixstream.lab.demo.reconcile import Ledger, Outcome, Reconciliation
from pixstream.lab.demo.view import Stage, View
from pixstream.metrics.records import (
    COMMITTED,
    CONSUMED,
    DUPLICATES,
    FRESHNESS,
    LETTERS,
    READ,
    WRITTEN,
)
from pixstream.monitoring.prometheus import Targets
from pixstream.page.opening import opener
from pixstream.patience import Patience
from pixstream.privacy import keys
from pixstream.processes import endpoint
from pixstream.processes.component import ChildSpec
from pixstream.processes.lag_watch import LagWatch
from pixstream.processes.supervisor import Child, Supervisor, select

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rich.console import Console

    from pixstream.config.settings import Settings
    from pixstream.kafka.ports import Admin, Client
    from pixstream.lab.demo.place import Place
    from pixstream.metrics import Counter

STALLED_SECONDS = 120.0
"""After this long without progress, with idle processes, missing facts are lost."""

QUIET_SECONDS = 3.0


class Demo:
    """One run, from an empty directory to the reconciliation.

    Args:
        place: directory of the demo.
        events: distinct facts to offer.
        seed: seed of the simulated traffic; the same seed offers the same facts.
        console: console for progress.
        interrupted: returns the number of stop signals received.
        keep: leave broker and bank running after `run`, for `stay`.
    """

    def __init__(
        self,
        place: Place,
        events: int,
        seed: int,
        console: Console,
        interrupted: Callable[[], int],
        *,
        keep: bool = False,
    ) -> None:
        self._place = place
        self._keep = keep
        self._kept = ExitStack()
        self._feeder: Feeder | None = None
        self._overrides: list[str] = []
        self._events = events
        self._seed = seed
        self._console = console
        self._interrupted = interrupted
        self._broker = EmbeddedBroker(
            place.directory / "kafka", metrics_port=0 if place.monitored else None
        )
        settings = MonitoringSettings(log_store="opensearch")
        self.watch = Watch(place.monitoring, settings, self._say, interrupted)
        self.reconciliation: Reconciliation | None = None

    def run(self) -> Outcome:
        """Run the demo; broker, bank and components are stopped at the end, unless it is kept.

        Raises:
            PixstreamError: something could not start, or the demo was interrupted.
        """
        started = time.monotonic()
        self._broker.stop()
        self.watch.down()
        self._place.prepare()
        self._say("starting Apache Kafka")
        bootstrap = self._broker.start()
        with ExitStack() as stack:
            stack.callback(self.watch.down)
            stack.callback(self._broker.stop)
            self._overrides = [f"kafka.bootstrap_servers={bootstrap}"]
            settings = config.load(self._place.config, overrides=self._overrides)
            client = kafka.connect(settings.kafka)
            with closing(client.admin()) as admin:
                self._say(f"Kafka answers at {bootstrap}; creating topics")
                declaring.create(settings.declared_topics, admin)
                if self._place.monitored:
                    self._monitor()
                ledger = Ledger()
                feeder = Feeder(self._place, self._events, self._seed, ledger, client)
                stack.callback(feeder.close)
                supervisor = self._supervisor(settings)
                seen: Monitored | None = None
                try:
                    self._work(supervisor, feeder, admin)
                    seconds = time.monotonic() - started
                    if self._place.monitored:
                        seen = self._ask(supervisor)
                finally:
                    supervisor.stop()
                    feeder.end()
            outcome = self._reconcile(settings, client, feeder, supervisor, seconds)
            if seen is not None:
                self._say("looking for every log line in OpenSearch")
                self.watch.logs(seen, sorted(self._place.logs.glob(f"{self._place.log.name}*")))
                outcome.monitoring = seen
            if self._keep:
                self._feeder = feeder
                self._kept = stack.pop_all()
            return outcome

    def _monitor(self) -> None:
        """Start the servers; what they watch starts later."""
        self._say("starting Prometheus, Alertmanager and OpenSearch")
        broker = metrics_address(self._place.directory)
        targets = Targets(
            pixstream=[f"{HOST}:{self._place.metrics_port}"],
            kafka=[broker] if broker is not None else [],
        )
        self.watch.up(targets, self._place.log)

    def _ask(self, supervisor: Supervisor) -> Monitored:
        """Ask Prometheus while the components still run; the supervisor goes on meanwhile."""
        self._say("asking Prometheus what it has seen")
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(self.watch.metrics)
            while not answer.done():
                supervisor.step(0.2)
            return answer.result()

    def stay(self) -> None:
        """Run the components again, with the operator's page, until a stop signal comes."""
        with self._kept:
            if self._feeder is not None:
                self._feeder.trickle()
            settings = config.load(self._place.config, overrides=self._overrides)
            supervisor = self._supervisor(settings)
            try:
                supervisor.start(self._interrupted)
                while not self._interrupted():
                    supervisor.step(0.2)
            finally:
                supervisor.stop(lambda: self._interrupted() > 1)

    def _supervisor(self, settings: Settings) -> Supervisor:
        base = ChildSpec(
            config_path=os.fspath(self._place.config),
            environment=None,
            overrides=self._overrides,
            name="",
            replica=0,
        )
        components = select(settings.components, [])
        errors = (self._place.logs / "components.err").open("ab")
        lag_watch = LagWatch(
            lambda: kafka.connect(settings.kafka).admin(),
            {
                group_id(name): [EVENT_TOPICS[category] for category in reader.categories]
                for name, reader in settings.readers.items()
            },
            settings.metrics.lag_seconds,
        )
        supervisor = Supervisor(
            base,
            components,
            settings.supervisor,
            errors,
            serve=endpoint.opener(settings.metrics, lag_watch),
        )
        supervisor.open_page = opener(base, lag_watch.samples)
        return supervisor

    def _work(self, supervisor: Supervisor, feeder: Feeder, admin: Admin) -> None:
        """Feed the sources until everything has arrived, or there is no progress any more."""
        self._say("starting the sandbox bank and every component")
        feeder.start()
        supervisor.start()
        self._say(f"the operator's page, while the demo runs: {self._place.page_url}")
        moved_at = time.monotonic()
        former: tuple[object, ...] = ()
        consumers = ["delta_lake", "spark"] if self._place.spark else ["delta_lake"]
        topics = list(EVENT_TOPICS.values())
        patience = Patience(STALLED_SECONDS)
        groups = {group_id(name): topics for name in consumers}
        found = dict.fromkeys(groups, 0)
        with View(self._console, self._events) as view:
            while not self._interrupted():
                supervisor.step(0.2)
                with suppress(
                    Transient
                ):  # a busy Kafka: its last answer is shown until the next one
                    found = lag.totals(lag.lag(admin, groups))
                behind = {name: found[group_id(name)] for name in consumers}
                stages = [
                    _stage(child, behind.get(child.order.name)) for child in supervisor.children
                ]
                arrived = sum(s.done for s in stages if s.name == "delta_lake-0")
                view.update(stages, feeder.offered, arrived)
                feeder.check()
                now = (feeder.offered, *stages)
                if _settled(now) != former:
                    moved_at, former = time.monotonic(), _settled(now)
                quiet = time.monotonic() - moved_at
                at_rest = feeder.done and quiet > QUIET_SECONDS and not behind.get("spark")
                if at_rest and self._complete(feeder.ledger):
                    return
                patience.saw((former, self._files_of_spark()))
                if patience.exhausted:
                    self._say("no progress for a long time; reconciling what has arrived")
                    return
        raise PixstreamError("interrupted; everything was stopped without a reconciliation")

    def _files_of_spark(self) -> int:
        """Count the files of tables and checkpoints: Spark's counts change only per batch."""
        return sum(len(files) for _, _, files in os.walk(self._place.silver))

    def _complete(self, ledger: Ledger) -> bool:
        """Whether every offered fact is in its table; letters are counted at the end."""
        for category in EVENT_TOPICS:
            offered = {i for i, c in ledger.facts.items() if c == category}
            table = tables.read(self._place.lake / category, ["event_id"])
            stored = set() if table is None else set(table["event_id"].to_pylist())
            if not offered <= stored:
                return False
        return True

    def _reconcile(
        self,
        settings: Settings,
        client: Client,
        feeder: Feeder,
        supervisor: Supervisor,
        seconds: float,
    ) -> Outcome:
        self._say("reconciling: reading every topic, table, letter and log again")
        _, vault = keys(settings.privacy)
        self.reconciliation = Reconciliation(
            feeder.ledger,
            client,
            self._place.lake,
            vault,
            self._place.letters,
            PrivacyScan(feeder.clear_identifiers()),
        )
        dropped = sum(_count(child.counts, DUPLICATES) for child in supervisor.children)
        logs = sorted(self._place.logs.iterdir())
        outcome = self.reconciliation.run(dropped, logs, seconds)
        if self._place.spark:
            self._say("comparing Spark's silver tables with those of the Delta consumer")
            letters = self.reconciliation.refused
            outcome.spark_equal = letters.get("spark") == letters.get("delta_lake") and (
                parity.equal(self._place.lake, self._place.silver)
            )
        return outcome

    def _say(self, text: str) -> None:
        self._console.print(text, highlight=False)


def _stage(child: Child, lag_total: int | None) -> Stage:
    consumer = lag_total is not None
    counts = child.counts
    return Stage(
        name=child.label,
        state=child.state,
        taken=_count(counts, CONSUMED if consumer else READ),
        done=_count(counts, WRITTEN if consumer else COMMITTED),
        dropped=_count(counts, DUPLICATES),
        letters=_count(counts, LETTERS),
        lag=lag_total,
        freshness=counts.get(FRESHNESS.short),
    )


def _count(counts: Mapping[str, float], counter: Counter) -> int:
    return int(counts.get(counter.short, 0))


def _settled(state: tuple[object, ...]) -> tuple[object, ...]:
    """Return the part of the state whose change means progress; an empty poll does not."""
    return tuple((s.taken, s.dropped, s.letters) if isinstance(s, Stage) else s for s in state)


def as_line(outcome: Outcome) -> str:
    """Return the last line of the demo."""
    return msgspec.json.encode(outcome).decode()
