"""pixstream's own shipper of log lines, against a store that can fail in every way."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from pixstream.errors import Transient
from pixstream.monitoring import shipper
from pixstream.monitoring.shipper import Shipper, ShipperSettings


class Store(ThreadingHTTPServer):
    """Takes bulk requests as OpenSearch does: what it has, by id, and what it says next."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Bulk)
        self.documents: dict[str, dict[str, Any]] = {}
        self.requests: list[int] = []
        self.answer = 200
        self.full: set[str] = set()
        self.refuses: set[str] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def create(self, identifier: str, document: dict[str, Any]) -> int:
        if document["message"] in self.full:
            return 429
        if document["message"] in self.refuses:
            return 400
        if identifier in self.documents:
            return 409
        self.documents[identifier] = document
        return 201


class Bulk(BaseHTTPRequestHandler):
    server: Store

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"])).splitlines()
        assert self.path == "/logs/_bulk"
        statuses = []
        if self.server.answer == 200:
            for action, document in zip(raw[::2], raw[1::2], strict=True):
                identifier = json.loads(action)["create"]["_id"]
                statuses.append(self.server.create(identifier, json.loads(document)))
        self.server.requests.append(len(statuses))
        body = json.dumps({"items": [{"create": {"status": s}} for s in statuses]}).encode()
        self.send_response(self.server.answer)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  its parent's name
        """Keep the test's output quiet."""


@pytest.fixture
def store() -> Iterator[Store]:
    with Store() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


class Site:
    """A folder of log files and its shipper, which can be started anew."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.file = folder / "pixstream.log"
        self.positions = folder / "positions.json"
        self._store = store
        self._number = 0

    def write(self, *messages: str) -> None:
        with self.file.open("a", encoding="utf-8") as log:
            for message in messages:
                self._number += 1
                line = {"@timestamp": "2026-11-30T15:00:00Z", "message": message}
                log.write(json.dumps({**line, "event.id": f"id-{self._number}"}) + "\n")

    def ship(self) -> None:
        """Start a shipper that knows nothing but its file, and let it send all."""
        settings = ShipperSettings(
            patterns=[f"{self.file}*"],
            url=self._store.url,
            path="/logs/_bulk",
            positions=str(self.positions),
        )
        one = Shipper(settings)
        try:
            while one.turn():
                continue
        finally:
            one.close()

    def stored(self) -> Counter[str]:
        return Counter(document["message"] for document in self._store.documents.values())


@pytest.fixture
def site(tmp_path: Path, store: Store) -> Site:
    return Site(tmp_path, store)


def test_every_line_is_there_once_also_after_a_restart(site: Site, store: Store) -> None:
    site.write("a", "b")
    site.ship()
    site.write("c")
    site.ship()
    assert site.stored() == Counter("abc")
    assert store.requests == [2, 1]
    assert set(store.documents) == {"id-1", "id-2", "id-3"}


def test_lines_that_are_read_again_are_there_once(site: Site, store: Store) -> None:
    site.write("a", "b")
    site.ship()
    site.positions.unlink()  # as if it had been killed before it noted its place
    site.ship()
    assert store.requests == [2, 2]
    assert site.stored() == Counter("ab")


@pytest.mark.parametrize("failure", [503, 429, 400])
def test_what_the_store_does_not_take_is_sent_again(site: Site, store: Store, failure: int) -> None:
    site.write("a", "b")
    store.answer = failure
    with pytest.raises(Transient, match=f"HTTP {failure}"):
        site.ship()
    store.answer = 200
    site.ship()
    assert site.stored() == Counter("ab")


def test_a_store_that_has_no_room_for_some_gets_all_again(site: Site, store: Store) -> None:
    site.write("a", "b")
    store.full = {"b"}
    with pytest.raises(Transient, match="no room"):
        site.ship()
    store.full = set()
    site.ship()
    assert site.stored() == Counter("ab")


def test_a_store_that_is_away_is_waited_for(site: Site, tmp_path: Path) -> None:
    site.write("a")
    settings = ShipperSettings(
        patterns=[str(site.file)],
        url="http://127.0.0.1:9",
        path="/logs/_bulk",
        positions=str(tmp_path / "other.json"),
    )
    away = Shipper(settings)
    with pytest.raises(Transient, match="does not answer"):
        away.turn()
    away.close()
    assert not (tmp_path / "other.json").exists()
    site.ship()
    assert site.stored() == Counter("a")


def test_a_line_that_is_refused_for_good_holds_up_no_other(
    site: Site, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    site.write("a", "secret of b", "c")
    store.refuses = {"secret of b"}
    site.ship()
    assert site.stored() == Counter("ac")
    assert "refuses 1 lines for good, the first with event.id id-2" in caplog.text
    assert "secret" not in caplog.text


def test_half_a_line_waits_for_its_end(site: Site) -> None:
    site.write("a")
    with site.file.open("a", encoding="utf-8") as log:
        log.write('{"@timestamp": "2026-11-30T15:00:00Z", ')
    site.ship()
    assert site.stored() == Counter("a")
    with site.file.open("a", encoding="utf-8") as log:
        log.write('"message": "b"}\n')
    site.ship()
    assert site.stored() == Counter("ab")


def test_a_renamed_file_is_read_on_and_its_successor_from_the_start(site: Site) -> None:
    site.write("a")
    site.ship()
    site.write("b")
    site.file.rename(site.file.with_name("pixstream.log.20261130T150000Z"))
    site.write("c")
    site.ship()
    assert site.stored() == Counter("abc")


def test_a_truncated_file_is_read_from_its_start(site: Site) -> None:
    site.write("a", "b")
    site.ship()
    site.file.write_bytes(b"")
    site.write("c")
    site.ship()
    assert site.stored() == Counter("abc")


def test_many_lines_go_in_several_requests(
    site: Site, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipper, "LINES", 2)
    site.write(*"abcde")
    site.ship()
    assert store.requests == [2, 2, 1]
    assert site.stored() == Counter("abcde")


def test_a_line_longer_than_a_request_is_left_out_and_told(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(shipper, "BYTES", 200)
    site.write("a", "x" * 500, "b")
    site.ship()
    assert site.stored() == Counter("ab")
    assert "is left out" in caplog.text


def test_what_is_no_line_of_ours_stays_in_its_file(site: Site, store: Store) -> None:
    site.write("a")
    with site.file.open("ab") as log:
        log.write(b'Traceback (most recent call last):\n[1]\n\xff\n{"message": "no time"}\n')
    site.write("b")
    site.ship()
    assert site.stored() == Counter("ab")
    assert store.requests == [2]


def test_lines_without_an_id_get_one_of_their_place(site: Site) -> None:
    line = '{"@timestamp": "2026-11-30T15:00:00Z", "message": "same"}\n'
    site.file.write_text(line * 2, "utf-8")
    site.ship()
    site.positions.unlink()
    site.ship()
    assert site.stored() == Counter(["same", "same"])
