"""Follows an identifier through tables, topics and dead letters."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from pixstream.event.identifiers import id_time
from pixstream.kafka.names import DLQ
from pixstream.trace import letters as dead
from pixstream.trace.answer import Answer, Life
from pixstream.trace.facts import Arrival, from_record, moment, payments
from pixstream.trace.following import note_absences
from pixstream.trace.ground import Ground
from pixstream.trace.letters import Opener
from pixstream.trace.question import AHEAD, LOGGED, Kind, Window
from pixstream.trace.topics import Topics, place

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from pixstream.kafka.ports import Record
    from pixstream.trace.ground import Sources
    from pixstream.trace.letters import Letter
    from pixstream.trace.question import Place, Question

MOST_PAYMENTS = 10
"""How many payments are followed at most, where an identifier leads to several."""

_IDENTIFIERS = ("end_to_end_id", "return_id", "txid", "event_id")


def answer(question: Question, sources: Sources, now: dt.datetime) -> Answer:
    """Return what tables, topics and dead letters know.

    A place that cannot be searched is among the answer's problems; the others are searched.

    Raises:
        ConfigError: the options leave no time to search.
    """
    question.window(now)
    found = Answer(question)
    if sources.client is None:
        return _Search(found, Ground(sources, None, found), sources, now).run()
    with closing(sources.client.admin()) as admin:
        ground = Ground(sources, Topics(sources.client, admin), found)
        return _Search(found, ground, sources, now).run()


class _Search:
    def __init__(self, found: Answer, ground: Ground, sources: Sources, now: dt.datetime) -> None:
        self._answer = found
        self._question = found.question
        self._ground = ground
        self._opener = Opener(sources.vault, sources.directory)
        self._now = now

    def run(self) -> Answer:
        lives: dict[str, Life] = {}
        for life in self._first():
            known = lives.setdefault(life.payment, life)
            known.letters |= life.letters
        followed = [*lives.values()][:MOST_PAYMENTS]
        self._answer.more = [*lives][MOST_PAYMENTS:]
        for life in followed:
            self._follow(life)
        self._add_letters(followed)
        for life in followed:
            note_absences(life, self._ground.tables, self._ground.next_offset)
            self._add_log(life)
        self._answer.lives = [life for life in followed if life.found]
        if self._opener.unopened:
            self._ground.problem(
                f"{DLQ}: {self._opener.unopened:,} dead letters could not be opened to look for "
                "the identifier in them: the privacy keys, or the files of large letters, are not "
                "here"
            )
        return self._answer

    # --- the payments that are asked for ---

    def _first(self) -> list[Life]:
        """Return the payments that the question is about, with what is known of them already."""
        question = self._question
        if question.kind is Kind.PAYMENT:
            return [Life(question.text)]
        if question.place is not None:
            return self._at_place(question.place)
        window = question.window(self._now)
        found = self._ground.rows({name: [question.text] for name in _IDENTIFIERS}, window)
        lives = [Life(name) for name in payments(row.fact for row in found)]
        if not lives:
            lives = self._unread(window)
        if question.may_be_hash:
            lives += self._by_letter_id(window)
        if lives or self._answer.letters:
            return lives
        return [Life(question.text)]

    def _at_place(self, where: Place) -> list[Life]:
        """Return the payment of the record at a place, from Kafka or else from a table."""
        records = self._ground.at([where])
        if where.topic == DLQ:
            return [life for letter in dead.letters(records) for life in self._letter(letter)]
        for record in records:
            arrival = _arrived(record)
            key = (record.key or b"").decode("utf-8", "replace")
            life = Life(arrival.fact.payment if arrival.fact else key or str(where))
            life.add(arrival)
            return [life]
        self._ground.looked(where.topic, "at that offset", "no record there")
        rows = self._ground.rows({"_offset": [where.offset]}, None, where.topic)
        return [Life(name) for name in payments(row.fact for row in rows if row.place == where)]

    def _unread(self, window: Window) -> list[Life]:
        """Return the payments among records that name the identifier and are in no table yet."""
        text, lives = self._question.text, dict[str, Life]()
        for record in self._ground.unread(window):
            if text.encode() not in (record.value or b""):
                continue
            arrival = _arrived(record)
            fact = arrival.fact
            if fact is not None and text in {getattr(fact, name) for name in _IDENTIFIERS}:
                lives.setdefault(fact.payment, Life(fact.payment)).add(arrival)
        return [*lives.values()]

    def _by_letter_id(self, window: Window) -> list[Life]:
        """Return the payments of the dead letters whose id begins with the text."""
        start = self._question.text
        found = self._ground.letters(window)
        return [
            life
            for letter in found
            if letter.view.letter_id.startswith(start)
            for life in self._letter(letter)
        ]

    def _letter(self, letter: Letter) -> list[Life]:
        """Return the payment of a letter; a letter that names none, or several, stays alone."""
        names = self._opener.payments(letter.view)
        if len(names) == 1:
            return [Life(names[0], letters={letter.view.letter_id: letter})]
        self._answer.letters.append((self._ground.marked([letter])[0], names))
        return []

    # --- one payment ---

    def _follow(self, life: Life) -> None:
        """Add all rows and records of a payment."""
        window = self._window(life)
        wanted = {"end_to_end_id": [life.payment], "return_id": [life.payment]}
        if id_time(life.payment) is None:
            wanted["event_id"] = [life.payment]
        for row in self._ground.rows(wanted, window):
            life.add(Arrival(place=row.place, fact=row.fact, sent=row.sent, rows=[row.row]))
        known = {at for at, _ in life.arrivals}
        sent = (
            window
            if id_time(life.payment) is None
            else self._question.sent(self._now, life.payment)
        )
        records = self._ground.records(life.payment, sent, known)
        if not records and not life.found:
            records = self._ground.records(life.payment, sent, known, ever=True)
        for record in records:
            life.add(_arrived(record))
        self._confirm(life)

    def _confirm(self, life: Life) -> None:
        """Read the records of rows that were sent at other times; say which are gone."""
        without = [a for a in life.arrivals.values() if a.record is None]
        held = {place(record): record for record in self._ground.at([a.place for a in without])}
        for arrival in without:
            record = held.get(arrival.place)
            fact = None if record is None else from_record(record)
            if fact and arrival.fact and fact.event_id == arrival.fact.event_id:
                arrival.record = record
            else:  # a recreated topic has another record there
                arrival.expired = self._ground.has_kafka

    def _add_letters(self, lives: Sequence[Life]) -> None:
        """Add to each payment the letters that are about it, and the marks of all."""
        if not lives:
            return
        start, stop = min(self._window(life).start for life in lives), self._now + AHEAD
        letters = self._ground.letters(Window(start, stop)) if start < stop else []
        for life in lives:
            places = {at for at, _ in life.arrivals}
            ids = dead.event_ids(life.identifiers)
            for letter in letters:
                if (
                    letter.origin in places
                    or dead.about_events(letter, ids)
                    or dead.replayed_in(letter, life.arrivals.values())
                    or self._opener.names_any(letter.view, life.identifiers)
                ):
                    life.letters[letter.view.letter_id] = letter
        found = {key: letter for life in lives for key, letter in life.letters.items()}
        marked = {one.view.letter_id: one for one in self._ground.marked(found.values())}
        for life in lives:
            for key in life.letters:
                life.letters[key] = marked[key]
                self._add_replays(life, marked[key])

    def _add_replays(self, life: Life, letter: Letter) -> None:
        """Add the records of a replay, which may have been sent long after the payment."""
        time = letter.marked_at if letter.is_replayed else None
        if time is not None:
            window = Window(time - AHEAD, time + AHEAD)
            for record in self._ground.records(life.payment, window, ()):
                life.add(_arrived(record))

    def _add_log(self, life: Life) -> None:
        """Add the log lines of the batches that its records were in."""
        arrivals = life.arrivals.values()
        sent = [arrival.sent for arrival in arrivals if arrival.sent is not None]
        taken = [row.visible or row.decoded for arrival in arrivals for row in arrival.rows]
        if sent:
            window = Window(min(sent) - AHEAD, max(sent + taken) + LOGGED)
            life.log = self._ground.log_lines({at for at, _ in life.arrivals}, window)

    def _window(self, life: Life) -> Window:
        named = id_time(life.payment) is not None
        return self._question.window(self._now, life.payment if named else None)


def _arrived(record: Record) -> Arrival:
    return Arrival(
        place=place(record),
        fact=from_record(record),
        sent=moment(record.timestamp),
        record=record,
    )
