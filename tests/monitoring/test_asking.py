"""What the servers answer when they cannot answer."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from pixstream.errors import MonitoringError
from pixstream.monitoring.asking import LogStore


class Answers(BaseHTTPRequestHandler):
    """Answers every request with the server's status."""

    def do_GET(self) -> None:
        self.send_response(getattr(self.server, "status", 500))
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    do_POST = do_GET  # noqa: N815  the name is the library's

    def log_message(self, format: str, *_: object) -> None:  # noqa: A002
        del format


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as made:
        thread = Thread(target=made.serve_forever)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.mark.parametrize("status", [400, 500])
def test_a_store_that_refuses_is_an_error(server: ThreadingHTTPServer, status: int) -> None:
    server.status = status  # type: ignore[attr-defined]
    with (
        LogStore(f"http://127.0.0.1:{server.server_port}") as store,
        pytest.raises(MonitoringError, match=f"HTTP {status}"),
    ):
        store.count()


def test_a_store_that_creates_its_index_holds_nothing_yet(server: ThreadingHTTPServer) -> None:
    server.status = 503  # type: ignore[attr-defined]
    with LogStore(f"http://127.0.0.1:{server.server_port}") as store:
        assert store.count() == 0
