"""Reading whole Delta tables of the demo."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deltalake import DeltaTable
from pyarrow import fs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pyarrow as pa


def read(path: Path, columns: Sequence[str] | None = None) -> pa.Table | None:
    """Return the rows of a table, or None if it does not exist yet.

    Arrow reads through its own file system. With deltalake's, which is written in Python, its
    threads sometimes abort the process when the interpreter exits (apache/arrow#34314).
    """
    if not DeltaTable.is_deltatable(str(path)):
        return None
    place = fs.SubTreeFileSystem(str(path.absolute()), fs.LocalFileSystem())
    wanted = None if columns is None else list(columns)
    return DeltaTable(str(path)).to_pyarrow_table(filesystem=place, columns=wanted)
