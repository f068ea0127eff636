"""The pieces of a body that cannot become events, as a bounded number of refusals.

Each refusal becomes a dead letter of a kilobyte or more, so a body of many tiny unreadable pieces
would cost far more than its length.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pixstream.event.model import Draft, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pixstream.event.model import Reason

MAX_REFUSALS = 100
"""Of one body, each with its own piece; further pieces share one more refusal."""


class Unreadable(NamedTuple):
    """A piece of a body that cannot become an event.

    Attributes:
        reason: why.
        describe: returns where it is and what is wrong, without any value of it.
        piece: returns its bytes; called at most once, before the next piece is read.
    """

    reason: Reason
    describe: Callable[[], str]
    piece: Callable[[], bytes]


def refusals(
    found: Iterable[Draft | Unreadable], raw: bytes, content_type: str
) -> Iterator[Draft | Refusal]:
    """Yield the drafts, and a refusal for each unreadable piece up to `MAX_REFUSALS`.

    Further pieces share one refusal, which comes last and keeps the whole body: a replay of it
    yields events again that are known by their ids.

    Args:
        found: what a parser found, in the order of the body.
        raw: the whole body.
        content_type: of the pieces and of the body.
    """
    refused = 0
    for one in found:
        if isinstance(one, Draft):
            yield one
            continue
        refused += 1
        if refused <= MAX_REFUSALS:
            yield Refusal(
                reason=one.reason,
                message=one.describe(),
                raw=one.piece(),
                content_type=content_type,
            )
        elif refused == MAX_REFUSALS + 1:
            first = one
    if refused > MAX_REFUSALS:
        yield Refusal(
            reason=first.reason,
            message=f"{refused - MAX_REFUSALS:,} further unreadable pieces of a body, first "
            f"{first.describe()}",
            raw=raw,
            content_type=content_type,
        )
