import asyncio
import gzip
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import pytest

from pixstream.producers.bank_api.transport import WholeAnswers


class Server(ThreadingHTTPServer):
    """Answers every request with `content`, compressed, and notes what was asked of it."""

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.content = content
        self.asked: list[str] = []


class Answer(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        content = gzip.compress(self.server.content)
        self.send_response(200)
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("X-Kept", "yes")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  its parent's name
        """Keep the test's output quiet."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(b"a page " * 1000) as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.01,))
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def get(url: str) -> httpx2.Response:
    async def whole() -> httpx2.Response:
        transport = WholeAnswers(ssl.create_default_context(), 30)
        async with httpx2.AsyncClient(transport=transport) as client:
            return await client.get(url, extensions={"what": "GET"})

    return asyncio.run(whole())


def test_a_compressed_answer_arrives_whole(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    answer = get(f"http://127.0.0.1:{server.server_port}/pix")
    assert answer.content == server.content
    assert answer.headers["x-kept"] == "yes"


def test_the_proxy_of_the_environment_is_used(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_PROXY", "no_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.server_port}")
    assert get("http://bank.invalid/pix").content == server.content
    assert server.asked == ["http://bank.invalid/pix"]
