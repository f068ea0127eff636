"""Logging in with the operator's token, and out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import RedirectResponse
from starlette.routing import Route

from pixstream.errors import Refused
from pixstream.page import forms
from pixstream.page.rendering import message, render
from pixstream.page.sessions import LONGEST_SECONDS, TOO_MANY

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from pixstream.page.site import Site


def routes(site: Site) -> list[Route]:
    """Return the routes of logging in and out."""

    async def show(request: Request) -> Response:
        return render(site, request, "login", problem="", who="")

    async def log_in(request: Request) -> Response:
        who = ""
        try:
            fields = await forms.read(request)
            who = fields.get("who", "")
            name = site.sessions.open(fields.get("token", ""), who)
        except Refused as why:
            status = 429 if why.reason == TOO_MANY else 403
            problem = site.tongue(request).t(why.reason)
            return render(site, request, "login", status_code=status, problem=problem, who=who)
        response = RedirectResponse("/letters", 303)
        response.set_cookie(
            site.cookie,
            name,
            max_age=int(LONGEST_SECONDS),
            httponly=True,
            samesite="strict",
            secure=site.secure,
        )
        return response

    async def log_out(request: Request) -> Response:
        session = site.session(request)
        try:
            fields = await forms.read(request)
        except Refused as why:
            return message(site, request, why.reason, 400)
        if session is not None and session.owns(fields.get("csrf", "")):
            site.sessions.close(request.cookies.get(site.cookie))
        response = RedirectResponse("/", 303)
        response.delete_cookie(site.cookie)
        return response

    return [
        Route("/login", show),
        Route("/login", log_in, methods=["POST"]),
        Route("/logout", log_out, methods=["POST"]),
    ]
