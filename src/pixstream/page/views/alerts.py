"""Alerts now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from pixstream.page import alerts
from pixstream.page.rendering import render

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from pixstream.page.site import Site


def routes(site: Site) -> list[Route]:
    """Return the route of the alerts."""

    async def show(request: Request) -> Response:
        address = site.settings.page.alertmanager
        remote = await alerts.of_alertmanager(address) if address else None
        return render(
            site,
            request,
            "alerts",
            address=address,
            remote=remote,
            own=alerts.of_states(site.latest(), fresh=site.fresh),
        )

    return [Route("/alerts", show)]
