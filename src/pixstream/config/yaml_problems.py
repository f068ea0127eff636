"""Words what is wrong with broken YAML, and what to do."""

from __future__ import annotations

import re
import sys

import yaml

_WORDS: tuple[tuple[str, str], ...] = (
    ("'\\t'", "a tab where YAML requires spaces; indent with spaces"),
    (
        "mapping values are not allowed",
        "a ':' is not allowed here; quote the text, or add the ':' missing in the line before",
    ),
    ("could not find expected ':'", "a key without ':'; write `key: value`"),
    (
        "expected <block end>",
        "this line fits neither the section above nor a new one; check its indentation",
    ),
    ("end of stream", "a quote that opens here is never closed"),
    ("document separator", "a quote that opens here is never closed"),
    ("expected ',' or", "a '[' or '{' that opens here is never closed, or a ',' is missing"),
    ("expected the node content", "a value is missing, or a bracket or brace is not closed"),
    ("that cannot start any token", "this character cannot start a text; put the text in quotes"),
    ("undefined alias", "this alias (*name) has no anchor (&name) before it"),
    ("duplicate anchor", "this anchor (&name) exists already; give it another name"),
    ("expected a single document", "'---' starts a second document; keep one a file"),
    ("but found another document", "'---' starts a second document; keep one a file"),
    ("unknown escape character", "this backslash does not start a YAML escape; use single quotes"),
    ("hexadecimal", "this escape needs hexadecimal digits; use single quotes for a plain '\\'"),
    ("undefined tag handle", "tags (!name) are not allowed; remove the tag"),
    ("version", "this %YAML directive is not understood; remove it"),
)
_OPENING = ("a quote that opens here", "a '[' or '{' that opens here")
_OTHERWISE = "invalid YAML; check indentation, quotes and brackets here and in the line before"


def explain(error: Exception, text: str) -> tuple[int, int, str]:
    """Return line and column (from 1; 0: unknown) and a text for what PyYAML could not read.

    PyYAML's own text is not used: it may repeat the content of the file.
    """
    if isinstance(error, RecursionError):
        return 0, 0, "nested too deeply for a configuration; close the brackets or indent less"
    if isinstance(error, yaml.reader.ReaderError):
        before = text[: int(error.position)]
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        return line, column, "a control character, which YAML does not allow; remove it"
    if not isinstance(error, yaml.MarkedYAMLError):
        return *_bad_escape(text), "not a character's escape; use single quotes for a plain '\\'"
    problem = error.problem or ""
    words = next((words for sign, words in _WORDS if sign in problem), _OTHERWISE)
    mark = error.problem_mark
    if words.startswith(_OPENING) and error.context_mark is not None:
        mark = error.context_mark
    if mark is None:
        return 0, 0, words
    return mark.line + 1, mark.column + 1, words


def _bad_escape(text: str) -> tuple[int, int]:
    r"""Return the place of a \U that is not a Unicode character; PyYAML raises Python's error."""
    for match in re.finditer(r"\\U([0-9A-Fa-f]{8})", text):
        if int(match[1], 16) > sys.maxunicode:
            before = text[: match.start()]
            return before.count("\n") + 1, len(before) - before.rfind("\n")
    return 0, 0
