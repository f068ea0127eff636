"""The worked examples of CONTRIBUTING.md are run as they stand there."""

import datetime as dt
import re
import secrets
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from typing import ClassVar

import pytest

import pixstream.consumers
import pixstream.processors
import pixstream.producers
from pixstream import config, dead_letters, kafka
from pixstream.cli.consumer_groups import consumer_groups
from pixstream.config.loading import build, resolve
from pixstream.config.show import lines
from pixstream.dead_letters import LetterWriter
from pixstream.errors import ConfigError, DestinationError, Transient
from pixstream.event.identifiers import e2e
from pixstream.event.model import Draft
from pixstream.event.record import event_record
from pixstream.event.sealing import Sealer
from pixstream.kafka.memory import MemoryKafka
from pixstream.kafka.names import DLQ, EVENT_TOPICS, POSITIONS
from pixstream.kafka.topics import acls
from pixstream.kafka.topics.declared import declared
from pixstream.kafka.transactions import Writer
from pixstream.loops.process import ProcessLoop
from pixstream.loops.produce import ProduceLoop
from pixstream.plugins.producer import Producer
from pixstream.privacy import Pseudonymiser, Vault
from pixstream.testing import batch, event, partition

TEXT = (Path(__file__).parent.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
VAULT = Vault(bytes(range(32)), "k1")


def example(name: str) -> str:
    found = re.search(rf"<!-- example: {re.escape(name)} -->\n```\w+\n(.*?)```", TEXT, re.DOTALL)
    assert found, name
    return found[1]


@pytest.fixture
def section(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The new file beside the others, and a configuration with the new section."""
    (tmp_path / "statement.py").write_text(example("producers/statement.py"), encoding="utf-8")
    paths = [*pixstream.producers.__path__, str(tmp_path)]
    monkeypatch.setattr(pixstream.producers, "__path__", paths)
    file = tmp_path / "kafka_config.yaml"
    text = example("section").replace("data/statement.txt", str(tmp_path / "statement.txt"))
    file.write_text(text, encoding="utf-8")
    yield file
    monkeypatch.undo()


def test_one_file_and_one_section_make_a_producer(section: Path, tmp_path: Path) -> None:
    identifiers = [
        e2e("99999004", dt.datetime(2026, 11, 24, tzinfo=dt.UTC), Random(n)) for n in "ab"
    ]
    lines = [f"{identifier};12.34;2026-11-24T09:00:00-03:00" for identifier in identifiers]
    (tmp_path / "statement.txt").write_text("\n".join([lines[0], "no statement", lines[1]]))
    settings = config.load(section)
    producer = settings.producers["my_bank"]
    assert isinstance(producer, Producer)
    memory = MemoryKafka()
    for spec in declared(settings.topics):
        memory.client().admin().create(spec)
    stop = threading.Event()
    loop = ProduceLoop(
        producer,
        memory.client(),
        Sealer(Pseudonymiser(bytes(32), "k1"), VAULT),
        LetterWriter("my_bank", VAULT, 2**20, tmp_path),
        max_event_bytes=2**20,
        retry=settings.retry,
        stop=stop,
    )
    threading.Timer(0.5, stop.set).start()
    loop.run()
    records = list(memory.client().scan(EVENT_TOPICS["recebimentos"]))
    assert {(r.key or b"").decode() for r in records} == set(identifiers)
    (letter,) = dead_letters.views(memory.client().scan(DLQ))
    assert dead_letters.content(letter, VAULT, tmp_path) == b"no statement"
    assert list(memory.client().load(POSITIONS, "my_bank/").values()) == [b"3"]


def test_a_wrong_key_of_the_section_is_named_with_its_line(section: Path) -> None:
    section.write_text(section.read_text().replace("file:", "files:"))
    with pytest.raises(
        ConfigError, match=r"kafka_config\.yaml:4: producers\.my_bank\.files:.*file"
    ):
        config.load(section)


# --- the processor -----------------------------------------------------------------------------


@pytest.fixture
def processor_section(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The new file in its place, and a configuration with the new section."""
    code = example("processors/large_amounts.py")
    (tmp_path / "large_amounts.py").write_text(code, encoding="utf-8")
    paths = [*pixstream.processors.__path__, str(tmp_path)]
    monkeypatch.setattr(pixstream.processors, "__path__", paths)
    file = tmp_path / "kafka_config.yaml"
    file.write_text(example("processor section"), encoding="utf-8")
    yield file
    monkeypatch.undo()
    sys.modules.pop("pixstream.processors.large_amounts", None)


def test_one_file_and_one_section_make_a_processor_and_declare_what_it_needs(
    processor_section: Path,
) -> None:
    settings = config.load(processor_section)
    names = [spec.name for spec in settings.declared_topics]
    assert "pix.large_amounts" in names
    (spec,) = [spec for spec in settings.declared_topics if spec.name == "pix.large_amounts"]
    assert (spec.partitions, spec.config["retention.ms"]) == (3, str(30 * 24 * 3_600_000))
    assert consumer_groups(settings) == {
        "pixstream.large_amounts": list(EVENT_TOPICS.values()),
    }
    rights = acls.for_processor(
        "User:x", "large_amounts", EVENT_TOPICS.values(), writes=["pix.large_amounts"], state=None
    )
    assert acls.Acl("User:x", "Write", "topic", "pix.large_amounts") in rights


@pytest.mark.broker
@pytest.mark.parametrize("library", ["confluent", "kafka-python"])
def test_the_processor_of_the_example_passes_large_amounts_on(
    processor_section: Path, tmp_path: Path, broker: str, library: str
) -> None:
    options = [f"kafka.client={library}", f"kafka.bootstrap_servers={broker}"]
    settings = config.load(
        processor_section,
        overrides=[*options, "kafka.session_timeout_ms=6000", "kafka.linger_ms=5"],
    )
    processor = settings.processors["large_amounts"]
    processor.name, processor.start = f"large_{secrets.token_hex(4)}", "latest"
    client = kafka.connect(settings.kafka)
    with closing(client.admin()) as admin:
        existing = admin.topics()
        for spec in settings.declared_topics:
            if spec.name not in existing:
                admin.create(spec)
    stop = threading.Event()
    letters = LetterWriter(processor.name, VAULT, 2**20, tmp_path)
    loop = ProcessLoop(processor, client, letters, retry=settings.retry, stop=stop)
    now, rng = dt.datetime.now(dt.UTC), Random(library)
    sealer = Sealer(Pseudonymiser(bytes(32), "k1"), VAULT)
    large = []
    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(loop.run)
        try:
            wait_until(lambda: loop.state == "ready", running)
            with (
                closing(Writer(client, f"test/{processor.name}")) as writer,
                writer.transaction() as transaction,
            ):
                for amount in ("49999.99", "50000.00", None, "123456.78"):
                    draft = Draft(
                        message="api_pix.pix",
                        end_to_end_id=e2e("99999004", now, rng),
                        amount=amount,
                    )
                    event = sealer.seal(draft, source="test", now=now)
                    transaction.send(*event_record(event))
                    if (event.amount_centavos or 0) >= 5_000_000:
                        large.append(event.event_id)
            assert len(large) == 2
            wait_until(lambda: loop.counts["processed"] == 4, running)
        finally:
            stop.set()
        running.result()
    assert loop.counts["emitted"] == 2
    found = [record.key for record in client.scan("pix.large_amounts")]
    assert [found.count(name.encode()) for name in large] == [1, 1]


def wait_until(holds: Callable[[], bool], running: "Future[None]") -> None:
    deadline = time.monotonic() + 60
    while not holds():
        if running.done():
            running.result()
        assert time.monotonic() < deadline
        time.sleep(0.05)


class Room(BaseHTTPRequestHandler):
    """Takes messages of those who have the token; `status` is its answer to them."""

    status = 200
    taken: ClassVar[list[bytes]] = []

    def do_POST(self) -> None:
        """Answer one message."""
        allowed = self.headers["Authorization"] == "Bearer geheim"
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if allowed and Room.status == 200:
            Room.taken.append(body)
        self.send_response(Room.status if allowed else 401)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_a_consumer_with_a_secret_and_a_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "chat.py").write_text(example("consumers/chat.py"), encoding="utf-8")
    paths = [*pixstream.consumers.__path__, str(tmp_path)]
    monkeypatch.setattr(pixstream.consumers, "__path__", paths)
    monkeypatch.setenv("CHAT_TOKEN", "geheim")
    file = tmp_path / "kafka_config.yaml"
    with ThreadingHTTPServer(("127.0.0.1", 0), Room) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        file.write_text(f"consumers: {{chat: {{url: '{url}', token: '${{CHAT_TOKEN}}'}}}}")
        chat = config.load(file).consumers["chat"]
        chat.write(batch({partition(): (0, [event(1), event(2)])}), lambda *_: None)
        assert Room.taken == [b'{"text":"2 events"}']
        assert chat.counts["chat_posts"] == 1
        monkeypatch.setattr(Room, "status", 500)
        with pytest.raises(Transient, match="chat: HTTP 500"):
            chat.write(batch({partition(): (0, [event(1)])}), lambda *_: None)
        monkeypatch.setenv("CHAT_TOKEN", "wrong")
        chat = config.load(file).consumers["chat"]
        with pytest.raises(DestinationError, match="refuses the token") as caught:
            chat.write(batch({partition(): (0, [event(1)])}), lambda *_: None)
        assert "wrong" not in str(caught.value)
        server.shutdown()
    effective = resolve(file)
    assert f'    token: "***"  # {file}:1' in list(lines(effective, build(effective)))
