"""The answer to a question as a document for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pixstream.trace.timeline import of_letter, timeline

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pixstream.privacy import Vault
    from pixstream.trace.answer import Answer
    from pixstream.trace.timeline import Step


def as_document(found: Answer, reveal: Vault | None = None) -> dict[str, Any]:
    """Return an answer as what JSON can hold, times as datetimes in UTC.

    Args:
        found: the answer.
        reveal: opens the sealed fields, which the document then contains; None: they stay sealed.
    """
    return {
        "asked": found.question.text,
        "kind": found.question.kind.value,
        "found": found.found,
        "payments": [
            {"payment": life.payment, "steps": _steps(timeline(life, reveal))}
            for life in found.lives
        ],
        "letters": [
            {"names": names, "steps": _steps(of_letter(letter, reveal))}
            for letter, names in found.letters
        ],
        "not_followed": found.more,
        "looked": [looked._asdict() for looked in found.looked],
        "problems": found.problems,
    }


def _steps(steps: Iterable[Step]) -> list[dict[str, Any]]:
    return [
        {
            **step.about,
            "time": step.time,
            "step": step.step,
            "text": step.text,
            **({} if step.revealed is None else {"revealed": step.revealed}),
        }
        for step in steps
    ]
