"""The worked example of CONTRIBUTING.md is run as it stands there."""

import datetime as dt
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

import pixstream.producers
from pixstream import config, dead_letters
from pixstream.dead_letters import LetterWriter
from pixstream.errors import ConfigError
from pixstream.event.identifiers import e2e
from pixstream.event.sealing import Sealer
from pixstream.kafka.memory import MemoryKafka
from pixstream.kafka.names import DLQ, EVENT_TOPICS, POSITIONS
from pixstream.kafka.topics.declared import declared
from pixstream.loops.produce import ProduceLoop
from pixstream.plugins.producer import Producer
from pixstream.privacy import Pseudonymiser, Vault

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
    kafka = MemoryKafka()
    for spec in declared(settings.topics):
        kafka.client().admin().create(spec)
    stop = threading.Event()
    loop = ProduceLoop(
        producer,
        kafka.client(),
        Sealer(Pseudonymiser(bytes(32), "k1"), VAULT),
        LetterWriter("my_bank", VAULT, 2**20, tmp_path),
        max_event_bytes=2**20,
        retry=settings.retry,
        stop=stop,
    )
    threading.Timer(0.5, stop.set).start()
    loop.run()
    records = list(kafka.client().scan(EVENT_TOPICS["recebimentos"]))
    assert {(r.key or b"").decode() for r in records} == set(identifiers)
    (letter,) = dead_letters.views(kafka.client().scan(DLQ))
    assert dead_letters.content(letter, VAULT, tmp_path) == b"no statement"
    assert list(kafka.client().load(POSITIONS, "my_bank/").values()) == [b"3"]


def test_a_wrong_key_of_the_section_is_named_with_its_line(section: Path) -> None:
    section.write_text(section.read_text().replace("file:", "files:"))
    with pytest.raises(
        ConfigError, match=r"kafka_config\.yaml:4: producers\.my_bank\.files:.*file"
    ):
        config.load(section)
