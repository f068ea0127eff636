"""One run: a site, its sources, a storm over it, and the verdict."""

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
"""When everything has arrived, a new fact must be in its table within this: freshness is back.
What the processes queue for a processor is not counted."""

STALLED_SECONDS = 60.0
"""Nowhere in the pipeline does anything move, and its processes have idled for so long."""

STUCK_SECONDS = 160.0
"""The same of the tables' commits in a storm, where it takes a while to get on one's feet."""

DRAIN_SECONDS = 60.0
FRESH = 40
"""Facts told before and after the storm: enough that every source has some."""

_STEP_SECONDS = 0.05
_POISON_SHARE = 500


class Run:
    """Everything from an empty directory to the verdict.

    Args:
        site: where it happens; prepared and closed here.
        weather: how many facts, how long, which faults.
        say: shows people what happens, a line each call.
        show: shows the state several times a second.
        interrupted: tells whether a stop signal came.
        stalled_seconds: that nothing may have moved for; then what is missing is lost.

    Attributes:
        settled_seconds: how long after the storm everything had arrived; None: not all did.
        fresh_seconds: how long the slowest new fact took to its table after that.
        problems: what is wrong beside the verdict's counts.
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
        """Do it all; whatever happens, no process, mount or port is left behind.

        Raises:
            PixstreamError: something could not start, or it was interrupted.
        """
        site = self._site
        self.started = time.monotonic()
        try:
            self._say("starting Apache Kafka behind a proxy")
            site.prepare()
            if not site.own_disk:
                self._say("no right to mount a disk: disk_full and storage_errors are left out")
            self.sources = self._make_sources()
            self.sources.start()
            site.start()
            self._say("waiting until every source's first facts are in their tables")
            self._pass(Patience(self._stalled_seconds))
            self._weather()
            self._settle()
            site.leave()
            code = site.drain(DRAIN_SECONDS)
            self._look()
            if code:
                self.problems.append(f"`pixstream run` ended with exit code {code} after SIGTERM")
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
        """Tell some facts of every source and wait for all of them; how long the slowest took.

        Args:
            patience: for them.
            in_time: progress does not help, all must be there.

        Raises:
            PixstreamError: they are not in their tables before it runs out.
        """
        documents = list(self.oracle.documents(FRESH, self._next_number))
        self._next_number = documents[-1].number + 1
        wanted = {fact.event_id for told in documents for fact in told.facts}
        began = time.monotonic()
        self.sources.tell(documents, insisting=True)
        moved = (lambda: None) if in_time else self._moved
        self._wait(
            lambda: self._has(wanted), "new facts do not reach their tables", patience, moved
        )
        return time.monotonic() - began

    def _weather(self) -> None:
        """Tell facts at an even pace while faults strike."""
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
        self._say("the storm is over; what is on its way must arrive")

    def _watch(self, patience: Patience) -> None:
        """Note, once, that the tables get no commit though facts wait and they could be written."""
        waiting = self.stalls.quiet_seconds > 0
        patience.saw((self.stalls.commits, waiting, self.storm.disk_shut))
        if patience.exhausted and waiting and not self.storm.disk_shut and not self._stuck:
            self._stuck = True
            self.problems.append(
                f"no table got a commit while the processes idled for {patience.spent:.0f} s, left "
                f"alone by the storm after {SPARE_SECONDS:.0f} s"
            )

    def _settle(self) -> None:
        """Wait until everything has arrived, and a new fact passes in good time after that."""
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
        """Wait until every acknowledged fact has a row and no group is behind.

        False when nothing has moved for too long: then what is missing is lost, and the verdict
        will name it.
        """
        patience = Patience(self._stalled_seconds)
        with closing(self._site.client.admin()) as admin:
            groups = {group_id(name): list(EVENT_TOPICS.values()) for name in (CONSUMER, PROCESSOR)}
            behind = rows = -1
            since = time.monotonic()
            while True:
                self._keep_running()
                with suppress(Transient):  # a busy Kafka is asked again
                    behind = sum(lag.totals(lag.lag(admin, groups)).values())
                if (now := self._rows()) != rows:
                    rows, since = now, time.monotonic()
                patience.saw((rows, behind))
                quiet = time.monotonic() - since
                if rows >= self.oracle.acknowledged.count() and not behind and quiet > 3:  # noqa: PLR2004
                    return True
                if patience.exhausted:
                    self.problems.append(
                        f"nothing has come for {quiet:.0f} s; the lag is {behind:,} offsets"
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
        self._say(f"processes were left alone for {self.storm.spared_seconds:.0f} s of the storm")
        self._site.keep_tables()
        return verdict

    def _rows(self) -> int:
        """Rows of all tables, by their logs."""
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
        """What changes as long as the pipeline gets anything done, wherever it is."""
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
        """As `_look`, and start what ended: only while no storm strikes, which does the same."""
        self._look()
        self._site.revive()

    def _look(self) -> None:
        """Note a supervisor that ended by itself, before the next start heals it.

        Raises:
            PixstreamError: a stop signal came.
        """
        ends = self._site.unasked_ends()
        for end in ends[self._ends :]:
            self._say(f"wrong: {end}; see {self._site.place.logs}")
            self.problems.append(end)
        self._ends = len(ends)
        if self._interrupted():
            raise PixstreamError("interrupted; everything was stopped, nothing is judged")
