"""The components: all of them, and each with its processes, positions and configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from starlette.routing import Route

from pixstream.config import show
from pixstream.metrics import Distribution
from pixstream.page import figures
from pixstream.page.rendering import message, render

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from pixstream.page.calls import Answer
    from pixstream.page.site import Site

FRESH_SECONDS = 5.0
"""How old positions may be."""

_SECTIONS = ("producers", "consumers", "processors")


def routes(site: Site) -> list[Route]:
    """Return the routes of the components."""

    async def every(request: Request) -> Response:
        return render(
            site, request, "components", components=figures.of_components(site.latest()).values()
        )

    async def one(request: Request) -> Response:
        name = request.path_params["name"]
        section = section_of(site, name)
        status = site.latest()
        replicas = [c for c in (status.components if status else []) if c.component == name]
        if section is None or not replicas:
            return message(site, request, "no_such_component", 404)
        command = ("positions",) if section == "producers" else ("offsets", "show")
        answer = await site.caller.ask(
            *command, "--format", "json", "--", name, fresh_seconds=FRESH_SECONDS
        )
        return render(
            site,
            request,
            "component",
            name=name,
            section=section,
            replicas=replicas,
            metrics=_numbers(replicas),
            answer=answer,
            positions=rows(answer),
            configuration="\n".join(show.part(site.effective, site.settings, section, name)),
        )

    return [Route("/components", every), Route("/components/{name}", one)]


def section_of(site: Site, name: str) -> str | None:
    """Return the section of the configuration that has a component."""
    return next((s for s in _SECTIONS if name in getattr(site.settings, s)), None)


def rows(answer: Answer) -> list[dict[str, Any]]:
    """Return the rows of an answer that is one JSON list; empty: there is no answer."""
    if not answer.good or answer.cut:
        return []
    return msgspec.json.decode(answer.output, type=list[dict[str, Any]])


def _numbers(replicas: list[Any]) -> list[tuple[str, str, float]]:
    """Return the counters and gauges of a component: name, labels, value, of all its replicas."""
    sums: dict[tuple[str, str], float] = {}
    for component in replicas:
        for sample in component.metrics:
            if not isinstance(sample.value, Distribution):
                labels = ", ".join(f"{k}={v}" for k, v in sample.labels.items() if v)
                key = (sample.name, labels)
                sums[key] = sums.get(key, 0.0) + sample.value
    return [(name, labels, value) for (name, labels), value in sorted(sums.items()) if value]
