"""Choosing letters: by id, reason, component, stage, time and state."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from pixstream.dead_letters.state import OPEN, state_of
from pixstream.errors import ConfigError, PixstreamError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pixstream.dead_letters.reading import LetterView

ALL = "all"
_AGO = re.compile(r"([1-9][0-9]{0,6})([smhdw])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Selection(NamedTuple):
    """Which letters; what is None or empty leaves none out.

    Attributes:
        ids: beginnings of letter ids, each of exactly one letter.
        since: the earliest time, aware; a letter without a readable time is not in a span of time.
        until: before this time, aware.
        state: `open`, `replayed`, `discarded` or `all`.
    """

    ids: tuple[str, ...] = ()
    reason: str | None = None
    component: str | None = None
    stage: str | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    state: str = OPEN

    @property
    def named(self) -> bool:
        """Whether anything but the state narrows it down."""
        return any((self.ids, *self[1:6]))

    def fits(self, letter: LetterView) -> bool:
        """Whether the letter is one of these, whatever its state."""
        if self.ids and not letter.letter_id.startswith(self.ids):
            return False
        wanted = (self.reason, self.component, self.stage)
        actual = (letter.reason, letter.component, letter.headers.get("stage"))
        if any(want not in {None, got} for want, got in zip(wanted, actual, strict=True)):
            return False
        if self.since is None and self.until is None:
            return True
        time = letter.time
        return (
            time is not None
            and (self.since is None or time >= self.since)
            and (self.until is None or time < self.until)
        )

    def takes(self, letter: LetterView, states: Mapping[bytes, str]) -> bool:
        """Whether the letter is one of these, in the wanted state."""
        return self.fits(letter) and self.state in {ALL, state_of(states, letter)}

    def __str__(self) -> str:
        given = {name: value for name, value in self._asdict().items() if value}
        ids = given.pop("ids", ())
        return " ".join([*(i for i in ids), *(f"{name}={value}" for name, value in given.items())])


class Chosen(NamedTuple):
    """What a selection found.

    Attributes:
        ids: of the letters it takes, 16 bytes each.
        otherwise: how many more it would take but for their state, by that state.
    """

    ids: set[bytes]
    otherwise: Counter[str]


def choose(
    letters: Iterable[LetterView], states: Mapping[bytes, str], selection: Selection
) -> Chosen:
    """Find the letters that a selection takes; their ids stay in memory, 100 bytes each.

    Raises:
        PixstreamError: an id that no letter or more than one begins with.
    """
    chosen = Chosen(set(), Counter())
    found: dict[str, int] = dict.fromkeys(selection.ids, 0)
    for letter in letters:
        for start in found:
            found[start] += letter.letter_id.startswith(start)
        if selection.takes(letter, states):
            chosen.ids.add(bytes.fromhex(letter.letter_id))
        elif selection.fits(letter):
            chosen.otherwise[state_of(states, letter)] += 1
    for start, count in found.items():
        if count != 1:
            what = "no letter" if not count else f"{count} letters"
            raise PixstreamError(f"{what} with an id that starts with {start}: nothing was done")
    return chosen


def moment(text: str, now: dt.datetime) -> dt.datetime:
    """The time that a person means: `2h` or `7d` ago, or an ISO 8601 date or time.

    Args:
        text: a time without a zone is UTC.
        now: aware.

    Raises:
        ConfigError: it is neither.
    """
    ago = _AGO.fullmatch(text)
    try:
        if ago:
            return now - dt.timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        time = dt.datetime.fromisoformat(text)
        return (time if time.tzinfo else time.replace(tzinfo=dt.UTC)).astimezone(dt.UTC)
    except (ValueError, OverflowError):
        raise ConfigError(
            f"{text!r} is no time: 30m, 2h or 7d for so long ago, else 2026-11-24 or "
            "2026-11-24T09:00Z"
        ) from None
