"""The audit log: who revealed or changed what, when and why. One JSON line each, mode 0600."""

from __future__ import annotations

import datetime as dt
import os
from typing import TYPE_CHECKING

import msgspec

from pixstream.errors import PixstreamError

if TYPE_CHECKING:
    from pathlib import Path


def record(file: Path, action: str, target: str, who: str, why: str) -> None:
    """Append a line and sync it to disk, before the action happens.

    Raises:
        PixstreamError: the log cannot be written, so the action must not happen.
    """
    line = {
        "time": dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds"),
        "action": action,
        "target": target,
        "who": who,
        "why": why,
    }
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(handle, msgspec.json.encode(line) + b"\n")
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        raise PixstreamError(
            f"cannot write the audit log {file} ({error.strerror}); nothing was done. Make the "
            "file writable and run the command again"
        ) from None
