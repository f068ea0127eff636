"""Topics, partitions and offsets, as `topics list` and `lag` show them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.routing import Route

from pixstream.page.rendering import render
from pixstream.page.views.components import FRESH_SECONDS, rows

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from pixstream.page.calls import Answer
    from pixstream.page.site import Site


def routes(site: Site) -> list[Route]:
    """Return the route of the topics."""

    async def show(request: Request) -> Response:
        listed, lag = await asyncio.gather(
            site.caller.ask("topics", "list", "--format", "json", fresh_seconds=FRESH_SECONDS),
            site.caller.ask("lag", "--format", "json", fresh_seconds=FRESH_SECONDS),
        )
        return render(
            site,
            request,
            "topics",
            listed=listed,
            lag=lag,
            topics=rows(listed),
            groups=_groups(lag),
        )

    return [Route("/topics", show)]


def _groups(lag: Answer) -> dict[str, list[dict[str, Any]]]:
    """Return the partitions of each consumer group."""
    if not lag.good or lag.cut:
        return {}
    groups: dict[str, list[dict[str, Any]]] = {}
    for partition in msgspec.json.decode(lag.output)["partitions"]:
        groups.setdefault(partition["group"], []).append(partition)
    return groups
