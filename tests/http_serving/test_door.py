"""Clients that hold connections open, and what is left for the others."""

import errno
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from pixstream.http_serving.door import METRICS
from pixstream.http_serving.limits import ConnectionLimits, Terms, networks
from pixstream.http_serving.server import HttpServer
from pixstream.http_serving.sockets import listen
from pixstream.metrics import Counts
from pixstream.testing.waiting import wait_for
from tests.certificates import certificate

WAIT = 600
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
CLOSING = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


async def hello(_: Request) -> Response:
    return PlainTextResponse("hello")


APP = Starlette(routes=[Route("/", hello, methods=["GET", "POST"])])


class Served:
    """A server, its counts, and the connections of its clients."""

    def __init__(self, terms: Terms, clients: ExitStack) -> None:
        self.counts = Counts(*METRICS)
        listening = listen("127.0.0.1", 0)
        self.place = listening.getsockname()
        self.server = HttpServer(
            APP, listening, "served", terms, grace_seconds=1, counts=self.counts
        )
        self.server.start()
        self._clients = clients

    def client(self, sent: bytes = b"", address: str = "127.0.0.1") -> socket.socket:
        """A connection from an address of this machine."""
        made = socket.create_connection(self.place, WAIT, (address, 0))
        self._clients.enter_context(made)
        made.sendall(sent)
        return made

    def closed(self, reason: str) -> float:
        return self.counts[f"closed_{reason}"]

    def has_closed(self, reason: str, number: int = 1) -> None:
        """Wait until so many were closed for this reason, and no more were."""
        wait_for(lambda: self.closed(reason) >= number, lambda: dict(self.counts))
        assert self.closed(reason) == number

    def open(self, number: int) -> None:
        """Wait until so many connections are open."""
        wait_for(lambda: self.counts.get("connections") == number, lambda: dict(self.counts))


@contextmanager
def serving(terms: Terms | None = None, **limits: Any) -> Iterator[Served]:
    with ExitStack() as clients:
        served = Served(terms or Terms(ConnectionLimits(**limits)), clients)
        try:
            yield served
        finally:
            served.server.stop()


def received(client: socket.socket) -> bytes:
    """Everything until the server closes the connection."""
    answer = b""
    try:
        while part := client.recv(65536):
            answer += part
    except ConnectionResetError:
        pass
    return answer


def test_one_more_takes_the_place_of_who_has_waited_longest() -> None:
    with serving(most=3) as served:
        silent = [served.client() for _ in range(3)]
        served.open(3)
        assert b"hello" in received(served.client(CLOSING))
        assert received(silent[0]) == b""
        served.has_closed("crowded")
        assert served.server.accepts
        silent[1].sendall(CLOSING)  # the others still may
        assert b"hello" in received(silent[1])


def test_who_was_served_keeps_its_place_longer_than_those_who_never_sent_anything() -> None:
    with serving(most=3) as served:
        strangers = [served.client(b"GET") for _ in range(2)]
        served.open(2)
        kept = served.client(GET)
        answer = b""
        while not answer.endswith(b"hello"):
            answer += kept.recv(1000)
        for number, stranger in enumerate(strangers, 1):
            assert b"hello" in received(served.client(CLOSING))
            assert received(stranger) == b""
            served.has_closed("crowded", number)
            served.client()
            served.open(3)
        kept.sendall(CLOSING)
        assert b"hello" in received(kept)


def test_one_address_takes_no_place_from_others() -> None:
    with serving(most=100, per_address=2) as served:
        other = served.client(address="127.0.0.2")
        greedy = [served.client() for _ in range(2)]
        served.open(3)
        third = served.client(CLOSING)
        assert b"hello" in received(third)
        assert received(greedy[0]) == b""
        served.has_closed("address")
        other.sendall(CLOSING)
        assert b"hello" in received(other)


def test_only_the_addresses_that_may_are_let_in() -> None:
    terms = Terms(ConnectionLimits(), networks(["127.0.0.2", "10.0.0.0/8"]))
    with serving(terms) as served:
        assert b"hello" in received(served.client(CLOSING, "127.0.0.2"))
        assert received(served.client(b"", "127.0.0.3")) == b""
        served.has_closed("stranger")


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"", "head"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX-", "head"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{", "body"),
    ],
)
def test_each_phase_has_its_time(
    caplog: pytest.LogCaptureFixture, sent: bytes, reason: str
) -> None:
    with serving(head_seconds=0.3, body_seconds=0.3) as served:
        received(served.client(sent))
        served.has_closed(reason)
        served.open(0)
    assert "1 connection closed: the" in caplog.text


def test_who_asks_before_he_has_his_answer_is_answered_once() -> None:
    with serving() as served:
        answers = received(served.client(GET * 5))
        assert answers.count(b"hello") == 1
        served.has_closed("pipelined")
        blank = served.client(GET + b"\r\n")  # as some clients end a body
        assert blank.recv(1000).startswith(b"HTTP/1.1 200")
        assert served.closed("pipelined") == 1


def test_the_headers_of_a_further_request_have_their_time_too() -> None:
    with serving(head_seconds=0.3) as served:
        kept = served.client(GET)
        answer = b""
        while not answer.endswith(b"hello"):
            answer += kept.recv(1000)
        kept.sendall(b"GET / HT")
        assert received(kept) == b""
        served.has_closed("head")


def test_bytes_now_and_then_do_not_buy_time() -> None:
    with serving(head_seconds=0.5) as served:
        slow = served.client(b"GET / HTTP/1.1\r\n")

        def cut_off() -> bool:
            try:
                slow.sendall(b"X-A: b\r\n")
            except OSError:
                return True
            return False

        wait_for(cut_off, every=0.05)
        served.has_closed("head")


@pytest.mark.parametrize("error", [errno.EMFILE, errno.ENFILE])
def test_without_open_files_it_pauses_and_says_so_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    missing = [True]
    accept = socket.socket.accept

    def failing(self: socket.socket) -> Any:
        if missing[0]:
            raise OSError(error, "no file")
        return accept(self)

    monkeypatch.setattr(socket.socket, "accept", failing)
    with serving() as served:
        waiting = served.client(CLOSING)
        wait_for(lambda: served.closed("files") >= 2)
        assert served.closed("files") < 100
        assert not served.server.accepts
        missing[0] = False
        assert b"hello" in received(waiting)
        wait_for(lambda: served.server.accepts)
    assert caplog.text.count("no open files left") == 1


def test_refused_handshakes_are_counted_and_said_with_their_reason(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    authority = certificate(tmp_path, "authority", None)
    ours, stranger = (certificate(tmp_path, "server", authority), certificate(tmp_path, "x", None))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*ours)
    context.load_verify_locations(authority[0])
    context.verify_mode = ssl.CERT_REQUIRED
    limits = ConnectionLimits(head_seconds=1)
    with serving(Terms(limits, tls=context)) as served:
        assert received(served.client(CLOSING)) == b""  # no TLS at all
        served.has_closed("tls")
        for number, own in enumerate((None, stranger), 2):
            client = ssl.create_default_context(cafile=str(authority[0]))
            if own is not None:
                client.load_cert_chain(*own)
            with (
                suppress(ssl.SSLError, ConnectionError),
                client.wrap_socket(served.client(), server_hostname="127.0.0.1") as refused,
            ):
                refused.sendall(CLOSING)
                assert received(refused) == b""
            served.has_closed("tls", number)
        received(served.client())  # a handshake that never begins
        served.has_closed("head")
        served.client().close()  # what load balancers do
        served.open(0)
        served.has_closed("tls", 3)
        client = ssl.create_default_context(cafile=str(authority[0]))
        client.load_cert_chain(*certificate(tmp_path, "bank", authority))
        with client.wrap_socket(served.client(), server_hostname="127.0.0.1") as bank:
            bank.sendall(CLOSING)
            assert b"hello" in received(bank)
    assert caplog.text.count("TLS handshake refused") == 1  # the others within ten seconds
