"""The page as it is served: its port, TLS, its end, and beside a supervisor with real children."""

import logging
import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import pytest

from pixstream.config.loading import build, resolve
from pixstream.config.settings import SupervisorSettings
from pixstream.errors import ConfigError
from pixstream.lab.demo.place import free_port
from pixstream.page.opening import opener, program
from pixstream.page.server import Page
from pixstream.plugins.producer import Producer
from pixstream.processes.component import ChildSpec
from pixstream.processes.supervisor import Supervisor
from pixstream.testing.waiting import wait_for
from tests.certificates import certificate
from tests.page.kit import Pages, status

CHILD = """
import json, os, signal, sys, threading
order = json.loads(sys.argv[1])
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
while not stop.wait(0.05):
    os.write(order["report_fd"], json.dumps({"state": "ready", "metrics": []}).encode() + b"\\n")
"""


def opened(directory: Path, **settings: Any) -> Page:
    settings.setdefault("port", 0)
    config = Pages(directory, **settings).config
    effective = resolve(config)
    return Page(effective, build(effective), [sys.executable, "-c", ""], status)


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    with closing(opened(tmp_path)) as one:
        yield one


def test_it_answers_where_it_says(page: Page) -> None:
    assert httpx2.get(page.address).status_code == 200
    assert page.address.startswith("http://127.0.0.1:")


def test_a_taken_port_keeps_nothing_from_starting(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        with caplog.at_level(logging.WARNING), closing(opened(tmp_path, port=taken)) as page:
            assert httpx2.get(page.address).status_code == 200
    assert f"page.port {taken} is taken" in caplog.text


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"host": "192.0.2.1"}, "page.host"),
        ({"certificate": "/no/such/file.pem"}, "page.certificate"),
    ],
)
def test_what_cannot_be_served_stops_the_start(
    tmp_path: Path, settings: dict[str, object], named: str
) -> None:
    with pytest.raises(ConfigError, match=named):
        opened(tmp_path, **settings)


def test_with_a_certificate_it_speaks_tls_alone_and_its_cookies_do_too(tmp_path: Path) -> None:
    file, key = certificate(tmp_path, "page", None)
    with closing(opened(tmp_path, certificate=str(file), key=str(key))) as page:
        assert page.address.startswith("https://127.0.0.1:")
        trust = ssl.create_default_context(cafile=str(file))
        with httpx2.Client(verify=trust, base_url=page.address) as client:
            assert client.get("/").status_code == 200
            form = {"token": "a-token-of-an-operator", "who": "ana"}
            answer = client.post("/login", data=form)
            assert "Secure" in answer.headers["set-cookie"]
        with pytest.raises(httpx2.TransportError):
            httpx2.get(page.address.replace("https", "http"))


def test_its_end_ends_streams(tmp_path: Path) -> None:
    page = opened(tmp_path)
    begun, said = threading.Event(), []

    def listen() -> None:
        with httpx2.stream("GET", f"{page.address}live", timeout=600) as answer:
            for line in answer.iter_lines():
                said.append(line)
                begun.set()

    listener = threading.Thread(target=listen)
    listener.start()
    begun.wait()
    page.close()
    listener.join()
    assert said[0] == "retry: 3000"


def test_a_supervisor_serves_it_and_says_where(tmp_path: Path) -> None:
    pages = Pages(tmp_path, port=free_port())
    base = ChildSpec(
        config_path=str(pages.config), environment=None, overrides=["x=1"], name="", replica=0
    )
    assert program(base)[1:] == ["-m", "pixstream.cli", "--config", str(pages.config), "--set=x=1"]
    base.overrides = []
    producer = Producer(type="webhook")
    producer.name = "webhook"
    supervisor = Supervisor(
        base, [producer], SupervisorSettings(), command=[sys.executable, "-c", CHILD]
    )
    supervisor.open_page = opener(base)
    supervisor.start()
    try:

        def shown() -> bool:
            supervisor.step(0.05)
            text = httpx2.get(f"http://127.0.0.1:{pages.site.settings.page.port}/components").text
            return 'data-state="ready">ready' in text

        wait_for(shown)
        assert supervisor._seen is not None
        assert supervisor._seen.page == f"http://127.0.0.1:{pages.site.settings.page.port}/"
    finally:
        supervisor.stop()
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(supervisor._seen.page or "")
