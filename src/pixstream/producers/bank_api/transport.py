"""One HTTP exchange with a bank: a whole answer within limits of time and size, or an error."""

from __future__ import annotations

import asyncio
import ssl

import httpx2

from pixstream.errors import PixstreamError, Transient
from pixstream.producers.bank_api.tls import certificate_trouble

MAX_ANSWER_BYTES = 64 * 2**20
"""Largest answer, decompressed. A page of 1000 Pix with their returns has a few MiB."""


class WholeAnswers(httpx2.AsyncBaseTransport):
    """A transport that reads every answer to its end first, and does not follow redirects.

    It sends through its own client, because a client with an explicit transport ignores the proxy
    settings of the environment.

    Args:
        context: TLS context for the bank.
        seconds: longest exchange, from the connection to the last byte of the answer.
    """

    def __init__(self, context: ssl.SSLContext, seconds: float) -> None:
        self._seconds = seconds
        # A timeout of httpx2 restarts with each chunk: a trickling answer would never reach it.
        self._http = httpx2.AsyncClient(verify=context, timeout=None)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send the request; its extension `what` is its name in errors.

        Raises:
            Transient: there is no answer, or not a whole one in time.
            PixstreamError: one side does not accept the other's certificate, or the answer is too
                long.
        """
        what = request.extensions["what"]
        try:
            async with asyncio.timeout(self._seconds):
                return await self._exchange(what, request)
        except TimeoutError:
            raise Transient(
                f"{what}: no whole answer within timeout_seconds, {self._seconds:g} s"
            ) from None
        except (httpx2.TransportError, ssl.SSLError) as error:
            # With TLS 1.3 a server refuses a certificate after the handshake; httpx2 passes that
            # error on unchanged.
            trouble = certificate_trouble(error)
            if trouble:
                raise PixstreamError(f"{what}: {trouble}") from None
            kind = type(error).__name__
            raise Transient(f"{what}: the bank does not answer ({kind})") from None
        except httpx2.HTTPError:
            raise Transient(f"{what}: the answer cannot be read") from None

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _exchange(self, what: str, request: httpx2.Request) -> httpx2.Response:
        response = await self._http.send(request, auth=None, stream=True)
        try:
            content = bytearray()
            async for chunk in response.aiter_bytes():
                content += chunk
                if len(content) > MAX_ANSWER_BYTES:
                    raise PixstreamError(
                        f"{what}: the answer is longer than {MAX_ANSWER_BYTES} bytes; the rest was "
                        "not read; lower page_size, or check the address"
                    )
        finally:
            await response.aclose()
        headers = response.headers.copy()
        headers.pop("content-encoding", None)  # the content is decompressed
        return httpx2.Response(response.status_code, headers=headers, content=bytes(content))
