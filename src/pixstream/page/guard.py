"""What stands before every page: the names it answers to, where actions come from, and headers.

A page on 127.0.0.1 is reachable from every web site that a browser of this machine visits. Three
things keep such a site out: a request must name this server (a site whose own name was rebound to
127.0.0.1 names itself), what changes anything must come from this page (`Origin`), and no other
site may show or read a page (frame-ancestors, same-origin).
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BODY_BYTES = 16 * 1024
"""No form of the page is larger."""

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    # Not no-referrer: with that a browser sends `Origin: null` with the page's own forms.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_SAFE = frozenset({"GET", "HEAD"})
_DIGITS = 8


class Guard:
    """ASGI middleware.

    Args:
        app: the application behind it.
        names: host names that it answers to, besides localhost and every IP address: an address
            cannot be rebound.
        secure: it is served with TLS.
    """

    def __init__(self, app: ASGIApp, names: Iterable[str], *, secure: bool) -> None:
        self._app = app
        self._names = frozenset(_plain(name) for name in names) | {"localhost"}
        self._scheme = "https" if secure else "http"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse the request, or pass it on and add the headers to the answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                # A file of ours has an ETag: asked for each time, sent when it has changed.
                static = scope["path"].startswith("/static/")
                headers.setdefault("Cache-Control", "no-cache" if static else "no-store")
            await send(message)

        refusal = self._refusal(scope["method"], Headers(scope=scope))
        await (refusal or self._app)(scope, receive, send_with_headers)

    def _refusal(self, method: str, headers: Headers) -> PlainTextResponse | None:
        host = headers.get("host", "")
        if not self._knows(host):
            text = "this server has another name; page.names lists the names that it answers to\n"
            return PlainTextResponse(text, 421)
        if method in _SAFE:
            return None
        origin = headers.get("origin")
        foreign = origin is not None and origin != f"{self._scheme}://{host}"
        if foreign or headers.get("sec-fetch-site", "same-origin") != "same-origin":
            return PlainTextResponse("the form is not of this page\n", 403)
        return _refusal_of_length(headers.get("content-length", ""))

    def _knows(self, host: str) -> bool:
        try:
            name = _plain(urlsplit(f"//{host}").hostname or "")
        except ValueError:
            return False
        return name in self._names or _is_address(name)


def _plain(name: str) -> str:
    return name.strip().lower().rstrip(".")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _refusal_of_length(length: str) -> PlainTextResponse | None:
    if not (length.isascii() and length.isdigit()):
        return PlainTextResponse("a form needs Content-Length\n", 411)
    if len(length) > _DIGITS or int(length) > MOST_BODY_BYTES:
        return PlainTextResponse("the form is too large\n", 413)
    return None
