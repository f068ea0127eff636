"""The first page: the flow as a picture, the last hour, and the stream of figures for all pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from pixstream.page import picture
from pixstream.page.rendering import render

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from pixstream.page.live import Values
    from pixstream.page.site import Site


def routes(site: Site) -> list[Route]:
    """Return the routes of the first page and of the stream."""

    async def show(request: Request) -> Response:
        flow = site.flow()
        return render(
            site,
            request,
            "flow",
            wide=picture.wide(flow),
            narrow=picture.narrow(flow),
            charts=site.charts(),
            values=site.values(site.tongue(request), with_charts=True),
        )

    async def stream(request: Request) -> Response:
        if site.streams.full:
            return PlainTextResponse("page.streams browsers listen\n", 503, {"Retry-After": "10"})
        tongue, charts = site.tongue(request), "charts" in request.query_params

        def read() -> Values:
            return site.values(tongue, with_charts=charts)

        return StreamingResponse(site.streams.events(read), media_type="text/event-stream")

    return [Route("/", show), Route("/live", stream)]
