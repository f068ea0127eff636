"""The HTTP server of the sandbox bank with API Pix, in a thread or in its own process.

It serves `/oauth/token`, `/pix/v2/…` with the specification's paths, and `/sandbox/…` for the
person who runs it.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Self

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Mount, Route

from pixstream.http_serving.limits import Terms
from pixstream.http_serving.server import HttpServer
from pixstream.http_serving.sockets import listen
from pixstream.lab.sandbox import problems
from pixstream.lab.sandbox.pix_endpoints import PixApi
from pixstream.lab.sandbox.problems import Problem
from pixstream.lab.sandbox.sandbox_endpoints import Sandbox

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator
    from types import TracebackType

    from pixstream.lab.sandbox.bank import Bank


def create_app(bank: Bank, *, settle_seconds: float = 1.0) -> Starlette:
    """Return the bank as an ASGI application; its callbacks run while the application runs.

    Args:
        bank: bank to serve.
        settle_seconds: how long a requested return stays EM_PROCESSAMENTO.
    """

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        bank.callbacks.start()
        yield
        await asyncio.to_thread(bank.callbacks.stop)

    api = PixApi(bank, settle_seconds)
    sandbox = Sandbox(bank)
    return Starlette(
        routes=[
            Route("/oauth/token", api.token, methods=["POST"]),
            Mount("/pix/v2", routes=api.routes()),
            Mount("/sandbox", routes=sandbox.routes()),
        ],
        exception_handlers={Problem: problems.answer, HTTPException: problems.answer},
        lifespan=lifespan,
    )


class BankServer:
    """A running bank: `with BankServer(bank) as server: … server.url …`.

    Args:
        bank: bank to serve.
        host: address to listen on.
        port: port to listen on; 0: any free one.
        settle_seconds: how long a requested return stays EM_PROCESSAMENTO.

    Raises:
        PixstreamError: the address or port is not available.
    """

    def __init__(
        self, bank: Bank, host: str = "127.0.0.1", port: int = 0, *, settle_seconds: float = 1.0
    ) -> None:
        self.bank = bank
        listening = listen(host, port)
        address, self.port = listening.getsockname()[:2]
        self.url = f"http://{address}:{self.port}"
        self._server = _server(bank, listening, settle_seconds)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start serving; return when the bank answers.

        Raises:
            PixstreamError: the bank does not answer within 10 s.
        """
        self._server.start()

    def stop(self) -> None:
        """Finish the requests and callbacks in progress, then stop the server."""
        self._server.stop()


def serve(bank: Bank, host: str, port: int, *, settle_seconds: float = 1.0) -> None:
    """Serve in this thread until SIGINT or SIGTERM.

    Raises:
        PixstreamError: the address or port is not available.
    """
    listening = listen(host, port)
    try:
        _server(bank, listening, settle_seconds).run()
    finally:
        listening.close()


def _server(bank: Bank, listening: socket.socket, settle_seconds: float) -> HttpServer:
    app = create_app(bank, settle_seconds=settle_seconds)
    return HttpServer(app, listening, "sandbox-bank", Terms(), grace_seconds=5, lifespan="on")
