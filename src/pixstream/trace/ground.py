"""The places that a trace searches, and the account of it: where, from when to when, what failed.

A place that fails is noted and the others are searched. A Kafka that does not answer is not asked
again: each question would wait for it as long as the first.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from pixstream.dead_letters.state import marks_of
from pixstream.errors import PixstreamError, Transient
from pixstream.event.categories import Category
from pixstream.event.identifiers import id_time
from pixstream.kafka.names import DLQ, EVENT_TOPICS
from pixstream.trace import log_lines
from pixstream.trace.answer import Looked
from pixstream.trace.letters import letters
from pixstream.trace.question import RETURN_DAYS, Place, Window
from pixstream.trace.topics import Found, Topics, together

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from pixstream.kafka.ports import Client, Record
    from pixstream.privacy import Vault
    from pixstream.trace.answer import Answer
    from pixstream.trace.letters import Letter
    from pixstream.trace.log_lines import LogLine
    from pixstream.trace.tables import Table, TableRow

T = TypeVar("T")


class Sources(NamedTuple):
    """Where a trace looks.

    Attributes:
        tables: of the consumers of type delta_lake.
        client: None, with the reason in `no_client`, where there is no Kafka.
        vault: opens dead letters; None without the privacy keys.
        directory: of dead letters that are too large for Kafka.
        log_file: the setting `logging.file`; None: the log is not in a file.
    """

    tables: Sequence[Table]
    client: Client | None
    vault: Vault | None
    directory: Path
    no_client: str = ""
    log_file: str | None = None


class Ground:
    """What can be searched; every search is noted in the answer.

    Args:
        sources: where to look.
        topics: of the sources' client; None without Kafka.
        answer: gets what was looked for and what failed.
    """

    def __init__(self, sources: Sources, topics: Topics | None, answer: Answer) -> None:
        self.tables = sources.tables
        self._client = sources.client
        self._log_file = sources.log_file
        self._topics = topics
        self._answer = answer
        if topics is None:
            self.problem(f"Kafka: {sources.no_client}")

    @property
    def has_kafka(self) -> bool:
        """Whether Kafka can be asked, and has answered so far."""
        return self._topics is not None

    def rows(
        self, wanted: Mapping[str, Collection[Any]], window: Window | None, topic: str = ""
    ) -> list[TableRow]:
        """Return the rows with a wanted value in these days, of the tables of a topic, or all.

        Payments may be returned later: the table of returns is searched for longer.
        """
        rows: list[TableRow] = []
        for table in self.tables:
            if topic and table.category.topic != topic:
                continue
            time = window and widened(table.category.topic, window)
            try:
                rows += table.rows(wanted, time)
                note = "" if table.version is not None else "no table yet"
            except PixstreamError as error:
                self.problem(str(error))
            else:
                self.looked(f"table {table.name}", str(time or "all of it"), note)
        return rows

    def records(
        self, payment: str, window: Window, known: Collection[Place], *, ever: bool = False
    ) -> list[Record]:
        """Return the records with this key, from the key's partition of each topic.

        Args:
            payment: the key.
            window: times in Kafka.
            known: where records of the key are known to be: their partitions are read as well.
            ever: read instead where the key would have been in a topic with fewer partitions.
        """
        readings: list[Callable[[], Found | None]] = []
        for topic in EVENT_TOPICS.values():
            time = widened(topic, window)
            also = {at.partition for at in known if at.topic == topic}
            reading = self._reading(topic, payment.encode(), time, also, ever=ever)
            if reading is not None:
                readings.append(reading)
        return [record for found in together(readings) if found for record in found.records]

    def _reading(
        self, topic: str, key: bytes, time: Window, also: Collection[int], *, ever: bool
    ) -> Callable[[], Found | None] | None:
        """Plan a reading of one topic now; it reads when it is called."""

        def plan(topics: Topics) -> Callable[[], Found]:
            first = id_time(key.decode())
            return topics.of_keys(topic, {key}, time, also, first=first, ever=ever)

        planned = self.ask(plan)
        if planned is None:
            return None

        def reading() -> Found | None:
            found = self.ask(lambda _: planned())
            if found is not None:
                note = "the key's former partitions" if ever else "the key's partition"
                self.looked(topic, str(time), note, left_out=found.left_out)
            return found

        return reading

    def at(self, places: Collection[Place]) -> list[Record]:
        """Return the records at these places."""
        return self.ask(lambda topics: topics.at(places)) or []

    def unread(self, window: Window) -> Iterator[Record]:
        """Yield the records of these times that a table of their topic has yet to take."""
        for topic in EVENT_TOPICS.values():
            found = self.ask(self._unread_of(topic, window))
            if found is not None:
                self.looked(topic, str(window), "what no table has yet", left_out=found.left_out)
                yield from found.records

    def _unread_of(self, topic: str, window: Window) -> Callable[[Topics], Found]:
        def read(topics: Topics) -> Found:
            offsets = dict.fromkeys(topics.held(topic).begins, 0)
            for table in self.tables:
                for number, offset in offsets.items():
                    known = self.next_offset(table, Place(topic, number, 0))
                    offsets[number] = max(offset, known or 0)
            return topics.after(topic, offsets, window)

        return read

    def letters(self, window: Window) -> list[Letter]:
        """Return the dead letters that were written in these times."""
        found = self.ask(lambda topics: topics.whole(DLQ, window))
        if found is None:
            return []
        self.looked(DLQ, str(window), left_out=found.left_out)
        return [*letters(found.records)]

    def marked(self, some: Collection[Letter]) -> list[Letter]:
        """Return the letters with their marks."""
        client, ids = self._client, {letter.view.letter_id for letter in some}
        marks = self.ask(lambda _: marks_of(client, ids) if ids and client else {}) or {}
        return [letter._replace(mark=marks.get(letter.view.letter_id)) for letter in some]

    def log_lines(self, places: Collection[Place], window: Window) -> list[LogLine]:
        """Return the log lines about the batches of these records, if the log is in files."""
        lines: list[LogLine] = []
        for file in log_lines.files(self._log_file) if self._log_file else ():
            try:
                lines += log_lines.lines_about(file, places, window)
            except OSError as error:
                self.problem(f"{file} cannot be read: {error.strerror}")
            else:
                self.looked(str(file), str(window))
        return lines

    def next_offset(self, table: Table, at: Place) -> int | None:
        """Return the offset that a table expects next of a partition; None if it is not known."""
        if table.category.topic != at.topic:
            return None
        held = self.ask(lambda topics: topics.held(at.topic))
        with suppress(PixstreamError):  # its rows were asked for before, and that said why
            if held is not None:
                return table.next_offset(at.topic, held.topic_id, at.partition)
        return None

    def ask(self, question: Callable[[Topics], T]) -> T | None:
        """Ask Kafka; None where it does not answer, or says no."""
        if self._topics is None:
            return None
        try:
            return question(self._topics)
        except PixstreamError as error:
            self.problem(f"Kafka: {error}")
            if isinstance(error, Transient):
                self._topics = None
            return None

    def problem(self, text: str) -> None:
        """Note what could not be searched, once."""
        if text not in self._answer.problems:
            self._answer.problems.append(text)

    def looked(self, where: str, when: str, note: str = "", left_out: str = "") -> None:
        """Note what was searched, once, and what was left out of it."""
        looked = Looked(where, when, "; ".join(filter(None, [note, left_out])))
        if looked not in self._answer.looked:
            self._answer.looked.append(looked)


def widened(topic: str, window: Window) -> Window:
    """Return the times in which a payment may have been returned, for the topic of returns."""
    return window.later(RETURN_DAYS) if topic == Category.ESTORNO.topic else window
