"""Parses a commit entry of the Delta log and checks that it is complete.

deltalake takes an empty entry, or one truncated between two lines, for a small commit. So each of
our commits records in its first line how many actions follow, and up to which version the log was
on disk when the commit was made.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import unquote

import msgspec

ACTIONS = "pixstreamActions"
"""commitInfo key for the number of actions that follow, which reveals a truncated entry."""

DURABLE = "pixstreamDurable"
"""commitInfo key for the newest version that was already on disk, with all before it."""


class Entry(NamedTuple):
    """The content of a complete entry: added files with their sizes, and `DURABLE` if present."""

    added: dict[str, int]
    durable: int | None


def name(version: int) -> str:
    """Return the file name of a version's entry."""
    return f"{version:020}.json"


def about(actions: int, durable: int | None) -> dict[str, int]:
    """Return the custom metadata of one of our commits.

    Args:
        actions: how many it has.
        durable: the newest version known to be on disk; None where nothing is synced.
    """
    return {ACTIONS: actions} if durable is None else {ACTIONS: actions, DURABLE: durable}


def parse(content: bytes) -> Entry | None:
    """Parse an entry; None if it is empty, torn, or has not as many actions as it says."""
    try:
        actions = [msgspec.json.decode(line) for line in content.splitlines()]
        info = actions[0].get("commitInfo", {})
        whole = info.get(ACTIONS, len(actions) - 1) == len(actions) - 1
        added = [action["add"] for action in actions if "add" in action]
        files = {unquote(add["path"]): int(add["size"]) for add in added}
    except (msgspec.DecodeError, ValueError, LookupError, TypeError, AttributeError):
        return None
    return Entry(files, info.get(DURABLE)) if whole else None
