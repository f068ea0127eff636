"""The text of bytes that should be UTF-8, kept where they are not."""

from __future__ import annotations

import codecs
import contextlib


def decoded(raw: bytes) -> tuple[str, bool]:
    """Decode a text; return it without a byte order mark, and whether it had to be repaired.

    JSON is UTF-8 (RFC 8259, section 8.1), and so is an XML document that declares nothing else
    (XML 1.0, section 4.3.3). Senders that write another character set in Brazil write
    Windows-1252, which contains ISO-8859-1's letters, whatever they say about it; so the bytes that
    are not UTF-8 are read as that, and the others stay what they are.
    """
    with contextlib.suppress(UnicodeDecodeError):
        return raw.decode("utf-8-sig"), False
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        with contextlib.suppress(UnicodeDecodeError):
            return raw.decode("utf-16"), True
    return raw.decode("utf-8-sig", "windows-1252"), True


def _as_windows_1252(error: UnicodeError) -> tuple[str, int]:
    """Read the bytes that a decoder refuses as Windows-1252, or as U+FFFD where that has none."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    wrong = error.object[error.start : error.end]
    return wrong.decode("cp1252", "replace"), error.end


codecs.register_error("windows-1252", _as_windows_1252)
