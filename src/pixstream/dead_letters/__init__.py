"""Dead letters: records that could not be processed, complete and sealed, with their context.

A letter is a record of the topic `pix.dlq`. Its key and `letter-id` are a hash of its origin, so a
letter written twice after a crash is one letter. Its headers say what happened. Its value is the
raw bytes, sealed with the letter's id as context. A letter too large for Kafka has an empty value
and a `file` header that names an encrypted file.

`letters` writes them, `reading` and `selection` find and open them, `masking` shows their content
without values, and `state` has the outcome of each. `replay` reads a letter again (after `repair`),
and `replay_transaction` writes its events and its mark in one transaction.
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
from pixstream.dead_letters.reading import LetterView, content, unmasked, views

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
    "unmasked",
    "views",
]
