"""The search for one payment's life: what `pixstream trace` says about an identifier."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.routing import Route

from pixstream.page.rendering import render

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from pixstream.page.calls import Answer
    from pixstream.page.site import Site

STEPS = ("happened", "told", "kafka", "log", "delta", "letter", "mark")
"""The kinds of steps that have a word of their own."""

_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,119}")
"""EndToEndId, txid, RtrId, id of a letter, or topic/partition/offset."""


class Step(msgspec.Struct):
    """One thing that happened to a payment."""

    step: str
    text: str
    time: str | None = None


class Life(msgspec.Struct):
    """A payment, or a letter that belongs to no single one, with its steps."""

    steps: list[Step]
    payment: str = ""
    names: list[str] = []


class Looked(msgspec.Struct):
    """A place that was searched."""

    where: str
    when: str
    note: str = ""


class Trace(msgspec.Struct):
    """What the page reads of the command's answer; whatever else it says is passed over."""

    found: bool
    payments: list[Life] = []
    letters: list[Life] = []
    looked: list[Looked] = []
    problems: list[str] = []
    not_followed: list[str] = []


def routes(site: Site) -> list[Route]:
    """Return the route of the search."""

    async def show(request: Request) -> Response:
        wanted = request.query_params.get("id", "").strip()
        odd = bool(wanted) and not _IDENTIFIER.fullmatch(wanted)
        found: dict[str, Any] = {"answer": None, "trace": None}
        if wanted and not odd:
            answer = await site.caller.ask("trace", "--format", "json", "--", wanted)
            found = {"answer": answer, "trace": _trace(answer)}
        return render(site, request, "trace", wanted=wanted, odd=odd, **found)

    return [Route("/trace", show)]


def _trace(answer: Answer) -> Trace | None:
    """Return what was found; None: the command said nothing of it.

    Its exit code is not 0 when nothing was found, or not everywhere was looked.
    """
    if answer.cut or answer.code is None or not answer.output.startswith("{"):
        return None
    return msgspec.json.decode(answer.output, type=Trace)
