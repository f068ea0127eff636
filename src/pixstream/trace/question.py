"""What is asked: an identifier of any kind, and the days that are searched for it."""

from __future__ import annotations

import datetime as dt
import re
from enum import StrEnum
from typing import NamedTuple

from pixstream.errors import ConfigError
from pixstream.event.identifiers import id_time, names_document
from pixstream.kafka.names import DLQ, EVENT_TOPICS

DAYS = 1
"""Days before and after the identifier's own that are searched."""

RECENT_DAYS = 30
"""Days until now that are searched for an identifier without a date."""

RETURN_DAYS = 90
"""Days within which a Pix can be returned (Regulamento do Pix, devolução)."""

BEFORE = dt.timedelta(minutes=15)
"""How long before the minute in an identifier its first record may have been sent."""

AHEAD = dt.timedelta(minutes=5)
"""How far the clocks of other machines may be ahead of ours: what was just written is searched."""

LOGGED = dt.timedelta(hours=1)
"""How long after a record was last seen log lines are searched for what happened to it."""

_PLACE = re.compile(r"([A-Za-z0-9._-]+)/([0-9]{1,9})/([0-9]{1,18})", re.ASCII)
_HASH = re.compile(r"[0-9a-f]{6,32}", re.ASCII)
_IDENTIFIER = re.compile(r"[^\x00-\x20\x7f]{1,255}")
_DAY = dt.timedelta(days=1)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class Kind(StrEnum):
    """The kinds of questions."""

    PAYMENT = "EndToEndId"
    RETURN = "RtrId"
    PLACE = "topic/partition/offset"
    OTHER = "txid, event_id, letter id or other identifier"


class Place(NamedTuple):
    """A record in Kafka, by pixstream's name of its topic."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


class Window(NamedTuple):
    """The time that is searched, UTC: from `start` to before `stop`."""

    start: dt.datetime
    stop: dt.datetime

    def later(self, days: int) -> Window:
        """Return the window with so many days more at its end."""
        try:
            return self._replace(stop=self.stop + days * _DAY)
        except OverflowError:  # at the end of the calendar
            return self

    def holds(self, day: dt.date) -> bool:
        """Return whether part of a UTC day is in the window."""
        return self.start.date() <= day <= (self.stop - dt.timedelta(microseconds=1)).date()

    def __str__(self) -> str:
        return f"{self.start:%Y-%m-%d %H:%M} to {self.stop:%Y-%m-%d %H:%M} UTC"


class Question(NamedTuple):
    """An identifier, its kind, its place if it is one, and where the options say to look."""

    text: str
    kind: Kind
    place: Place | None = None
    days: int | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None

    @property
    def may_be_hash(self) -> bool:
        """Whether it can be the id of a dead letter, or its beginning."""
        return _HASH.fullmatch(self.text) is not None

    def window(self, now: dt.datetime, identifier: str | None = None) -> Window:
        """Return what to search for an identifier, by default the one that was asked for.

        The options `--since` and `--until` decide; else the identifier's own day and `days` before
        and after it; without a day in it, the last `RECENT_DAYS`.

        Raises:
            ConfigError: see `spanning`.
        """
        minute = id_time(self.text if identifier is None else identifier)
        if minute is None:
            stop = self.until or now + AHEAD
            start = _earlier(stop, RECENT_DAYS)
        else:
            day, days = minute.replace(hour=0, minute=0), DAYS if self.days is None else self.days
            start, stop = _earlier(day, days), day + (days + 1) * _DAY
        return spanning(self.since or start, self.until or stop)

    def sent(self, now: dt.datetime, identifier: str) -> Window:
        """Return when the records of an identifier can have been sent to Kafka.

        Nobody tells a payment before its minute, unless it was scheduled: only where the options
        say so are earlier records searched.
        """
        window, minute = self.window(now, identifier), id_time(identifier)
        if minute is None or self.days is not None or self.since is not None:
            return window
        return window._replace(start=min(minute - BEFORE, window.stop))


def spanning(start: dt.datetime, stop: dt.datetime) -> Window:
    """Return the window between two times.

    Raises:
        ConfigError: there is nothing between them.
    """
    window = Window(start, stop)
    if start >= stop:
        raise ConfigError(f"nothing lies between the two times: {window}")
    return window


def understand(text: str) -> Question:
    """Return the question that a text asks.

    Raises:
        ConfigError: it cannot be an identifier; a CPF or CNPJ is refused without being repeated.
    """
    place, topics = _PLACE.fullmatch(text), [*EVENT_TOPICS.values(), DLQ]
    if place is not None and place[1] in topics:
        return Question(text, Kind.PLACE, Place(place[1], int(place[2]), int(place[3])))
    if names_document(text):
        raise ConfigError(
            "the identifier contains a CPF or CNPJ, which would stay in the shell's history: "
            "`pixstream find --document` asks for one without showing it"
        )
    if place is not None:
        raise ConfigError(f"topic {place[1]} has no payments; those that do: {', '.join(topics)}")
    if not _IDENTIFIER.fullmatch(text):
        raise ConfigError("an identifier has 1 to 255 characters, none of them a space")
    if id_time(text) is None:
        return Question(text, Kind.OTHER)
    return Question(text, Kind.RETURN if text.startswith("D") else Kind.PAYMENT)


def _earlier(time: dt.datetime, days: int) -> dt.datetime:
    """Return the time so many days before, not before 1970: Kafka has no earlier ones."""
    return max(time, _EPOCH + days * _DAY) - days * _DAY
