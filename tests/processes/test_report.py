import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx2
import msgspec
import pytest

from pixstream import config, kafka
from pixstream.kafka.memory import MemoryKafka
from pixstream.kafka.topics.declared import declared
from pixstream.metrics import Counter, Counts
from pixstream.metrics.records import READ
from pixstream.privacy import create_key_file
from pixstream.processes import component
from pixstream.processes.lifeline import Stop
from pixstream.processes.report import Report, Reporter


class Loop:
    """A loop in a state of the test's choice."""

    def __init__(self, state: str) -> None:
        self.state = state
        self.counts = Counts(READ)
        self.counts.add(READ, 3)

    def run(self) -> None:
        """Nothing."""


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def told(reporter: Reporter, pipe: int) -> Report:
    reporter.report()
    return msgspec.json.decode(os.read(pipe, 65536), type=Report)


def values(report: Report) -> dict[str, object]:
    return {sample.short: sample.value for sample in report.metrics}


@pytest.mark.parametrize(
    ("state", "waits", "shown"),
    [
        ("ready", False, "ready"),
        ("ready", True, "waiting"),
        ("starting", True, "starting"),
        ("breaker_open", True, "breaker_open"),
    ],
)
def test_a_loop_of_which_a_part_waits_is_not_told_to_be_ready(
    pipe: tuple[int, int], state: str, *, waits: bool, shown: str
) -> None:
    read_end, write_end = pipe
    reporter = Reporter(write_end, Stop())
    assert told(reporter, read_end).state == "starting"
    reporter.follow(Loop(state), waits=lambda: waits)
    report = told(reporter, read_end)
    assert (report.state, values(report)) == (shown, {"read": 3})


def test_what_a_plugin_counts_itself_replaces_what_the_loop_knows_of_it(
    pipe: tuple[int, int],
) -> None:
    upserts = Counter("upserts_total", "Rows inserted or updated")
    plugin = Counts(READ, upserts)
    plugin.add(READ, 2)
    reporter = Reporter(pipe[1], Stop())
    reporter.follow(Loop("ready"), plugin)
    assert values(told(reporter, pipe[0])) == {"read": 2, "upserts": 0}


def test_a_line_that_the_pipe_takes_in_parts_is_finished_before_the_next(
    pipe: tuple[int, int],
) -> None:
    read_end, write_end = pipe
    os.set_blocking(write_end, False)
    many = Counter("many_total", "One of many", ("number",))
    loop = Loop("ready")
    for number in range(1000):
        loop.counts.add(many.of(number=f"{number:0100}"))
    reporter = Reporter(write_end, Stop())
    reporter.follow(loop)
    lines, rest = 0, b""
    while lines < 3:
        reporter.report()
        loop.counts.add(READ)
        *whole, rest = (rest + os.read(read_end, 65536)).split(b"\n")
        for line in whole:
            assert len(line) > 65536
            assert len(msgspec.json.decode(line, type=Report).metrics) == 1001
            lines += 1


def test_nobody_waits_for_a_supervisor_that_reads_nothing_or_is_gone(
    pipe: tuple[int, int],
) -> None:
    read_end, write_end = pipe
    os.set_blocking(write_end, False)
    reporter = Reporter(write_end, Stop())
    reporter.follow(Loop("ready"))
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(write_end, b"x" * 4096)
    reporter.report()
    os.read(read_end, 65536)
    reporter.report()
    lines = os.read(read_end, 65536).splitlines()
    assert [values(msgspec.json.decode(line, type=Report)) for line in lines] == [{"read": 3}] * 2
    os.close(read_end)
    os.dup2(write_end, read_end)  # the fixture closes both
    reporter.report()


CONFIGURATION = """
data_dir: {directory}
privacy:
  pseudonym_key: file:{directory}/pseudonym.key
  encryption_key: file:{directory}/encryption.key
kafka: {{bootstrap_servers: "nowhere:1"}}
producers:
  webhook: {{port: {port}, token: s3cret}}
"""


def test_what_a_source_counts_and_waits_for_is_told_of_its_component(
    pipe: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("pseudonym", "encryption"):
        create_key_file(tmp_path / f"{name}.key")
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    file = tmp_path / "kafka_config.yaml"
    file.write_text(CONFIGURATION.format(directory=tmp_path, port=port))
    settings = config.load(file)
    memory = MemoryKafka()
    for spec in declared(settings.topics):
        memory.client().admin().create(spec)
    monkeypatch.setattr(kafka, "connect", lambda _: memory.client())
    stop = Stop()
    reporter = Reporter(pipe[1], stop)
    monkeypatch.setattr(settings.producers["webhook"], "waits", lambda: True, raising=False)
    arguments = (settings, "webhook", 0, stop, reporter)
    running = threading.Thread(target=component.run, args=arguments)
    running.start()
    try:
        address = f"http://127.0.0.1:{port}/pix"
        transport = httpx2.HTTPTransport(retries=20)
        with httpx2.Client(transport=transport, timeout=20, trust_env=False) as sender:
            assert sender.post(address, content=b"{}").status_code == 403
        report = told(reporter, pipe[0])
        assert (report.state, values(report)["refused_token"]) == ("waiting", 1)
    finally:
        stop.set()
        running.join(20)
    assert not running.is_alive()
