"""An HTTP server in a thread that hands bodies over to another thread and answers when told to.

A body is answered 200 only when the taker says that it is safe, and 503 with Retry-After in every
other case: there is no room for it (at once, before it is read; see `waiting_room`), the taker was
not done in time, it failed, or it is closing. Whoever posted tries again then. Nothing of a request
is logged: a query may carry a secret, a body personal data.
"""

from __future__ import annotations

import asyncio
import hmac
import ssl
from typing import TYPE_CHECKING, NamedTuple, Self

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response

from pixstream.errors import ConfigError, PixstreamError
from pixstream.http_serving import HttpServer, listen
from pixstream.metrics import Counts
from pixstream.producers.webhook.backlog import Backlog
from pixstream.producers.webhook.refusals import BUSY, ENCODING, PATH, TOKEN, TOO_LARGE, Refusals

if TYPE_CHECKING:
    from types import TracebackType

    from starlette.types import Receive, Scope, Send

    from pixstream.producers.webhook.backlog import Limits, PendingBody

RETRY_AFTER_SECONDS = 5
_GRACE_SECONDS = 2
_LENGTH_DIGITS = 18


class ServerTls(NamedTuple):
    """Files in PEM. With `client_ca` only clients with a certificate of that authority talk."""

    certificate: str
    key: str
    client_ca: str


class WebhookServer:
    """Listens while its context is open.

    Args:
        host: address to listen on.
        port: 0 takes a free one, see `port`.
        path: where the intake begins, such as `/hooks/bank`.
        places: paths below it that take bodies, as well as the path itself.
        limits: what is held at most, and for how long.
        token: what a sender must know, in the query as `hmac` or as a bearer token; empty: nothing.
        tls: None: plain HTTP.

    Attributes:
        room: the bodies that were let in.
        refusals: counts those that were not; may be replaced before the context is entered.

    Raises:
        PortTakenError: on entering.
        ConfigError: on entering, when the address or a file cannot be used.
    """

    def __init__(
        self,
        host: str,
        port: int,
        path: str,
        places: tuple[str, ...],
        limits: Limits,
        *,
        token: str = "",
        tls: ServerTls | None = None,
    ) -> None:
        self._address = (host, port)
        self._places = {_trimmed(f"{path}/{place}"): place for place in ("", *places)}
        self._limits = limits
        self._token = token.encode()
        self._tls = tls
        self.room = Backlog(limits)
        self.refusals = Refusals(Counts())

    def __enter__(self) -> Self:
        context = _tls_context(self._tls) if self._tls else None
        listening = listen(*self._address)
        self.port: int = listening.getsockname()[1]
        self._server = HttpServer(
            self, listening, "http-intake", grace_seconds=_GRACE_SECONDS, tls=context
        )
        self._server.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.room.close()
        self._server.stop()

    def take(self, timeout: float) -> PendingBody | None:
        """The next body that still waits for its answer; None after `timeout` seconds.

        Raises:
            PixstreamError: the server has ended by itself.
        """
        if self._server.alive:
            return self.room.take(timeout)
        raise PixstreamError("the HTTP server has ended unexpectedly; see the log lines before")

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
            return _retry_later("closing") if self.room.closed else PlainTextResponse("ok")
        if request.method != "POST":
            return PlainTextResponse("POST only", 405, {"Allow": "GET, HEAD, POST"})
        return self._turned_away(request) or await self._post(request, place)

    def _turned_away(self, request: Request) -> Response | None:
        """What is answered before a byte of the body is read; None: it is welcome."""
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
        try:
            async with asyncio.timeout(self._limits.answer_seconds):
                return await self._hand_over(request, delivery)
        except TimeoutError:
            # The body may still become safe after this word; sent again, it is a repetition.
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
        self.room.offer(delivery, bytes(body))
        body.clear()
        return PlainTextResponse("ok") if await delivery.answered else _retry_later("not safe")

    def _no_room(self) -> Response:
        if not self.room.closed:
            self.refusals.add(
                BUSY,
                f"no room, answered 503; {self.room.bodies} bodies of {self.room.size} bytes wait "
                "for Kafka. Their senders try again; where this goes on, Kafka is away or too slow "
                "for them",
            )
        return _retry_later("busy")

    def _too_large(self) -> Response:
        self.refusals.add(TOO_LARGE)
        return PlainTextResponse("body too large", 413, {"Connection": "close"})

    def _knows_token(self, request: Request) -> bool:
        if not self._token:
            return True
        # A bank that appends its path to a URL with a query makes it the end of the last value.
        given = request.query_params.get("hmac", "").removesuffix("/pix")
        kind, _, bearer = request.headers.get("authorization", "").partition(" ")
        if not given and kind.lower() == "bearer":
            given = bearer
        return hmac.compare_digest(given.encode(), self._token)


def _tls_context(tls: ServerTls) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # The empty password keeps OpenSSL from asking a terminal for the one of a locked key.
        context.load_cert_chain(tls.certificate, tls.key or None, password="")
        if tls.client_ca:
            context.load_verify_locations(tls.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except OSError:
        raise ConfigError(
            "certificate, key or client_ca: a file cannot be read, or is no PEM of its kind"
        ) from None
    return context


def _announced(request: Request) -> int:
    """The length that a request gives its body; 0 where it gives none."""
    announced = request.headers.get("content-length", "")[:_LENGTH_DIGITS]
    return int(announced) if announced.isascii() and announced.isdigit() else 0


def _retry_later(why: str) -> Response:
    return PlainTextResponse(why, 503, {"Retry-After": str(RETRY_AFTER_SECONDS)})


def _trimmed(path: str) -> str:
    """A path without doubled and outer slashes: banks append theirs to whatever was registered."""
    return "/".join(filter(None, path.split("/")))
