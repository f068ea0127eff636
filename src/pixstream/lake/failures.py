"""What a failure of the disk, the object store or deltalake means: wait, or stop.

The decision between the two may lean on an error's text, because nothing depends on it but the
waiting: whether a commit happened is always read from the table. The text itself is never shown.
"""

from __future__ import annotations

import errno
import re

from deltalake.exceptions import DeltaError

from pixstream.errors import DestinationError, PixstreamError, Transient

_OS_ERROR = re.compile(r"\(os error (\d+)\)")
"""How Rust's libraries write an errno."""

_DENIED = ("lacked the necessary privileges", "lacked valid authentication")
"""How the object stores' library words 403 and 401."""

_STOPS = "this process stops with nothing committed"

_MEANINGS: tuple[tuple[frozenset[int], type[PixstreamError], str], ...] = (
    (
        frozenset({errno.ENOSPC, errno.EDQUOT}),
        Transient,
        "the disk is full; nothing is lost, free some space",
    ),
    (
        frozenset({errno.EACCES, errno.EPERM, errno.EROFS}),
        DestinationError,
        f"not allowed; {_STOPS}: give it the right to write there, or mount the disk writable",
    ),
    (
        frozenset({errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG}),
        DestinationError,
        f"the path is no directory; {_STOPS}: move what lies there, or set another uri",
    ),
    (
        frozenset({errno.ENOENT}),
        DestinationError,
        f"a file or directory of it is gone; {_STOPS}: mount the disk, or restore the table",
    ),
    (
        frozenset({errno.EIO}),
        DestinationError,
        f"the disk failed; {_STOPS}: check the disk before this component starts again",
    ),
)


def explain(error: Exception, doing: str) -> Exception:
    """The error to raise in place of one from below; an unknown kind is returned as it is.

    Args:
        error: from the operating system, pyarrow or deltalake.
        doing: what failed and on what, as in "table pagamentos at …: cannot commit".
    """
    if isinstance(error, PixstreamError) or not isinstance(error, (OSError, DeltaError)):
        return error
    number = _number(error)
    for numbers, kind, meaning in _MEANINGS:
        if number in numbers:
            return kind(f"{doing}: {meaning} ({errno.errorcode[number]})")
    return Transient(f"{doing}: {type(error).__name__}, {errno.errorcode.get(number, 'no answer')}")


def _number(error: Exception) -> int:
    """The operating system's error number; 0 where none is told."""
    if isinstance(error, OSError) and error.errno:
        return error.errno
    text = str(error)
    if any(words in text for words in _DENIED):
        return errno.EACCES
    found = _OS_ERROR.search(text)
    return int(found[1]) if found else 0
