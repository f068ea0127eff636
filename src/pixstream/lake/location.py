"""The location of one table: a local directory, or a prefix in an object store."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

from pyarrow import fs

from pixstream.lake import object_store

if TYPE_CHECKING:
    from collections.abc import Mapping


class Location:
    """The location of one table.

    Args:
        base: directory or URI of all tables.
        name: the table's own name under it.
        options: settings of the object store, as deltalake names them; unused on local paths.
        fsync: sync to disk; false only where a power cut may lose the last rows.

    Attributes:
        uri: what deltalake opens.
        directory: the local directory, None on an object store.
    """

    def __init__(
        self, base: str, name: str, *, options: Mapping[str, str] | None = None, fsync: bool = True
    ) -> None:
        self.name = name
        self.directory = _directory(base, name)
        self.options = {} if self.directory else object_store.complete(options or {})
        self.uri = str(self.directory) if self.directory else f"{base.rstrip('/')}/{name}"
        self.fsync = fsync and self.directory is not None

    @cached_property
    def filesystem(self) -> fs.FileSystem:
        """Files by their path inside the table."""
        if self.directory is not None:
            return fs.SubTreeFileSystem(str(self.directory), fs.LocalFileSystem())
        store = object_store.arrow_s3(self.uri, self.options)
        if store is not None:
            return store
        from deltalake.fs import DeltaStorageHandler

        return fs.PyFileSystem(DeltaStorageHandler(self.uri, self.options))

    def __str__(self) -> str:
        """Return the table's name and location, for messages."""
        return f"table {self.name} at {self.uri}"


def _directory(base: str, name: str) -> Path | None:
    """Return the local directory of a table; None where `base` is an object store."""
    if "://" not in base:
        return Path(base).absolute() / name
    parts = urlsplit(base)
    return Path(url2pathname(parts.path)) / name if parts.scheme == "file" else None
