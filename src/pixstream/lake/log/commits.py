"""Finds the commit that made rows visible: by its time, then by the offsets that it names.

The log is searched like a book, since versions and times rise together: about 15 entries are read,
whatever its length. Entries are kept for a day (`delta.logRetentionDuration`), so that an older
commit cannot be named any more.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from pixstream.lake.log import entries
from pixstream.lake.log.durability import LOG

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixstream.lake.location import Location

NEAR = 500
"""How many commits after that time are read: one commit lasts no longer."""

_SLACK = dt.timedelta(seconds=1)


class Commit(NamedTuple):
    """One commit: its version, its time (UTC), and the next offsets by application id."""

    version: int
    time: dt.datetime
    offsets: Mapping[str, int]


def read(location: Location, version: int) -> Commit | None:
    """Return a commit; None if its entry has expired, or is not one."""
    try:
        with location.filesystem.open_input_stream(f"{LOG}/{entries.name(version)}") as stream:
            lines = stream.read().splitlines()
        actions = [msgspec.json.decode(line) for line in lines]
        infos = [action["commitInfo"] for action in actions if "commitInfo" in action]
        marks = [action["txn"] for action in actions if "txn" in action]
        time = dt.datetime.fromtimestamp(infos[0]["timestamp"] / 1000, dt.UTC)
        return Commit(version, time, {mark["appId"]: mark["version"] for mark in marks})
    except (OSError, msgspec.DecodeError, LookupError, TypeError):
        return None


def commit_of(
    location: Location, newest: int, since: dt.datetime, app_id: str, offset: int
) -> Commit | None:
    """Return the commit whose rows include an offset of a partition; None if it cannot be told.

    Args:
        location: of the table.
        newest: version of the current snapshot.
        since: when the record was decoded, shortly before the commit.
        app_id: the partition's application id, whose next offsets the commits name.
        offset: of the record.
    """
    first = _first_since(location, newest, since - _SLACK)
    if first and read(location, first - 1) is None:
        return None  # an earlier one may have held it
    for version in range(first, min(newest, first + NEAR) + 1):
        commit = read(location, version)
        if commit is not None and commit.offsets.get(app_id, -1) > offset:
            return commit
    return None


def _first_since(location: Location, newest: int, since: dt.datetime) -> int:
    """Return the first version of this time or later; one without an entry counts as earlier."""
    low, high = 0, newest + 1
    while low < high:
        middle = (low + high) // 2
        commit = read(location, middle)
        if commit is None or commit.time < since:
            low = middle + 1
        else:
            high = middle
    return low
