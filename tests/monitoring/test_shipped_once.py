"""Real log lines, through a real rsyslog, into a real OpenSearch: each of them, and each once.

The connection breaks, files are renamed, rsyslog is killed, and everything is read again. With
PIXSTREAM_TEST_LOG_STORE=http://127.0.0.1:9200 lines go to the Elasticsearch or OpenSearch there,
whose data stream of log lines is deleted before and after.
"""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest

from pixstream.errors import MonitoringError
from pixstream.logs.fields import NAMES
from pixstream.monitoring import opensearch
from pixstream.monitoring.asking import LogStore
from pixstream.monitoring.index import DATA_STREAM, requests
from pixstream.monitoring.missing import Missing
from pixstream.monitoring.ports import Ports
from pixstream.monitoring.process import Processes
from pixstream.monitoring.shipping import rsyslog_conf
from pixstream.testing.waiting import wait_for
from tests.monitoring.cut import Cuttable

RSYSLOGD = shutil.which("rsyslogd", path="/usr/sbin:/sbin:/usr/bin")

WRITER = """
import logging, sys
from pixstream import logs
from pixstream.batch_log import BatchLog
from pixstream.kafka.ports import Record
from pixstream.logs.settings import LoggingSettings, RotationSettings

file, replica, first, batches = sys.argv[1], *map(int, sys.argv[2:])
rotation = RotationSettings(max_bytes=50_000, keep=0)
logs.configure(LoggingSettings(file=file, rotation=rotation), "delta_lake", replica)
lines = BatchLog("delta_lake")
lines.sample = 10
for number in range(first, first + batches):
    lines.begin()
    headers = [("schema-version", b"1"), ("traceparent", b"00-%032x-%016x-%02x" % (
        number + 1, number + 1, number % 10 == 0))]
    key = b"E99999004202611240000%011d" % number
    lines.taken(
        "written",
        [Record("pix.recebimentos", replica, number * 10 + n, 0, key, b"{}", headers)
         for n in range(10)][: 1 if number % 10 == 0 else 10],
        {"pix.recebimentos": number},
    )
logging.getLogger("pixstream.x").warning("the last line of %d, \\"quoted\\" \\\\ and accented: é",
                                         replica)
"""
WRITERS = 3


class Site:
    """Writers of log lines, rsyslog, and a store behind a connection that can be cut."""

    def __init__(self, directory: Path, store: Any) -> None:
        self.logs = directory / "logs"
        self.work = directory / "work"
        self.work.mkdir()
        self.store = store
        self.connection = Cuttable(int(store.address.rsplit(":", 1)[1]))
        self._configuration = directory / "rsyslog.conf"
        address = f"http://127.0.0.1:{self.connection.port}"
        text = rsyslog_conf([self.logs / "*.log*"], address, self.work, resume_seconds=1)
        self._configuration.write_text(text, "utf-8")
        self._rsyslog: subprocess.Popen[bytes] | None = None
        self._log = directory / "rsyslog.log"
        self.logs.mkdir()

    def write(self, first: int, batches: int) -> None:
        """Let several processes write real lines at the same time."""
        file = str(self.logs / "{component}.log")
        command = [sys.executable, "-c", WRITER, file]
        writers = [
            subprocess.Popen([*command, str(replica), str(first), str(batches)])
            for replica in range(WRITERS)
        ]
        assert [writer.wait() for writer in writers] == [0] * WRITERS

    def ship(self) -> None:
        """Start rsyslog."""
        assert RSYSLOGD is not None
        command = [RSYSLOGD, "-n", "-f", str(self._configuration), "-i", str(self.work / "pid")]
        with self._log.open("ab") as log:
            self._rsyslog = subprocess.Popen(command, stdout=log, stderr=log)

    def kill(self) -> None:
        """End rsyslog without giving it time to do anything."""
        self._end(kill=True)

    def close(self) -> None:
        """Stop everything."""
        self.connection.cut()
        self._end(kill=True)

    def read_everything_again(self) -> None:
        """Let rsyslog forget how far it has read, as the documentation says."""
        self._end(kill=False)
        for note in self.work.glob("imfile-state*"):
            note.unlink()
        self.ship()

    def written(self) -> list[dict[str, Any]]:
        """Every line of every file."""
        return [
            json.loads(line)
            for path in self.logs.iterdir()
            for line in path.read_text("utf-8").splitlines()
        ]

    def conflicts(self) -> int:
        """How many documents the store had already when they were sent."""
        with httpx2.Client(base_url=self.store.address, trust_env=False, timeout=60) as client:
            stats = client.get(f"/{DATA_STREAM}/_stats/indexing").json()
        return int(stats["_all"]["primaries"]["indexing"]["index_failed"])

    def wait_until_stored(self, lines: int) -> None:
        """Wait until the store has so many lines."""
        with LogStore(self.store.address) as store:

            def count() -> int:
                try:
                    return int(store.count())
                except MonitoringError:  # 503 while its index is being made
                    return 0

            wait_for(lambda: count() >= lines, lambda: f"{count()} of {lines}", progress=count)

    def _end(self, *, kill: bool) -> None:
        if self._rsyslog is not None:
            self._rsyslog.kill() if kill else self._rsyslog.terminate()
            self._rsyslog.wait()
            self._rsyslog = None


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """An OpenSearch with the index template, or the store that the environment names."""
    address = os.environ.get("PIXSTREAM_TEST_LOG_STORE")
    if address is not None:
        prepare(address)
        yield SimpleNamespace(address=address)
        httpx2.delete(f"{address}/_data_stream/{DATA_STREAM}", trust_env=False)
        return
    directory = tmp_path_factory.mktemp("opensearch")
    free = Ports(directory / "ports.json")
    server = opensearch.server(
        directory / "opensearch",
        free.of("http", in_use=False),
        free.of("transport", in_use=False),
        "512m",
    )
    if isinstance(server, Missing):
        pytest.skip(str(server))
    running = Processes(directory / "run")
    try:
        running.start(server)
        with httpx2.Client(base_url=server.address, trust_env=False, timeout=60) as client:

            def works() -> bool:
                try:
                    return client.get(server.ready).is_success
                except httpx2.TransportError:
                    return False

            wait_for(works, "OpenSearch", alive=lambda: running.find(server.name) is not None)
        prepare(server.address)
        yield server
    finally:
        running.stop(server.name, 60)
        shutil.rmtree(server.directory, ignore_errors=True)


def prepare(address: str) -> None:
    """Put the index template into a store without log lines."""
    with httpx2.Client(base_url=address, trust_env=False, timeout=60) as client:
        client.delete(f"/_data_stream/{DATA_STREAM}")
        for path, body in requests():
            client.put(path, json=body).raise_for_status()


@pytest.fixture
def site(tmp_path: Path, store: Any) -> Iterator[Site]:
    if RSYSLOGD is None:
        pytest.skip("rsyslog is not installed: apt-get install rsyslog rsyslog-elasticsearch")
    made = Site(tmp_path, store)
    yield made
    made.close()


def test_every_line_is_stored_once_whatever_breaks(site: Site) -> None:
    site.ship()
    site.write(0, 200)
    before = len(site.written())
    site.wait_until_stored(before)

    site.connection.cut()
    site.write(200, 200)  # files are renamed meanwhile
    assert len([*site.logs.iterdir()]) > WRITERS
    site.kill()
    site.write(400, 50)
    site.ship()
    site.connection.mend()
    site.wait_until_stored(before + 100)
    site.kill()
    site.ship()
    lines = site.written()
    site.wait_until_stored(len(lines))

    known = site.conflicts()
    site.read_everything_again()
    wait_for(
        lambda: site.conflicts() - known >= len(lines),
        "the second reading",
        progress=site.conflicts,
    )
    with LogStore(site.store.address) as store:
        assert store.count() == len(lines)
        stored = [*store.lines()]
    by_id = {line["event.id"]: line for line in stored}
    assert by_id.keys() == {line["event.id"] for line in lines}
    for line in lines:
        found = by_id[line["event.id"]]
        assert {name: found[name] for name in line} == line
        assert found.keys() - line.keys() == {"host.name", "log.file.path"}
        assert line.keys() <= NAMES
    assert not (site.work / "refused.log").exists()

    with httpx2.Client(base_url=site.store.address, trust_env=False, timeout=60) as client:
        assert missing_numbers(client) == {}
        assert lines_with_offset(client, 1, 2345) == {"batch-written"}
        assert lines_with_offset(client, 2, 2300) == {"batch-written", "message-written"}
        assert lines_with_offset(client, 0, 10**9) == set()


def missing_numbers(client: httpx2.Client) -> dict[str, float]:
    """Ask as docs/logging.md says: which process has lost lines on the way, and how many."""
    last = {"max": {"field": "event.sequence"}}
    process = {"terms": {"field": "service.ephemeral_id", "size": 1000}, "aggs": {"last": last}}
    answer = search(client, {"size": 0, "aggs": {"process": process}})
    buckets = answer["aggregations"]["process"]["buckets"]
    assert len(buckets) == 3 * WRITERS
    lost = Counter({b["key"]: b["last"]["value"] - b["doc_count"] for b in buckets})
    return {key: number for key, number in lost.items() if number}


def lines_with_offset(client: httpx2.Client, partition: int, offset: int) -> set[str]:
    """Ask for what was done with one record, by where it is in Kafka."""
    conditions = [
        {"term": {"kafka.topic": "pix.recebimentos"}},
        {"term": {"kafka.partition": partition}},
        {"range": {"kafka.offset.first": {"lte": offset}}},
        {"range": {"kafka.offset.last": {"gte": offset}}},
    ]
    answer = search(client, {"size": 10, "query": {"bool": {"filter": conditions}}})
    return {hit["_source"]["event.action"] for hit in answer["hits"]["hits"]}


def search(client: httpx2.Client, question: dict[str, Any]) -> Any:
    answer = client.post(f"/{DATA_STREAM}/_search", json=question)
    answer.raise_for_status()
    return answer.json()


def test_what_another_program_writes_into_a_file_is_stored_as_a_text(site: Site) -> None:
    site.ship()
    with (site.logs / "other.log").open("w", encoding="utf-8") as file:
        file.write('Traceback: "not JSON" \\ at all\n{"no": "id"}\n')
    question = {"query": {"term": {"event.dataset": "pixstream.text"}}, "size": 10}

    def texts() -> list[str]:
        with httpx2.Client(base_url=site.store.address, trust_env=False, timeout=60) as client:
            client.post(f"/{DATA_STREAM}/_refresh")
            if client.get(f"/{DATA_STREAM}").is_error:
                return []
            return sorted(h["_source"]["message"] for h in search(client, question)["hits"]["hits"])

    wait_for(lambda: len(texts()) == 2, "two texts", progress=lambda: len(texts()))
    assert texts() == ['Traceback: "not JSON" \\ at all', '{"no": "id"}']
