"""Serves an ASGI application with uvicorn in a background thread."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any, Literal

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from pixstream.errors import PixstreamError

if TYPE_CHECKING:
    import asyncio
    import socket
    import ssl

START_SECONDS = 10.0
_STOP_SECONDS = 30.0
"""Only a server that hangs takes this long."""


class HttpServer:
    """Serves an application from `start` to `stop`.

    It logs nothing of a request: the query may carry a secret, the body personal data.

    Args:
        app: the application (ASGI).
        listening: the socket, see `sockets.listen`; `stop` closes it.
        name: the name of the thread, also used in errors.
        grace_seconds: how long requests in progress may take after `stop`.
        idle_seconds: a client that neither sends nor receives anything is disconnected after this
            time, or at most twice as long; None: the application limits its clients itself.
        lifespan: whether the application handles ASGI's lifespan events.
        tls: None: plain HTTP.
    """

    def __init__(
        self,
        app: Any,
        listening: socket.socket,
        name: str,
        *,
        grace_seconds: int,
        idle_seconds: float | None = None,
        lifespan: Literal["on", "off"] = "off",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._name = name
        self._socket = listening
        self._grace_seconds = grace_seconds
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                http="h11" if idle_seconds is None else _impatient(idle_seconds),
                ws="none",
                lifespan=lifespan,
                interface="asgi3",
                log_config=None,
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=grace_seconds,
                ssl_context_factory=None if tls is None else lambda *_: tls,
            )
        )
        self._thread = threading.Thread(target=self._run_in_thread, name=name, daemon=True)

    @property
    def alive(self) -> bool:
        """Whether it still serves; it may have ended on its own."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Start to serve in the thread; return once requests are answered.

        Raises:
            PixstreamError: they are not within 10 s.
        """
        self._thread.start()
        end = time.monotonic() + START_SECONDS
        while not self._server.started:
            if time.monotonic() > end or not self.alive:
                self.stop()
                raise PixstreamError(f"{self._name}: the HTTP server did not start; see the log")
            time.sleep(0.005)

    def stop(self) -> None:
        """Let requests in progress finish, then close the socket."""
        self._server.should_exit = True
        self._thread.join(self._grace_seconds + _STOP_SECONDS)
        self._socket.close()

    def run(self) -> None:
        """Serve in this thread; the main thread serves until SIGINT or SIGTERM."""
        self._server.run([self._socket])

    def _run_in_thread(self) -> None:
        with contextlib.suppress(SystemExit):  # the start failed: `start` raises the error
            self.run()


def _impatient(idle_seconds: float) -> type[H11Protocol]:
    """Return a protocol that disconnects clients whose connection makes no progress.

    uvicorn itself limits only the time between two requests on a kept-alive connection.
    """

    class Impatient(H11Protocol):
        """Compares the progress of its connection at intervals."""

        _received = 0
        _seen = 0, 0

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._look = self.loop.call_later(idle_seconds, self._compare)

        def data_received(self, data: bytes) -> None:
            self._received += len(data)
            super().data_received(data)

        def connection_lost(self, exc: Exception | None) -> None:
            self._look.cancel()
            super().connection_lost(exc)

        def _compare(self) -> None:
            now = self._received, self.transport.get_write_buffer_size()
            answering = self.cycle is not None and not self.cycle.response_complete
            if now == self._seen and (now[1] or not answering):
                self.transport.abort()
                return
            self._seen = now
            self._look = self.loop.call_later(idle_seconds, self._compare)

    return Impatient
