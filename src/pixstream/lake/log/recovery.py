"""Recovery after a power cut: sets aside the log entries and checkpoints that are half written.

Only damage by a power cut is repaired. A commit is confirmed to Kafka once it and all before it are
on disk, and each commit records which version was on disk when it was made. So if an entry is torn
or missing and no later one records it as durable, neither it nor any after it was ever confirmed:
they are renamed, and Kafka delivers their rows again. Any other damage comes from the disk or from
an operator, who must repair it (`verification`).
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from pixstream.lake.log import entries
from pixstream.lake.log.durability import LOG

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

log = logging.getLogger("pixstream.lake")

_VERSION = re.compile(r"(\d{20})\.(json|checkpoint\.parquet)")


def set_aside_torn(table: Path) -> None:
    """Rename the newest log entries and checkpoints that a power cut left half written.

    The lock prevents a process from examining an entry that another one has just replaced.
    """
    directory = table / LOG
    if not directory.is_dir():
        return
    with _locked(directory):
        checkpoint = _whole_checkpoint(directory)
        versions = _versions(directory, "json")
        newest = max(versions, default=-1)
        first = _first_torn(directory, newest, checkpoint)
        for version in sorted(v for v in versions if v >= first):
            _set_aside(directory / entries.name(version))


def _first_torn(directory: Path, newest: int, checkpoint: int) -> int:
    """Return the lowest torn or missing version among those that may not have reached the disk.

    Entries are read from the newest down to the version recorded as durable; an entry without that
    record was made when everything before it was on disk.
    """
    durable, first = checkpoint, newest + 1
    version = newest
    while version > durable:
        path = directory / entries.name(version)
        entry = entries.parse(path.read_bytes()) if path.exists() else None
        if entry is None:
            first = version
        else:
            recorded = version - 1 if entry.durable is None else entry.durable
            durable = max(durable, recorded)
        version -= 1
    return first


def _whole_checkpoint(directory: Path) -> int:
    """Return the newest complete checkpoint's version, -1 without one; set torn ones aside.

    Remove a pointer to a missing checkpoint, which would make the table unreadable.
    """
    whole = set()
    for version in _versions(directory, "checkpoint.parquet"):
        path = directory / f"{version:020}.checkpoint.parquet"
        if _whole_parquet(path):
            whole.add(version)
        else:
            _set_aside(path)
    pointer = directory / "_last_checkpoint"
    if pointer.exists() and _pointed(pointer) not in whole:
        pointer.unlink()
    return max(whole, default=-1)


def _pointed(pointer: Path) -> int | None:
    try:
        content = msgspec.json.decode(pointer.read_bytes())
        return int(content["version"])
    except (msgspec.DecodeError, LookupError, TypeError):
        return None


def _versions(directory: Path, kind: str) -> set[int]:
    found = (_VERSION.fullmatch(path.name) for path in directory.iterdir())
    return {int(match[1]) for match in found if match and match[2] == kind}


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _whole_parquet(path: Path) -> bool:
    try:
        pq.read_metadata(path)
    except (pa.ArrowInvalid, OSError):
        return False
    return True


def _set_aside(path: Path) -> None:
    path.rename(path.with_name(f".{path.name}.torn"))
    log.warning(
        "%s: half written, or follows a half-written entry, as after a power cut; set aside. "
        "Its rows were never confirmed to Kafka and are read again",
        path,
    )
