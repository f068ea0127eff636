"""Classifies failures of the disk, the object store or deltalake: retry, or stop.

The choice may rely on an error's text, because only the retry depends on it: whether a commit
happened is always read from the table. The text itself is never shown.
"""

from __future__ import annotations

import errno
import re

from deltalake.exceptions import DeltaError

from pixstream.errors import DestinationError, PixstreamError, Transient

_OS_ERROR = re.compile(r"\(os error (\d+)\)")
"""How Rust libraries write an errno."""

_STOPS = "this process stops with nothing committed"

_URI = ("Unknown scheme", "Invalid table location")

_WORDS: tuple[tuple[tuple[str, ...], type[PixstreamError], str], ...] = (
    (
        (
            *("lacked the necessary privileges", "lacked valid authentication"),
            *("403 Forbidden", "401 Unauthorized", "AWS Error ACCESS_DENIED"),
            *("AWS Error INVALID_ACCESS_KEY_ID", "AWS Error SIGNATURE_DOES_NOT_MATCH"),
            "error occurred while loading credentials",
        ),
        DestinationError,
        (
            "the store refuses these credentials, they lack the right, or there are none; "
            f"{_STOPS}: correct the keys in storage_options, or the policy of bucket and role"
        ),
    ),
    (
        ("NoSuchBucket", "AWS Error NO_SUCH_BUCKET", "ContainerNotFound", "bucket does not exist"),
        DestinationError,
        f"its bucket or container does not exist; {_STOPS}: create it, or correct the uri",
    ),
    (
        _URI,
        DestinationError,
        f"its uri names an unknown kind of store; {_STOPS}: correct the uri",
    ),
    (
        ("Generic Config error", "URL scheme is not allowed", "conditional put is disabled"),
        DestinationError,
        (
            f"storage_options are wrong; {_STOPS}: each must have the form that deltalake expects, "
            "an http endpoint needs aws_allow_http, and conditional_put must stay on"
        ),
    ),
    (
        ("Expected contiguous commit", "Invalid Checkpoint", "Json error", "EOF: file size"),
        DestinationError,
        f"its log is damaged; {_STOPS}: restore the table from a backup",
    ),
    (
        ("dns error", "tcp connect error", "AWS Error NETWORK_CONNECTION", "operation timed out"),
        Transient,
        "no answer; check the store, the network, and the endpoint in storage_options",
    ),
)
"""Error texts of deltalake, its object stores and Arrow that have no errno or say more than it."""

_MEANINGS: tuple[tuple[frozenset[int], type[PixstreamError], str], ...] = (
    (
        frozenset({errno.ENOSPC, errno.EDQUOT}),
        Transient,
        "the disk is full; nothing is lost, free some space",
    ),
    (
        frozenset({errno.EACCES, errno.EPERM, errno.EROFS}),
        DestinationError,
        f"permission denied; {_STOPS}: grant write permission there, or mount the disk writable",
    ),
    (
        frozenset({errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG}),
        DestinationError,
        f"the path is not a directory; {_STOPS}: move the file away, or set another uri",
    ),
    (
        frozenset({errno.ENOENT}),
        DestinationError,
        f"one of its files or directories is gone; {_STOPS}: mount the disk, or restore the table",
    ),
    (
        frozenset({errno.EIO}),
        DestinationError,
        f"the disk failed; {_STOPS}: check the disk before this component starts again",
    ),
)


def explain(error: Exception, doing: str) -> Exception:
    """Return the error to raise instead of a lower-level one; other errors are returned as is.

    Args:
        error: from the operating system, pyarrow or deltalake.
        doing: what failed and on what, as in "table pagamentos at …: cannot commit".
    """
    if isinstance(error, PixstreamError) or not isinstance(error, (OSError, DeltaError)):
        return error
    text = str(error)
    for words, kind, meaning in _WORDS:
        if any(some in text for some in words):
            return kind(f"{doing}: {meaning}")
    number = _number(error)
    for numbers, kind, meaning in _MEANINGS:
        if number in numbers:
            return kind(f"{doing}: {meaning} ({errno.errorcode[number]})")
    return Transient(f"{doing}: {type(error).__name__}, {errno.errorcode.get(number, 'no answer')}")


def is_about_the_uri(error: Exception) -> bool:
    """Return whether no table was found because the uri itself is unusable."""
    return any(words in str(error) for words in _URI)


def _number(error: Exception) -> int:
    """Return the operating system's error number; 0 where there is none."""
    if isinstance(error, OSError) and error.errno:
        return error.errno
    found = _OS_ERROR.search(str(error))
    return int(found[1]) if found else 0
