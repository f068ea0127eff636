"""One entry of a table's log, read by ourselves: is it whole, and what does it tell?

deltalake takes an empty entry, or one that was cut between two lines, for a commit that did
little. So each commit of ours says in its first line how many actions follow, and up to which
version the log was on the disk when it was made.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import unquote

import msgspec

ACTIONS = "pixstreamActions"
"""Where a commit of ours says how many actions follow, so that a cut between two lines shows."""

DURABLE = "pixstreamDurable"
"""Where it says which version, and so all before it, was on the disk already."""


class Entry(NamedTuple):
    """What a whole entry tells: files that it added, with their sizes, and `DURABLE` if said."""

    added: dict[str, int]
    durable: int | None


def name(version: int) -> str:
    """File name of the entry of a version."""
    return f"{version:020}.json"


def about(actions: int, durable: int | None) -> dict[str, int]:
    """What a commit of ours says of itself.

    Args:
        actions: how many it has.
        durable: the newest version that is known to be on the disk; None where none is waited for.
    """
    return {ACTIONS: actions} if durable is None else {ACTIONS: actions, DURABLE: durable}


def parse(content: bytes) -> Entry | None:
    """Read an entry; None when it is empty, torn, or has not the actions that it says."""
    try:
        actions = [msgspec.json.decode(line) for line in content.splitlines()]
        told = actions[0].get("commitInfo", {})
        whole = told.get(ACTIONS, len(actions) - 1) == len(actions) - 1
        added = [action["add"] for action in actions if "add" in action]
        files = {unquote(add["path"]): int(add["size"]) for add in added}
    except (msgspec.DecodeError, ValueError, LookupError, TypeError, AttributeError):
        return None
    return Entry(files, told.get(DURABLE)) if whole else None
