"""The search for one payment's life: what `pixstream trace` says about an identifier."""

from __future__ import annotations

import importlib.util
import re
from typing import TYPE_CHECKING

from starlette.routing import Route

from pixstream.page.rendering import render

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from pixstream.page.site import Site

COMMAND = "pixstream.cli.trace"
"""The module of the command; a release without it has no search."""

_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,119}")
"""EndToEndId, txid, RtrId, id of a letter, or topic/partition/offset."""


def routes(site: Site) -> list[Route]:
    """Return the route of the search."""

    async def show(request: Request) -> Response:
        wanted = request.query_params.get("id", "").strip()
        possible = importlib.util.find_spec(COMMAND) is not None
        asked = possible and _IDENTIFIER.fullmatch(wanted) is not None
        answer = await site.caller.ask("trace", "--", wanted) if asked else None
        return render(
            site,
            request,
            "trace",
            wanted=wanted,
            possible=possible,
            answer=answer,
            odd=bool(wanted) and not _IDENTIFIER.fullmatch(wanted),
        )

    return [Route("/trace", show)]
