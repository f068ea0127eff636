"""The routes of the page, behind its guard."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from pixstream.page.guard import Guard
from pixstream.page.rendering import message
from pixstream.page.views import alerts, components, flow, jobs, letters, login, topics, trace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.responses import Response

    from pixstream.page.site import Site

log = logging.getLogger("pixstream.page")

_VIEWS = (flow, components, letters, topics, trace, jobs, alerts, login)
_SAMPLE_SECONDS = 1.0


def create_app(site: Site) -> Guard:
    """Return the page as an ASGI application; its lifespan takes the points of the history."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        sampling = asyncio.create_task(_sample(site))
        yield
        sampling.cancel()
        with suppress(asyncio.CancelledError):
            await sampling
        await site.works.end()

    async def not_found(request: Request, error: Exception) -> Response:
        del error
        return message(site, request, "no_such_page", 404)

    app = Starlette(
        routes=[
            *(_safe(site, route) for view in _VIEWS for route in view.routes(site)),
            Mount("/static", StaticFiles(packages=[("pixstream.page", "static")])),
        ],
        exception_handlers={404: not_found},
        lifespan=lifespan,
    )
    settings = site.settings.page
    return Guard(app, [*settings.names, settings.host], secure=site.secure)


def _safe(site: Site, route: Route) -> Route:
    """Return the route with a page in place of an error, which is logged and affects nothing."""

    async def answer(request: Request) -> Response:
        try:
            response: Response = await route.endpoint(request)
        except Exception:
            log.exception("a request for %s failed; the components continue", request.url.path)
            return message(site, request, "failed", 500)
        return response

    methods = None if route.methods is None else list(route.methods)
    return Route(route.path, answer, methods=methods)


async def _sample(site: Site) -> None:
    """Take a point of the history now and then, whatever one of them meets."""
    while True:
        try:
            site.sample()
        except Exception:
            log.exception("a point of the page's history is missing; the page continues")
        await asyncio.sleep(_SAMPLE_SECONDS)
