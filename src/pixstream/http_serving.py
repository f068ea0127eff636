"""HTTP servers beside other work: an ASGI application on uvicorn, in a thread of its own."""

from __future__ import annotations

import contextlib
import errno
import socket
import threading
import time
from typing import TYPE_CHECKING, Any, Literal

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from pixstream.errors import ConfigError, PixstreamError, PortTakenError

if TYPE_CHECKING:
    import asyncio
    import ssl

START_SECONDS = 10.0
_STOP_SECONDS = 30.0
"""Only a server that hangs takes so long."""

_BACKLOG = 512


class HttpServer:
    """Serves an application from `start` to `stop`.

    Nothing of a request is logged: a query may carry a secret, a body personal data.

    Args:
        app: the application (ASGI).
        listening: see `listen`; `stop` closes it.
        name: of the thread, and in errors.
        grace_seconds: how long requests under way may take after `stop`.
        idle_seconds: a client that neither sends nor takes anything is cut off after this time, or
            twice as much at most; None: the application limits its clients itself.
        lifespan: whether the application wants to hear of start and stop.
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
        """Whether it still serves; it may also have ended by itself."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Serve in a thread from now on; returns when requests are answered.

        Raises:
            PixstreamError: it does not within 10 s.
        """
        self._thread.start()
        end = time.monotonic() + START_SECONDS
        while not self._server.started:
            if time.monotonic() > end or not self.alive:
                self.stop()
                raise PixstreamError(f"{self._name}: the HTTP server did not start; see the log")
            time.sleep(0.005)

    def stop(self) -> None:
        """Let the requests under way end, then close the socket."""
        self._server.should_exit = True
        self._thread.join(self._grace_seconds + _STOP_SECONDS)
        self._socket.close()

    def run(self) -> None:
        """Serve in this thread; in the main thread until SIGINT or SIGTERM."""
        self._server.run([self._socket])

    def _run_in_thread(self) -> None:
        with contextlib.suppress(SystemExit):  # a start that fails; `start` raises an error then
            self.run()


def listen(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        PortTakenError: by another program.
        ConfigError: no such address here, or the port may not be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # A TCP socket by name: of any other asyncio does not know that it may switch Nagle's algorithm
    # off, which costs 40 ms an answer on a kept connection.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        place = f"port {port} of {host}"
        if error.errno == errno.EADDRINUSE:
            raise PortTakenError(
                f"{place} is taken by another program; stop that program or configure another port"
            ) from None
        raise ConfigError(f"cannot listen on {place}: {error.strerror}") from None
    return listening


def _impatient(idle_seconds: float) -> type[H11Protocol]:
    """The protocol of a server that cuts off clients on whose connection nothing moves.

    uvicorn itself only limits the time between two requests of a kept connection.
    """

    class Impatient(H11Protocol):
        """Looks at its connection at intervals, and compares."""

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
