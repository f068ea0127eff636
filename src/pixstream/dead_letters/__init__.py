"""Dead letters: what could not go on, whole and sealed, with all it takes to understand it.

A letter is a record of the topic `pix.dlq`: its key and `letter-id` are a hash of its origin, so a
letter written twice after a crash is one letter; its headers tell what happened; its value is the
raw bytes, sealed with the letter's id as context. A letter too large for Kafka has an empty value
and a `file` header that names an encrypted file.

`letters` writes them, `reading` and `selection` find and open them, `state` says what became of
each, `becoming` reads one again (after `repair`), `desk` writes the outcome and the mark together.
"""

from pixstream.dead_letters.letters import (
    DRAFT,
    REPLAY_FOR,
    REPLAY_OF,
    STAGES,
    Letter,
    LetterWriter,
    error_class,
)
from pixstream.dead_letters.reading import LetterView, content, views

__all__ = [
    "DRAFT",
    "REPLAY_FOR",
    "REPLAY_OF",
    "STAGES",
    "Letter",
    "LetterView",
    "LetterWriter",
    "content",
    "error_class",
    "views",
]
