"""Puts API Pix in front of the sandbox bank and serves it, in a thread or as a process of its own.

`/oauth/token`, `/pix/v2/…` with the specification's paths, `/sandbox/…` for whoever runs it.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from threading import Thread
from typing import TYPE_CHECKING, Self

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Mount, Route

from pixstream.errors import PixstreamError
from pixstream.lab.sandbox import problems
from pixstream.lab.sandbox.pix_endpoints import PixApi
from pixstream.lab.sandbox.problems import Problem
from pixstream.lab.sandbox.sandbox_endpoints import Sandbox
from pixstream.producers.webhook.server import listen

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import TracebackType

    from pixstream.lab.sandbox.bank import Bank

START_SECONDS = 10.0


def create_app(bank: Bank, *, settle_seconds: float = 1.0) -> Starlette:
    """The bank as an ASGI application; its callbacks run while the application does.

    Args:
        bank: what to serve.
        settle_seconds: how long an ordered return stays EM_PROCESSAMENTO.
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
        bank: what to serve.
        host: address to listen on.
        port: 0 takes a free one.
        settle_seconds: how long an ordered return stays EM_PROCESSAMENTO.

    Raises:
        PixstreamError: the address or port cannot be had.
    """

    def __init__(
        self, bank: Bank, host: str = "127.0.0.1", port: int = 0, *, settle_seconds: float = 1.0
    ) -> None:
        self.bank = bank
        self._socket = listen(host, port)
        address, self.port = self._socket.getsockname()[:2]
        self.url = f"http://{address}:{self.port}"
        self._server = _server(bank, settle_seconds)
        self._thread = Thread(
            target=self._server.run, args=([self._socket],), name="sandbox-bank", daemon=True
        )

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
        """Serve from now on; returns when the bank answers.

        Raises:
            PixstreamError: it does not within 10 s.
        """
        self._thread.start()
        end = time.monotonic() + START_SECONDS
        while not self._server.started:
            if time.monotonic() > end or not self._thread.is_alive():
                raise PixstreamError("the sandbox bank did not start; look at the log above")
            time.sleep(0.01)

    def stop(self) -> None:
        """End the requests and callbacks under way, then the server."""
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()


def serve(bank: Bank, host: str, port: int, *, settle_seconds: float = 1.0) -> None:
    """Serve in this thread until SIGINT or SIGTERM.

    Raises:
        PixstreamError: the address or port cannot be had.
    """
    listening = listen(host, port)
    try:
        _server(bank, settle_seconds).run([listening])
    finally:
        listening.close()


def _server(bank: Bank, settle_seconds: float) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(
            create_app(bank, settle_seconds=settle_seconds),
            lifespan="on",
            ws="none",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=5,
        )
    )
