"""A TCP proxy between the pipeline and the broker, whose connections can be cut and slowed."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from pixstream.errors import PixstreamError

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")

_CHUNK = 65_536
_HOST = "127.0.0.1"
_WAIT_SECONDS = 10.0
_LOOK_SECONDS = 0.01


class Proxy:
    """A proxy that forwards connections from `port` to the upstream port, in its own thread.

    Args:
        port: port to listen on, on the loopback address.

    Attributes:
        upstream: port for new connections; None: they are closed immediately.
        delay: delay of every chunk of at most 64 KiB, in seconds.
        refusing: while True, new connections are closed immediately.
        silent: while True, answers wait; those of a connection that is cut meanwhile are lost.
        fuse: number of answer chunks that still pass; then all connections are cut, and new ones
            are refused. None: no limit.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.upstream: int | None = None
        self.delay = 0.0
        self.refusing = False
        self.silent = False
        self.fuse: int | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._server: asyncio.Server | None = None

    def start(self) -> None:
        """Start listening.

        Raises:
            PixstreamError: the port is in use.
        """
        self._thread.start()
        try:
            self._server = self._wait(asyncio.start_server(self._serve, _HOST, self.port))
        except OSError:
            self.stop()
            raise PixstreamError(f"port {self.port} is in use: the proxy cannot listen") from None

    def stop(self) -> None:
        """Close everything; safe to call if it is not listening."""
        if not self._thread.is_alive():
            self._loop.close()
            return
        self._wait(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut(self) -> int:
        """Abort every connection, even in the middle of a message; return their number."""
        return self._wait(self._cut())

    async def _end(self) -> None:
        self.refusing, self.silent = True, False
        if self._server is not None:
            self._server.close()
        await self._cut()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _cut(self) -> int:
        writers = list(self._writers)
        for writer in writers:
            writer.transport.abort()
        return len(writers) // 2

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self.refusing or self.upstream is None:
                return
            there_reader, there_writer = await asyncio.open_connection(_HOST, self.upstream)
            pair = {writer, there_writer}
            self._writers |= pair
            try:
                await asyncio.gather(
                    self._pump(reader, there_writer),
                    self._pump(there_reader, writer, answers=True),
                )
            finally:
                self._writers -= pair
                there_writer.close()
        except OSError:
            return  # the broker is down: the client sees a closed connection
        finally:
            writer.close()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool = False
    ) -> None:
        """Forward bytes in one direction until either end closes, then close the other too."""
        with suppress(OSError):
            while data := await reader.read(_CHUNK):
                if self.delay:
                    await asyncio.sleep(self.delay)
                # Polled, not awaited: other threads set it.
                while answers and self.silent and not writer.transport.is_closing():  # noqa: ASYNC110
                    await asyncio.sleep(_LOOK_SECONDS)
                if answers and self.fuse is not None:
                    if self.fuse == 0:
                        self.refusing = True
                        await self._cut()
                        break
                    self.fuse -= 1
                writer.write(data)
                await writer.drain()
        writer.transport.abort()

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_WAIT_SECONDS)
