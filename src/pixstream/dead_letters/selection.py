"""Selecting letters: by id, reason, component, stage, time and state."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from pixstream.dead_letters.state import OPEN, state_of
from pixstream.errors import ConfigError, PixstreamError
from pixstream.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pixstream.dead_letters.reading import LetterView

ALL = "all"
_AGO = re.compile(r"([1-9][0-9]{0,6})([smhdw])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Selection(NamedTuple):
    """Criteria for letters; a criterion that is None or empty does not filter.

    Attributes:
        ids: prefixes of letter ids; each must match exactly one letter.
        since: the earliest time, time zone aware. A letter without a readable time does not match
            if `since` or `until` is given.
        until: the time before which letters match, time zone aware.
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
        """Whether there is a criterion besides the state."""
        return any((self.ids, *self[1:6]))

    def fits(self, letter: LetterView) -> bool:
        """Return whether the letter matches, regardless of its state."""
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
        """Return whether the letter matches and is in the wanted state."""
        return self.fits(letter) and self.state in {ALL, state_of(states, letter)}

    def __str__(self) -> str:
        given = {name: value for name, value in self._asdict().items() if value}
        ids = given.pop("ids", ())
        return " ".join([*(i for i in ids), *(f"{name}={value}" for name, value in given.items())])


class Chosen(NamedTuple):
    """The result of a selection.

    Attributes:
        ids: the ids of the selected letters, 16 bytes each.
        otherwise: how many more letters match but are in another state, by that state.
    """

    ids: set[bytes]
    otherwise: Counter[str]


def choose(
    letters: Iterable[LetterView], states: Mapping[bytes, str], selection: Selection
) -> Chosen:
    """Find the letters that match a selection; their ids stay in memory, 100 bytes each.

    Raises:
        PixstreamError: an id prefix matches no letter, or more than one.
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
            what = counted(count, "letter") if count else "no letter"
            raise PixstreamError(f"{what} with an id that starts with {start}: nothing was done")
    return chosen


def moment(text: str, now: dt.datetime) -> dt.datetime:
    """Parse a time given by a person: `2h` or `7d` ago, or an ISO 8601 date or time.

    Args:
        text: the time; without a time zone it is UTC.
        now: the current time, time zone aware.

    Raises:
        ConfigError: the text is neither.
    """
    ago = _AGO.fullmatch(text)
    try:
        if ago:
            return now - dt.timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        time = dt.datetime.fromisoformat(text)
        return (time if time.tzinfo else time.replace(tzinfo=dt.UTC)).astimezone(dt.UTC)
    except (ValueError, OverflowError):
        raise ConfigError(
            f"{text!r} is not a time: use 30m, 2h or 7d for that long ago, or 2026-11-24, or "
            "2026-11-24T09:00Z"
        ) from None
