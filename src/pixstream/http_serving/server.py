"""Serves an ASGI application with uvicorn in a background thread."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any, Literal

import uvicorn

from pixstream.errors import PixstreamError
from pixstream.http_serving.connection import Connection
from pixstream.http_serving.door import Door
from pixstream.metrics import Counts

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from pixstream.http_serving.limits import Terms

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
        terms: which connections are accepted, how many, and how long.
        grace_seconds: how long requests in progress may take after `stop`.
        lifespan: whether the application handles ASGI's lifespan events.
        counts: the values of `door.METRICS`; None: nobody reads them.
    """

    def __init__(
        self,
        app: Any,
        listening: socket.socket,
        name: str,
        terms: Terms,
        *,
        grace_seconds: int,
        lifespan: Literal["on", "off"] = "off",
        counts: Counts | None = None,
    ) -> None:
        self._name = name
        self._socket = listening
        self._grace_seconds = grace_seconds
        counts = Counts() if counts is None else counts

        def door(make: Callable[[], Connection]) -> Door:
            return Door(listening, make, terms, counts)

        self._server = _Server(
            uvicorn.Config(
                app,
                loop="asyncio",
                http=Connection,
                ws="none",
                lifespan=lifespan,
                interface="asgi3",
                log_config=None,
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=max(1, round(terms.limits.idle_seconds)),
                timeout_graceful_shutdown=grace_seconds,
            ),
            door,
        )
        self._thread = threading.Thread(target=self._run_in_thread, name=name, daemon=True)

    @property
    def alive(self) -> bool:
        """Whether it still serves; it may have ended on its own."""
        return self._thread.is_alive()

    @property
    def accepts(self) -> bool:
        """Whether a new connection would be accepted now."""
        return self.alive and self._server.door is not None and not self._server.door.full

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
        self._server.run([])

    def _run_in_thread(self) -> None:
        with contextlib.suppress(SystemExit):  # the start failed: `start` raises the error
            self.run()


class _Server(uvicorn.Server):
    """uvicorn, with a door of ours in the place of asyncio's server, see `door`."""

    def __init__(
        self, config: uvicorn.Config, door: Callable[[Callable[[], Connection]], Door]
    ) -> None:
        super().__init__(config)
        self._door = door
        self.door: Door | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start without a socket, then open the door; `shutdown` closes it."""
        await super().startup(sockets)
        loop = asyncio.get_running_loop()
        self.door = self._door(
            lambda: Connection(
                config=self.config,
                server_state=self.server_state,
                app_state=self.lifespan.state,
                _loop=loop,
            )
        )
        self.servers.append(self.door)  # type: ignore[arg-type]  # it closes as one does
        self.door.open()
