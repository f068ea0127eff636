"""One chaos run: a site, its sources, a storm, and the verdict."""

from __future__ import annotations

import datetime as dt
import time
from contextlib import closing, suppress
from random import Random
from typing import TYPE_CHECKING

from deltalake import DeltaTable

from pixstream.errors import PixstreamError, Transient
from pixstream.event.categories import Category
from pixstream.kafka import lag
from pixstream.kafka.names import EVENT_TOPICS, group_id
from pixstream.lab.chaos import crashes
from pixstream.lab.chaos.callbacks import CallbackSender
from pixstream.lab.chaos.oracle import SKEWED, Oracle
from pixstream.lab.chaos.site import CONSUMER, PROCESSOR
from pixstream.lab.chaos.sources import BankBooks, LogFile, Sources, SpiDirectory
from pixstream.lab.chaos.stalls import SPARE_SECONDS, Stalls
from pixstream.lab.chaos.storm import Storm
from pixstream.lab.chaos.verdict import Auditor
from pixstream.lab.demo import tables
from pixstream.lab.demo.place import CLIENT_ID
from pixstream.lake import files
from pixstream.patience import Patience
from pixstream.privacy import keys
from pixstream.runtime import letters_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from pixstream.lab.chaos.oracle import NumberedDocument
    from pixstream.lab.chaos.site import Site
    from pixstream.lab.chaos.storm import Weather
    from pixstream.lab.chaos.verdict import Verdict

FRESH_SECONDS = 30.0
"""Longest time of a new fact to its table after everything has arrived: freshness is back.
Time in which processes wait for a CPU does not count."""

STALLED_SECONDS = 60.0
"""Longest time without any progress in the pipeline, with idle processes."""

STUCK_SECONDS = 160.0
"""The same for the tables' commits in a storm, in which recovery takes a while."""

DRAIN_SECONDS = 60.0
FRESH = 40
"""Facts delivered before and after the storm: enough for every source to have some."""

_STEP_SECONDS = 0.05
_POISON_SHARE = 500


class Run:
    """One run, from an empty directory to the verdict.

    Args:
        site: the pipeline; prepared and closed here.
        weather: number of facts, duration and faults.
        say: prints a line about the progress.
        show: shows the state, several times per second.
        interrupted: returns whether a stop signal was received.
        stalled_seconds: longest time without progress; then missing facts are lost.

    Attributes:
        settled_seconds: time after the storm until everything had arrived; None: not all did.
        fresh_seconds: time of the slowest new fact to its table after that.
        problems: errors in addition to the verdict's counts.
    """

    def __init__(
        self,
        site: Site,
        weather: Weather,
        *,
        say: Callable[[str], None],
        show: Callable[[Run], None] = lambda _: None,
        interrupted: Callable[[], object] = lambda: False,
        stalled_seconds: float = STALLED_SECONDS,
    ) -> None:
        self._site = site
        self.weather = weather
        self._say = say
        self._show = show
        self._interrupted = interrupted
        self._stalled_seconds = stalled_seconds
        self.oracle = Oracle(weather.seed, dt.datetime.now(dt.UTC))
        self.sources: Sources
        self.storm: Storm
        self.stalls: Stalls
        self.auditor: Auditor
        self.started = 0.0
        self.settled_seconds: float | None = None
        self.fresh_seconds: float | None = None
        self.problems: list[str] = []
        self._next_number = self._ends = 0
        self._stuck = False

    def run(self) -> Verdict:
        """Do the whole run; no process, mount or port is left behind in any case.

        Raises:
            PixstreamError: something could not start, or it was interrupted.
        """
        site = self._site
        self.started = time.monotonic()
        try:
            self._say("starting Apache Kafka behind a proxy")
            site.prepare()
            if not site.own_disk:
                self._say("no permission to mount a disk: no disk_full and storage_errors faults")
            self.sources = self._make_sources()
            self.sources.start()
            site.start()
            self._say("waiting until the first facts of every source are in their tables")
            self._pass(Patience(self._stalled_seconds))
            self._weather()
            self._settle()
            site.leave()
            code = site.drain(DRAIN_SECONDS)
            self._look()
            if code:
                self.problems.append(f"`pixstream run` exited with code {code} after SIGTERM")
            return self._judge()
        finally:
            if hasattr(self, "sources"):
                self.sources.stop()
            site.close()

    def _make_sources(self) -> Sources:
        place = self._site.place
        rng = Random(f"sources/{self.weather.seed}")
        return Sources(
            self.oracle,
            log=LogFile(place.app_log, self.oracle),
            spi=SpiDirectory(place.spi, self.oracle),
            bank=BankBooks(CLIENT_ID, place.secret, place.bank_port, self.oracle),
            callbacks=CallbackSender(place.webhook_url, self.oracle, rng),
        )

    def _pass(self, patience: Patience, *, in_time: bool = False) -> float:
        """Deliver some facts of every source, wait for all, and return the time of the slowest.

        Args:
            patience: how long to wait.
            in_time: progress does not extend the wait.

        Raises:
            PixstreamError: the patience ran out before all were in their tables.
        """
        documents = list(self.oracle.documents(FRESH, self._next_number))
        self._next_number = documents[-1].number + 1
        wanted = {fact.event_id for document in documents for fact in document.facts}
        began = time.monotonic()
        self.sources.tell(documents, insisting=True)
        moved = (lambda: None) if in_time else self._moved
        self._wait(
            lambda: self._has(wanted), "new facts do not reach their tables", patience, moved
        )
        return time.monotonic() - began

    def _weather(self) -> None:
        """Deliver facts at an even pace during the storm."""
        facts, seconds, seed, _ = self.weather
        self._say(f"storm of {seconds:.0f} s over {facts:,} facts, seed {seed}")
        self.stalls = Stalls(self._site.place.lake)
        self.storm = Storm(
            self._site,
            self.sources,
            self.oracle,
            self.weather,
            lambda: self.stalls.quiet_seconds > SPARE_SECONDS and not self._stuck,
        )
        patience = Patience(STUCK_SECONDS)
        documents = self.oracle.documents(facts, self._next_number)
        began = time.monotonic()
        self.storm.start()
        told = poisons = 0
        try:
            while not self.storm.over() or told < facts:
                self._look()
                elapsed = time.monotonic() - began - self.storm.spared_seconds
                goal = min(facts, int(facts * elapsed / seconds))
                batch: list[NumberedDocument] = []
                while told < goal:
                    batch.append(next(documents))
                    told += len(batch[-1].facts)
                poisoned = told // _POISON_SHARE > poisons
                poisons += poisoned
                self.sources.tell(batch, poisoned=poisoned)
                self.stalls.told(batch)
                self.stalls.look(time.monotonic(), disk_shut=self.storm.disk_shut)
                self._watch(patience)
                self._next_number = batch[-1].number + 1 if batch else self._next_number
                self._show(self)
                time.sleep(_STEP_SECONDS)
        finally:
            self.storm.stop()
        self._say("the storm is over; waiting for everything to arrive")

    def _watch(self, patience: Patience) -> None:
        """Note once that no table gets a commit although facts wait and the disk is writable."""
        waiting = self.stalls.quiet_seconds > 0
        patience.saw((self.stalls.commits, waiting, self.storm.disk_shut))
        if patience.exhausted and waiting and not self.storm.disk_shut and not self._stuck:
            self._stuck = True
            self.problems.append(
                f"no table got a commit while the processes idled for {patience.spent:.0f} s; the "
                f"storm spared them after {SPARE_SECONDS:.0f} s"
            )

    def _settle(self) -> None:
        """Wait until everything has arrived, then check that new facts arrive in time."""
        began = time.monotonic()
        callbacks, patience = self.sources.callbacks, Patience(self._stalled_seconds)
        self._wait(lambda: not callbacks.pending, "callbacks are refused", patience, self._moved)
        if not self._caught_up():
            return
        self.settled_seconds = time.monotonic() - began
        try:
            patience = Patience(FRESH_SECONDS, even_at_work=True)
            self.fresh_seconds = self._pass(patience, in_time=True)
        except PixstreamError as error:
            self.problems.append(str(error))
        self._caught_up()

    def _caught_up(self) -> bool:
        """Wait until every acknowledged fact has a row and no consumer group has a lag.

        False if there is no progress for too long: then missing facts are lost, and the verdict
        names them.
        """
        patience = Patience(self._stalled_seconds)
        with closing(self._site.client.admin()) as admin:
            groups = {group_id(name): list(EVENT_TOPICS.values()) for name in (CONSUMER, PROCESSOR)}
            behind = rows = -1
            since = time.monotonic()
            while True:
                self._keep_running()
                with suppress(Transient):  # a busy Kafka is queried again
                    behind = sum(lag.totals(lag.lag(admin, groups)).values())
                if (now := self._rows()) != rows:
                    rows, since = now, time.monotonic()
                patience.saw((rows, behind))
                quiet = time.monotonic() - since
                if rows >= self.oracle.acknowledged.count() and not behind and quiet > 3:  # noqa: PLR2004
                    return True
                if patience.exhausted:
                    self.problems.append(
                        f"no new row for {quiet:.0f} s; the lag is {behind:,} offsets"
                    )
                    return False
                self._show(self)
                time.sleep(0.5)

    def _judge(self) -> Verdict:
        self._say("reading every table and dead letter")
        settings = self._site.settings
        pseudonym, vault = keys(settings.privacy)
        self.auditor = Auditor(
            self.oracle,
            lake=self._site.place.lake,
            client=self._site.client,
            pseudonym=pseudonym,
            vault=vault,
            letters=letters_directory(settings),
        )
        faults = {
            **self.storm.faults,
            "rotations": self.sources.log.rotations,
            "repeated_deliveries": self.sources.callbacks.repeated,
            "refused_deliveries": self.sources.callbacks.refused,
            "clock_jumps": self._next_number // SKEWED,
        }
        verdict = self.auditor.audit(dict(self.storm.kills), faults)
        self.problems += crashes.told_in(self._site.place.logs)
        self._say(self.stalls.summary())
        self._say(f"the storm spared processes for {self.storm.spared_seconds:.0f} s")
        self._site.keep_tables()
        return verdict

    def _rows(self) -> int:
        """Return the number of rows in all tables, from their logs."""
        total = 0
        for category in Category:
            path = str(self._site.place.lake / category.plural)
            if DeltaTable.is_deltatable(path):
                total += sum(file.rows or 0 for file in files.live(DeltaTable(path)).values())
        return total

    def _has(self, wanted: set[str]) -> bool:
        found: set[str] = set()
        for category in Category:
            table = tables.read(self._site.place.lake / category.plural, ["event_id"])
            if table is not None:
                found |= wanted.intersection(table["event_id"].to_pylist())
        return found == wanted

    def _moved(self) -> Hashable:
        """Return a value that changes whenever any part of the pipeline makes progress."""
        oracle = self.oracle
        answered = oracle.acknowledged.count(), oracle.poison_acknowledged.count()
        return *answered, self.sources.callbacks.pending, self._rows()

    def _wait(
        self,
        done: Callable[[], bool],
        what: str,
        patience: Patience,
        moved: Callable[[], Hashable],
    ) -> None:
        while not done():
            self._keep_running()
            patience.saw(moved())
            if patience.exhausted:
                raise PixstreamError(f"{what}: after {patience.seconds:.0f} s")
            self._show(self)
            time.sleep(0.3)

    def _keep_running(self) -> None:
        """Call `_look`, and restart the supervisor if it exited; a storm does that by itself."""
        self._look()
        self._site.revive()

    def _look(self) -> None:
        """Note a supervisor that exited on its own, before the next start hides it.

        Raises:
            PixstreamError: a stop signal was received.
        """
        ends = self._site.unasked_ends()
        for end in ends[self._ends :]:
            self._say(f"wrong: {end}; see {self._site.place.logs}")
            self.problems.append(end)
        self._ends = len(ends)
        if self._interrupted():
            raise PixstreamError("interrupted; everything was stopped without a verdict")
