import socket
import socketserver
import threading
import time
from collections.abc import Iterator

import pytest

from pixstream.errors import PixstreamError
from pixstream.lab.chaos.proxy import Proxy
from pixstream.lab.demo.place import free_port


class _Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while data := self.request.recv(4096):
            self.request.sendall(data)


@pytest.fixture
def upstream() -> Iterator[int]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Echo) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.fixture
def proxy(upstream: int) -> Iterator[Proxy]:
    made = Proxy(free_port())
    made.upstream = upstream
    made.start()
    yield made
    made.stop()


def connect(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), 120)


def closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_bytes_go_both_ways(proxy: Proxy) -> None:
    with connect(proxy) as connection:
        sent = bytes(range(256)) * 1000
        connection.sendall(sent)
        received = b""
        while len(received) < len(sent):
            received += connection.recv(65536)
    assert received == sent


def test_a_cut_breaks_what_is_open_and_lets_new_connections_pass(proxy: Proxy) -> None:
    with connect(proxy) as broken, connect(proxy) as fresh:
        broken.sendall(b"x")
        assert broken.recv(1) == b"x"
        fresh.sendall(b"x")
        assert fresh.recv(1) == b"x"
        assert proxy.cut() == 2
        assert closed(broken)
        assert closed(fresh)
    with connect(proxy) as later:
        later.sendall(b"y")
        assert later.recv(1) == b"y"


def test_while_refusing_new_connections_are_closed(proxy: Proxy) -> None:
    proxy.refusing = True
    with connect(proxy) as refused:
        assert closed(refused)


def test_a_delay_slows_every_chunk(proxy: Proxy) -> None:
    proxy.delay = 0.1
    with connect(proxy) as connection:
        began = time.monotonic()
        connection.sendall(b"x")
        assert connection.recv(1) == b"x"
        assert time.monotonic() - began >= 0.2


def test_a_broker_that_is_away_closes_the_connection(proxy: Proxy) -> None:
    proxy.upstream = free_port()
    with connect(proxy) as connection:
        assert closed(connection)


def test_a_taken_port_is_told(proxy: Proxy) -> None:
    second = Proxy(proxy.port)
    with pytest.raises(PixstreamError, match="in use"):
        second.start()


def test_answers_wait_while_it_is_silent_and_are_lost_with_a_cut(proxy: Proxy) -> None:
    with connect(proxy) as kept:
        proxy.silent = True
        kept.sendall(b"one")
        kept.settimeout(0.2)
        with pytest.raises(TimeoutError):
            kept.recv(3)
        proxy.silent = False
        kept.settimeout(120)
        assert kept.recv(3) == b"one"
    with connect(proxy) as lost:
        proxy.silent = True
        lost.sendall(b"two")
        time.sleep(0.1)
        proxy.cut()
        proxy.silent = False
        assert closed(lost)
