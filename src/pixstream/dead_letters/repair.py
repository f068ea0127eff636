"""Repairing a letter's content before it is read again: with a Python file or JMESPath."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import jmespath
import msgspec
from jmespath.exceptions import JMESPathError

from pixstream.errors import ConfigError, Refused
from pixstream.formats.json_body import Body

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Repair: TypeAlias = Callable[[bytes, dict[str, str]], bytes | None]
"""`repair(raw, headers)` returns the bytes to read instead; None leaves the letter open."""

FAILED = "repair_failed"
"""Reason code of a letter that stays open: its repair raised or returned the wrong type."""


def from_file(path: Path) -> Repair:
    """Return the function `repair(raw, headers)` that a file defines.

    The returned function raises `Refused` (`repair_failed`) if the file's function raises or
    returns anything but bytes or None. The message names file, line and class, never the
    exception's text, which may contain the payload.

    Raises:
        ConfigError: the file cannot be read or run, or does not define `repair`.
    """
    names: dict[str, Any] = {"__name__": "repair", "__file__": str(path)}
    try:
        code = compile(path.read_bytes(), str(path), "exec")
        exec(code, names)  # noqa: S102  the operator's own file, named on the command line
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    except SyntaxError as error:
        raise ConfigError(f"{path}:{error.lineno or 1}: not valid Python ({error.msg})") from None
    except Exception as error:  # noqa: BLE001  the file may raise anything when it is loaded
        raise ConfigError(f"{_place(error, path)}: raises {type(error).__name__}") from None
    function = names.get("repair")
    if not callable(function):
        raise ConfigError(
            f"{path}: does not define a function repair(raw: bytes, headers: dict[str, str]) that "
            "returns bytes, or None to leave a letter open"
        )

    def repair(raw: bytes, headers: dict[str, str]) -> bytes | None:
        try:
            result: Any = function(raw, dict(headers))
        except Exception as error:  # noqa: BLE001  this letter stays open, the others continue
            problem = f"{_place(error, path)}: repair raises {type(error).__name__}"
            raise Refused(FAILED, problem) from None
        if result is not None and not isinstance(result, bytes):
            kind = type(result).__name__
            raise Refused(FAILED, f"{path}: repair returns {kind}, not bytes or None")
        return result

    return repair


def from_expression(expression: str) -> Repair:
    """Return a repair that applies a JMESPath expression to JSON content.

    The result is the new content: a string is taken as it is (a body inside a body), anything else
    is encoded as JSON; null leaves the letter open. Content that is not JSON raises `Refused`.

    Raises:
        ConfigError: it is not a valid JMESPath expression.
    """
    try:
        compiled = jmespath.compile(expression)
    except JMESPathError as error:
        place = getattr(error, "lex_position", getattr(error, "lexer_position", 0))
        raise ConfigError(
            f"not a valid JMESPath expression: error at character {place + 1}"
        ) from None

    def repair(raw: bytes, headers: dict[str, str]) -> bytes | None:
        document = _document(raw, headers)
        try:
            result = compiled.search(document)
        except Exception as error:  # noqa: BLE001  this letter stays open, the others continue
            problem = f"the JMESPath expression does not fit the content ({type(error).__name__})"
            raise Refused(FAILED, problem) from None
        if result is None:
            return None
        return result.encode() if isinstance(result, str) else msgspec.json.encode(result)

    return repair


def _document(raw: bytes, headers: Mapping[str, str]) -> Any:
    """Return the content as JSON: our own parsed strictly, a source's as the producers parse it.

    The producers' parser is tolerant, and keeps a number with more digits than a float as text.

    Raises:
        Refused: the content is not JSON.
    """
    if headers.get("stage") != "read":
        with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return msgspec.json.decode(raw)
    return Body(raw).document


def _place(error: Exception, path: Path) -> str:
    """Return the last line of the file in an exception's traceback."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(path)]
    return f"{path}:{lines[-1]}" if lines else str(path)
