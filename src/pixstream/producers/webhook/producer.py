"""The webhook producer: receives the callbacks of API Pix, `{"pix": […]}` posted to `{url}/pix`.

The bank gets 200 only after Kafka has committed the whole body, dead letters included, in one
transaction. Otherwise it gets 503 and sends the body again; duplicates are dropped by `event_id`.
A body that is not JSON becomes a dead letter and is answered 200: a second attempt would not be
better. Bodies in memory are limited in number, bytes and age. Above a limit, and while Kafka is
away, new bodies are answered 503 immediately (see `backlog`): it listens as long as its process
lives, and takes bodies only while it is being read.

A bank tests the URL on the path itself, without /pix, and Efí posts there when the registered URL
has `?ignorar=`. Both work. A known test call (`{}`, or one that a PSP's dialect declares) is
answered and dropped. On this path too, any other body without a recognisable Pix is a dead letter:
a bank that renames its fields must not lose a Pix.
"""

from __future__ import annotations

import dataclasses
import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from pixstream.errors import ConfigError
from pixstream.formats import api_pix
from pixstream.http_serving import door
from pixstream.http_serving.exposure import Listener
from pixstream.http_serving.limits import ConnectionLimits, Terms, everybody, networks
from pixstream.http_serving.tally import Tally
from pixstream.metrics import Counter
from pixstream.plugins.component import BatchLimits
from pixstream.plugins.producer import Producer, Reading
from pixstream.producers.webhook import refusals
from pixstream.producers.webhook.backlog import Limits
from pixstream.producers.webhook.server import ServerTls, WebhookServer
from pixstream.secret_setting import public, secret

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator, Mapping

    from pixstream.event.model import Draft, Refusal
    from pixstream.plugins.producer import Position, Stream
    from pixstream.producers.webhook.backlog import PendingBody

log = logging.getLogger("pixstream.producers.webhook.producer")

TRIALS = Counter("pix_test_calls_total", "Test calls of banks that a webhook answered and dropped")

_IDLE_SECONDS = 0.1
_LINGER_SECONDS = 0.01
"""How long a body waits for another one to share its transaction."""


class _Open:
    """A body with `left` readings that are not committed yet."""

    def __init__(self, delivery: PendingBody, left: int) -> None:
        self.delivery = delivery
        self.left = left


@dataclasses.dataclass(kw_only=True)
class Webhook(Producer):
    """Callbacks of API Pix over HTTP. Its one stream has no position: the bank repeats a body."""

    metrics = (*refusals.METRICS, TRIALS, *door.METRICS)

    batch: Annotated[BatchLimits, Meta(description="when a transaction closes")] = (
        dataclasses.field(default_factory=lambda: BatchLimits(rows=5_000, seconds=0.1))
    )
    host: Annotated[str, Meta(description="address to listen on")] = "127.0.0.1"
    port: Annotated[
        Annotated[int, Meta(ge=0, le=65535)], Meta(description="port to listen on; 0: any free one")
    ] = 8080
    path: Annotated[str, Meta(description="path of the registered URL; the bank adds /pix")] = ""
    ispb: Annotated[
        Annotated[str, Meta(pattern="^([0-9A-Z]{8})?$")],
        Meta(description="ISPB of the calling bank, which keeps the account"),
    ] = ""
    token: Annotated[
        str, secret("secret that the caller presents: ?hmac=… or Authorization: Bearer …")
    ] = ""
    max_body_bytes: Annotated[
        Annotated[int, Meta(ge=1024)], Meta(description="a longer body is answered 413")
    ] = 2**20
    max_pending_bodies: Annotated[
        Annotated[int, Meta(ge=1)],
        Meta(description="most complete bodies that wait for Kafka; one more is answered 503"),
    ] = 256
    max_pending_bytes: Annotated[
        Annotated[int, Meta(ge=1024)],
        Meta(description="most bytes of all bodies together; a body beyond is answered 503"),
    ] = 64 * 2**20
    busy_after_seconds: Annotated[
        Annotated[float, Meta(gt=0)],
        Meta(description="while a body waits longer for Kafka, new ones are answered 503, s"),
    ] = 5.0
    commit_timeout_seconds: Annotated[
        Annotated[float, Meta(gt=0)],
        Meta(description="a body that is not committed to Kafka in this time is answered 503, s"),
    ] = 20.0
    certificate: Annotated[str, Meta(description="PEM file of the server; empty: no TLS")] = ""
    key: Annotated[str, public("PEM file of the certificate's private key")] = ""
    client_ca: Annotated[
        str, Meta(description="PEM file of the CA of the bank's certificate, for mutual TLS")
    ] = ""
    allow_from: Annotated[
        list[str],
        Meta(description="addresses and networks that may connect: 10.1.0.0/16; empty: all"),
    ] = dataclasses.field(default_factory=list)
    connections: Annotated[ConnectionLimits, Meta(description="limits of the connections")] = (
        dataclasses.field(default_factory=ConnectionLimits)
    )
    open: Annotated[
        bool,
        Meta(
            description="true: everybody who reaches host may post, although there is no token, "
            "client_ca or allow_from; without it such a webhook does not start in prod"
        ),
    ] = False

    def __post_init__(self) -> None:
        """Start with no body to answer.

        Raises:
            ConfigError: there is more than one replica for the port, or allow_from is wrong.
        """
        super().__post_init__()
        if self.replicas > 1:
            raise ConfigError(
                "replicas: a webhook has one process, which listens on the port; for more, add "
                "another component of type webhook on another port, behind a load balancer"
            )
        self._allowed = networks(self.allow_from)
        self._refusals = refusals.Refusals(self.counts)
        self._trials = Tally(
            self.counts,
            log,
            ("test call answered", "test calls answered"),
            {TRIALS: "it contains no Pix, and nothing of it is kept"},
            level=logging.INFO,
        )
        self._unanswered: dict[int, tuple[Reading, _Open]] = {}
        self._server: WebhookServer | None = None

    def listener(self) -> Listener:
        """Return where it listens; a secret, certificates or addresses keep strangers out."""
        guards = {
            "token": bool(self.token.strip()),
            "client_ca": bool(self.client_ca),
            "allow_from": bool(self._allowed) and not everybody(self._allowed),
        }
        return Listener(self.host, self.port, guards, self.open)

    def serve(self, listening: socket.socket | None = None) -> None:
        """Listen, and answer 503 until bodies are read.

        Raises:
            PixstreamError: the port is in use.
            ConfigError: the address or a certificate cannot be used.
        """
        self._server = self._started(listening)

    def hang_up(self) -> None:
        """Answer 503 to every body that still waits, and stop listening."""
        server, self._server = self._server, None
        if server is not None:
            server.close()

    def waits(self) -> bool:
        """Return whether a body that came now would be answered 503."""
        return self._server is None or not self._server.takes

    def read(self, since: Mapping[Stream, Position]) -> Iterator[Reading | None]:
        """Take bodies until closed, then answer 503 to every one that still waits.

        Raises:
            PixstreamError: the port is in use.
            ConfigError: the address or a certificate cannot be used.
        """
        del since
        stream = f"webhook/{self.name}"
        self._unanswered.clear()
        with self._served() as server:
            server.room.open()
            try:
                while True:
                    pause = _LINGER_SECONDS if self._unanswered else _IDLE_SECONDS
                    delivery = server.take(pause)
                    if delivery is None:
                        yield None
                    else:
                        yield from self._readings(delivery, stream)
            finally:
                server.room.close()

    @contextmanager
    def _served(self) -> Iterator[WebhookServer]:
        """Yield the server; one that was not there before ends with the block."""
        if self._server is not None:
            yield self._server
            return
        self._server = server = self._started()
        try:
            yield server
        finally:
            self.hang_up()

    def _readings(self, delivery: PendingBody, stream: Stream) -> Iterator[Reading]:
        contents = list(self.parse(delivery.raw))
        if not delivery.place and api_pix.is_trial(delivery.raw):
            self._trials.add(TRIALS)
            contents = []
        if not contents:
            delivery.answer(safe=True)
            return
        waits = _Open(delivery, len(contents))
        for number, content in enumerate(contents, 1):
            more = number < len(contents)
            reading = Reading(
                stream=stream,
                position=None,
                content=content,
                more=more,
                traceparent=delivery.traceparent,
            )
            self._unanswered[id(reading)] = reading, waits
            yield reading

    def parse(self, raw: bytes) -> Iterator[Draft | Refusal]:
        """Yield the contents of one body."""
        return api_pix.parse(raw, ispb=self.ispb or None)

    def delivered(self, reading: Reading) -> None:
        """Answer 200 when the last reading of a body is committed."""
        _, waits = self._unanswered.pop(id(reading), (None, None))
        if waits is not None:
            waits.left -= 1
            if not waits.left:
                waits.delivery.answer(safe=True)

    def failed(self, reading: Reading, error: Exception) -> None:
        """Answer 503: the bank sends the body again."""
        del error
        _, waits = self._unanswered.pop(id(reading), (None, None))
        if waits is not None:
            waits.delivery.answer(safe=False)

    def check(self) -> str:
        """Listen for a moment, to prove that it works."""
        with self._intake() as server:
            return f"listens on port {server.port} of {self.host}"

    def _started(self, listening: socket.socket | None = None) -> WebhookServer:
        server = self._intake(listening)
        server.room.close()
        server.open()
        log.info("%s: listens on port %d of %s", self.name, server.port, self.host)
        return server

    def _intake(self, listening: socket.socket | None = None) -> WebhookServer:
        if self.client_ca and not self.certificate:
            raise ConfigError(f"{self.name}: client_ca needs certificate and key")
        tls = ServerTls(self.certificate, self.key, self.client_ca) if self.certificate else None
        if self.max_pending_bytes < self.max_body_bytes:
            raise ConfigError(f"{self.name}: max_pending_bytes must be at least max_body_bytes")
        limits = Limits(
            self.max_body_bytes,
            self.max_pending_bodies,
            self.commit_timeout_seconds,
            self.max_pending_bytes,
            self.busy_after_seconds,
        )
        server = WebhookServer(
            listening or (self.host, self.port),
            self.path,
            ("pix",),
            limits,
            token=self.token,
            tls=tls,
            terms=Terms(self.connections, self._allowed),
        )
        server.refusals = self._refusals
        return server
