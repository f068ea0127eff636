"""The jobs of the Databricks bundle, as `jobs list` shows them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.routing import Route

from pixstream.bundle import bundle, layers
from pixstream.errors import PixstreamError
from pixstream.page.rendering import render

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from pixstream.bundle.definition import Bundle
    from pixstream.page.site import Site

TARGET = "dev"


def routes(site: Site) -> list[Route]:
    """Return the route of the jobs."""

    async def show(request: Request) -> Response:
        directory = Path(site.settings.page.bundle)
        found, trouble = await asyncio.to_thread(_read, directory)
        return render(
            site, request, "jobs", directory=directory, bundle=found, trouble=trouble, target=TARGET
        )

    return [Route("/jobs", show)]


def _read(directory: Path) -> tuple[Bundle | None, str]:
    """Return the bundle, or why it cannot be read; neither if there is none."""
    if not (directory / layers.ROOT_FILE).is_file():
        return None, ""
    try:
        return bundle.load(directory, TARGET), ""
    except PixstreamError as error:
        return None, str(error)
