import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from pixstream.errors import ConfigError, PixstreamError, PortTakenError
from pixstream.http_serving import server as serving
from pixstream.http_serving.limits import ConnectionLimits, Terms
from pixstream.http_serving.server import HttpServer
from pixstream.http_serving.sockets import listen

IDLE = 0.3
PATIENT = Terms()
IMPATIENT = Terms(ConnectionLimits(head_seconds=IDLE, body_seconds=IDLE, write_seconds=IDLE))
LARGE = b"x" * 50_000_000


async def slow(_: Request) -> Response:
    await asyncio.sleep(IDLE * 5)
    return PlainTextResponse("done")


async def large(_: Request) -> Response:
    return PlainTextResponse(LARGE)


APP = Starlette(routes=[Route("/slow", slow), Route("/large", large)])


@contextmanager
def connected(terms: Terms = IMPATIENT) -> Iterator[socket.socket]:
    """A connection to a running server."""
    listening = listen("127.0.0.1", 0)
    port = listening.getsockname()[1]
    server = HttpServer(APP, listening, "served", terms, grace_seconds=1)
    server.start()
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
            yield client
    finally:
        server.stop()
    assert not server.alive
    listen("127.0.0.1", port).close()


@pytest.mark.parametrize("sent", [b"", b"GET /lar", b"GET /large HTTP/1.1\r\nHost: x\r\n"])
def test_a_client_that_says_nothing_or_half_a_word_is_cut_off(sent: bytes) -> None:
    with connected() as client:
        client.sendall(sent)
        assert client.recv(1) == b""


def test_a_client_that_does_not_read_its_answer_is_cut_off() -> None:
    with connected() as client:
        client.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(IDLE * 5)
        received = 0
        while chunk := client.recv(2**20):
            received += len(chunk)
        assert received < len(LARGE)


def test_a_client_that_reads_slowly_but_reads_is_not() -> None:
    with connected() as client:
        client.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        received = 0
        while chunk := client.recv(2**20):
            received += len(chunk)
            time.sleep(IDLE / 10)
        assert received > len(LARGE)


@pytest.mark.parametrize("terms", [IMPATIENT, PATIENT])
def test_who_waits_for_an_answer_is_not_cut_off(terms: Terms) -> None:
    with connected(terms) as client:
        client.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = b""
        while chunk := client.recv(1000):
            answer += chunk
        assert answer.startswith(b"HTTP/1.1 200")
        assert answer.endswith(b"done")


def test_a_server_that_cannot_start_says_so_and_gives_the_port_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        del scope, receive, send
        raise ValueError("no start today")

    listening = listen("127.0.0.1", 0)
    port = listening.getsockname()[1]
    server = HttpServer(broken, listening, "broken", PATIENT, grace_seconds=1, lifespan="on")
    with pytest.raises(PixstreamError, match="broken: the HTTP server did not start"):
        server.start()
    assert caplog.records
    assert "broken" not in {thread.name for thread in threading.enumerate()}
    listen("127.0.0.1", port).close()


def test_a_start_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "START_SECONDS", 0.1)

    async def hesitating(scope: Any, receive: Any, send: Any) -> None:
        del scope
        await receive()
        await asyncio.sleep(1)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    server = HttpServer(
        hesitating, listen("127.0.0.1", 0), "hesitating", PATIENT, grace_seconds=1, lifespan="on"
    )
    with pytest.raises(PixstreamError, match="did not start"):
        server.start()
    assert not server.alive


def test_a_taken_port_and_an_unusable_address_are_named() -> None:
    with listen("127.0.0.1", 0) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortTakenError, match=f"port {port} of 127.0.0.1 is taken"):
            listen("127.0.0.1", port)
    with pytest.raises(ConfigError, match=r"cannot listen on port 0 of 192\.0\.2\.1"):
        listen("192.0.2.1", 0)
    with pytest.raises(ConfigError, match=r"cannot listen on port 0 of no\.such\.host"):
        listen("no.such.host.invalid", 0)
