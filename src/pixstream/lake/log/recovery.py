"""After a power cut: what it left half written of a local log is set aside.

Which damage is a power cut's, and which is not? A commit is confirmed to Kafka only once it and
all before it are on the disk, and each says which version was on the disk when it was made. So an
entry that is torn or absent, and that no later one calls durable, was never confirmed, nor was any
after it: they are renamed, and Kafka gives their rows again. Anything else is a fault of the disk
or of a person; it is left for a person (`verification`).
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

    The lock keeps two processes from judging an entry that one of them has just replaced.
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
    """The lowest entry that is not whole among those that may not have reached the disk.

    Read from the newest on down, and no further than an entry says that all is durable; one that
    says nothing was made with everything before it on the disk.
    """
    durable, first = checkpoint, newest + 1
    version = newest
    while version > durable:
        path = directory / entries.name(version)
        entry = entries.parse(path.read_bytes()) if path.exists() else None
        if entry is None:
            first = version
        else:
            told = version - 1 if entry.durable is None else entry.durable
            durable = max(durable, told)
        version -= 1
    return first


def _whole_checkpoint(directory: Path) -> int:
    """The newest whole checkpoint's version, -1 without one; torn ones are set aside.

    A pointer to a checkpoint that is not there would make the table unreadable and is removed.
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
        told = msgspec.json.decode(pointer.read_bytes())
        return int(told["version"])
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
        "%s: half written, or behind a half-written entry, as a power cut leaves it; set aside. "
        "Its rows were never confirmed to Kafka and are read again",
        path,
    )
