import os
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx2
import msgspec
import pytest

from pixstream import config, kafka
from pixstream.kafka.memory import MemoryKafka
from pixstream.kafka.topics.declared import declared
from pixstream.privacy import create_key_file
from pixstream.processes import component
from pixstream.processes.lifeline import Stop
from pixstream.processes.report import Report, Reporter


class Loop:
    """A loop in a state of the test's choice."""

    def __init__(self, state: str) -> None:
        self.state = state
        self.counts: Counter[str] = Counter(read=3)

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
    assert (report.state, report.counts) == (shown, {"read": 3})


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
    monkeypatch.setattr(settings.producers["webhook"], "waits", lambda: True)
    arguments = (settings, "webhook", 0, stop, reporter)
    running = threading.Thread(target=component.run, args=arguments)
    running.start()
    try:
        address = f"http://127.0.0.1:{port}/pix"
        transport = httpx2.HTTPTransport(retries=20)
        with httpx2.Client(transport=transport, timeout=20, trust_env=False) as sender:
            assert sender.post(address, content=b"{}").status_code == 403
        report = told(reporter, pipe[0])
        assert (report.state, report.counts["refused_token"]) == ("waiting", 1)
    finally:
        stop.set()
        running.join(20)
    assert not running.is_alive()
