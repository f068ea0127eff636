"""The webhook's HTTP server: it hands bodies over to another thread and waits for the outcome.

A body is answered 200 only when that thread reports it as committed. Otherwise the answer is 503
with Retry-After, and the sender tries again: there is no room (answered immediately, before the
body is read; see `backlog`), nobody takes bodies now because Kafka is away or the process ends, the
commit did not finish in time, or it failed. No part of a request is logged: a query may carry a
secret, a body personal data.
"""

from __future__ import annotations

import asyncio
import hmac
import ssl
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Self

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response

from pixstream.errors import ConfigError, PixstreamError
from pixstream.http_serving.limits import Terms
from pixstream.http_serving.server import HttpServer
from pixstream.http_serving.sockets import listen
from pixstream.metrics import Counts
from pixstream.producers.webhook.backlog import Backlog
from pixstream.producers.webhook.refusals import (
    AWAY,
    BUSY,
    ENCODING,
    PATH,
    TOKEN,
    TOO_LARGE,
    Refusals,
)
from pixstream.wording import counted

if TYPE_CHECKING:
    import socket
    from types import TracebackType

    from starlette.types import Receive, Scope, Send

    from pixstream.producers.webhook.backlog import Limits, PendingBody

RETRY_AFTER_SECONDS = 5
_GRACE_SECONDS = 2
_LENGTH_DIGITS = 18


class ServerTls(NamedTuple):
    """PEM files. With `client_ca`, every client must present a certificate of that authority."""

    certificate: str
    key: str
    client_ca: str


class WebhookServer:
    """An HTTP server that listens from `open` to `close`, or while its context is open.

    Args:
        place: address and port to listen on, port 0: any free one, see the attribute `port`; or a
            listening socket.
        path: path of the webhook, such as `/hooks/bank`.
        places: paths below it that take bodies, in addition to the path itself.
        limits: limits of the backlog.
        token: secret that a sender presents, in the query as `hmac` or as a bearer token; empty:
            none.
        tls: certificate files; None: plain HTTP.
        terms: which connections are accepted, how many, and how long.

    Attributes:
        room: the admitted bodies.
        refusals: counts the refused bodies; may be replaced before it opens.
    """

    def __init__(
        self,
        place: tuple[str, int] | socket.socket,
        path: str,
        places: tuple[str, ...],
        limits: Limits,
        *,
        token: str = "",
        tls: ServerTls | None = None,
        terms: Terms = Terms(),  # noqa: B008  a constant
    ) -> None:
        self._terms = terms
        self._place = place
        self._places = {_trimmed(f"{path}/{place}"): place for place in ("", *places)}
        self._limits = limits
        self._token = token.encode()
        self._tls = tls
        self.room = Backlog(limits)
        self.refusals = Refusals(Counts())

    def open(self) -> None:
        """Start to answer.

        Raises:
            PortTakenError: the port is in use.
            ConfigError: the address or a file cannot be used.
        """
        context = _tls_context(self._tls) if self._tls else None
        listening = listen(*self._place) if isinstance(self._place, tuple) else self._place
        self.port: int = listening.getsockname()[1]
        self._server = HttpServer(
            self,
            listening,
            "http-intake",
            self._terms._replace(tls=context),
            grace_seconds=_GRACE_SECONDS,
            counts=self.refusals.counts,
        )
        self._server.start()

    def close(self) -> None:
        """Answer 503 to everybody who still waits, and stop listening."""
        self.room.close()
        self._server.stop()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def takes(self) -> bool:
        """Whether a body that came now would be taken."""
        return self._server.accepts and self.room.takes

    def take(self, timeout: float) -> PendingBody | None:
        """Take the next body that waits for its answer; None after `timeout` seconds.

        Raises:
            PixstreamError: the server has stopped on its own.
        """
        if self._server.alive:
            return self.room.take(timeout)
        raise PixstreamError("the HTTP server has stopped unexpectedly; see the log lines above")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        request = Request(scope, receive)
        response = await self._respond(request)
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        place = self._places.get(_trimmed(request.scope["path"]))
        if place is None:
            if request.method == "POST":
                self.refusals.add(PATH)
            return PlainTextResponse("not found", 404)
        if request.method in {"GET", "HEAD"}:
            return _retry_later("not now") if self.room.closed else PlainTextResponse("ok")
        if request.method != "POST":
            return PlainTextResponse("POST only", 405, {"Allow": "GET, HEAD, POST"})
        return self._turned_away(request) or await self._post(request, place)

    def _turned_away(self, request: Request) -> Response | None:
        """Return the answer given before the body is read; None: the body may be read."""
        if not self._knows_token(request):
            self.refusals.add(TOKEN)
            return PlainTextResponse("token missing or wrong", 403)
        if request.headers.get("content-encoding", "identity") != "identity":
            self.refusals.add(ENCODING)
            return PlainTextResponse("content encodings are not supported", 415)
        if _announced(request) > self._limits.body_bytes:
            return self._too_large()
        return None

    async def _post(self, request: Request, place: str) -> Response:
        delivery = self.room.enter(place, _announced(request))
        if delivery is None:
            return self._no_room()
        delivery.traceparent = request.headers.get("traceparent")
        try:
            async with asyncio.timeout(self._limits.answer_seconds) as patience:
                delivery.give_way = partial(_end, patience)
                return await self._hand_over(request, delivery)
        except TimeoutError:
            # The body may still be committed after this answer; the next attempt is a duplicate.
            return _retry_later("not safe in time")
        except ClientDisconnect:
            return _retry_later("body incomplete")
        finally:
            self.room.leave(delivery)

    async def _hand_over(self, request: Request, delivery: PendingBody) -> Response:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > self._limits.body_bytes:
                return self._too_large()
            if not self.room.grow(delivery, len(body)):
                return self._no_room()
        if not body:
            empty = PlainTextResponse("body empty", 400)
            return empty if delivery.place else PlainTextResponse("ok")
        if not self.room.offer(delivery, bytes(body)):
            return self._no_room()
        body.clear()
        await asyncio.wait([delivery.answered], timeout=self._limits.patience_seconds)
        if not delivery.answered.done() and not delivery.taken:
            return self._no_room()  # its sender need not wait longer to learn that it is too much
        return PlainTextResponse("ok") if await delivery.answered else _retry_later("not safe")

    def _no_room(self) -> Response:
        if self.room.closed:
            self.refusals.add(AWAY)
            return _retry_later("not now")
        self.refusals.add(
            BUSY,
            f"no room, answered 503; {counted(self.room.bodies, 'body', 'bodies')} of "
            f"{self.room.size:,} bytes wait for Kafka. Senders try again; if this persists, Kafka "
            "is down or too slow for this load",
        )
        return _retry_later("busy")

    def _too_large(self) -> Response:
        self.refusals.add(TOO_LARGE)
        return PlainTextResponse("body too large", 413, {"Connection": "close"})

    def _knows_token(self, request: Request) -> bool:
        if not self._token:
            return True
        # A bank that appends its path to a URL with a query appends it to the last value.
        given = request.query_params.get("hmac", "").removesuffix("/pix")
        kind, _, bearer = request.headers.get("authorization", "").partition(" ")
        if not given and kind.lower() == "bearer":
            given = bearer
        return hmac.compare_digest(given.encode(), self._token)


def _tls_context(tls: ServerTls) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # The empty password keeps OpenSSL from prompting for the one of an encrypted key.
        context.load_cert_chain(tls.certificate, tls.key or None, password="")
        if tls.client_ca:
            context.load_verify_locations(tls.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except OSError:
        raise ConfigError(
            "certificate, key or client_ca: a file cannot be read, or is not a PEM file of its kind"
        ) from None
    return context


def _end(patience: asyncio.Timeout) -> None:
    """Let a time limit be over now."""
    if not patience.expired():
        patience.reschedule(asyncio.get_running_loop().time())


def _announced(request: Request) -> int:
    """Return the Content-Length of a request; 0 if it has none."""
    announced = request.headers.get("content-length", "")[:_LENGTH_DIGITS]
    return int(announced) if announced.isascii() and announced.isdigit() else 0


def _retry_later(why: str) -> Response:
    return PlainTextResponse(why, 503, {"Retry-After": str(RETRY_AFTER_SECONDS)})


def _trimmed(path: str) -> str:
    """Return a path without doubled and outer slashes: banks append theirs to any URL."""
    return "/".join(filter(None, path.split("/")))
