"""Processors as real processes on a real broker, killed and stopped at every moment that matters.

Their plugin numbers the events of each partition and emits each with its number: so a lost, doubled
or forgotten batch shows in the outputs, and a wrong state in the numbers.
"""

import datetime as dt
import secrets
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from random import Random

import msgspec
import pytest
import yaml

from pixstream import dead_letters, kafka
from pixstream.event.identifiers import e2e
from pixstream.event.model import Draft, encode
from pixstream.event.sealing import Sealer
from pixstream.kafka.lag import lag, patiently, totals
from pixstream.kafka.names import DLQ, EVENT_TOPICS, changelog, group_id
from pixstream.kafka.ports import Record, TopicIdPartition, TopicPartition, TopicSpec
from pixstream.kafka.settings import KafkaSettings
from pixstream.kafka.transactions import Writer
from pixstream.privacy import Pseudonymiser, Vault, create_key_file
from pixstream.processes.component import ChildSpec

pytestmark = pytest.mark.broker
TOPIC = EVENT_TOPICS["recebimentos"]
SECONDS = 120.0
SEALER = Sealer(Pseudonymiser(bytes(32), "k1"), Vault(bytes(range(32)), "k1"))
MOMENTS = ("send 3", "send_offsets 1", "commit 1", "committed 1", "send_offsets 2", "committed 2")

PLUGIN = '''
"""Numbers the events of each partition."""
import dataclasses
from collections.abc import Mapping
from typing import ClassVar
from pixstream.kafka.ports import TopicPartition
from pixstream.kafka.topics.declared import TopicSettings
from pixstream.plugins.processor import Processor, StateRecord

@dataclasses.dataclass(kw_only=True)
class Tally(Processor):
    """Numbers the events of each partition."""

    type: str = "tally"
    writes: ClassVar[Mapping[str, TopicSettings]] = {{"{out}": TopicSettings()}}

    def restore(self, partitions, state):
        self.numbers = dict.fromkeys(partitions, 0)
        self.changed = set()
        for place, _, value in state:
            self.numbers[place] = int(value)

    def process(self, batch, emit):
        for row in batch.table.select(["event_id", "_topic", "_partition"]).to_pylist():
            place = TopicPartition(row["_topic"], row["_partition"])
            self.numbers[place] += 1
            self.changed.add(place)
            value = f"{{place.partition}}:{{self.numbers[place]}}".encode()
            emit("{out}", row["event_id"].encode(), value)

    def checkpoint(self):
        changed, self.changed = self.changed, set()
        return [StateRecord(p, b"events", b"%d" % self.numbers[p]) for p in changed]
'''
CHILD = """
import os, signal, sys
import pixstream.processors
pixstream.processors.__path__.append({directory!r})
from pixstream.kafka.confluent.outbox import ConfluentOutbox
from pixstream.kafka import kafka_python
from pixstream.kafka.kafka_python.outbox import KafkaPythonOutbox
from pixstream.processes import component

moment, number = (sys.argv[2:] or ["never 1"])[0].split()
signals = {{"kill": signal.SIGKILL, "stop": signal.SIGSTOP}}
how = signals[(sys.argv[3:] or ["kill"])[0]]
left = int(number)

def strike(name):
    global left
    if name == moment:
        left -= 1
        if left == 0:
            os.kill(os.getpid(), how)

def struck(kind, method, after):
    call = getattr(kind, method)
    def wrapped(self, *arguments):
        strike(method)
        call(self, *arguments)
        strike(after)
    setattr(kind, method, wrapped)

for kind in (ConfluentOutbox, KafkaPythonOutbox):
    for method, after in (("send", ""), ("send_offsets", ""), ("commit", "committed")):
        struck(kind, method, after)
sys.exit(component.main(sys.argv[1:]))
"""


class Site:
    """A processor of its own name, its input, and the processes that play it."""

    def __init__(self, library: str, address: str, directory: Path) -> None:
        self.directory = directory
        self.name = f"tally_{secrets.token_hex(4)}"
        self.out = f"pix.{self.name}"
        self.file = directory / "kafka_config.yaml"
        self.children: list[subprocess.Popen[bytes]] = []
        self.events: list[str] = []
        self.bad = 0
        self._rng = Random(11)
        options = {
            "client": library,
            "bootstrap_servers": address,
            "linger_ms": 5,
            "session_timeout_ms": 6000,
            "request_timeout_ms": 5000,
            "transaction_timeout_ms": 5000,
        }
        for name in ("pseudonym", "encryption"):
            create_key_file(directory / f"{name}.key")
        settings = {
            "data_dir": str(directory / "data"),
            "privacy": {
                "pseudonym_key": f"file:{directory / 'pseudonym.key'}",
                "encryption_key": f"file:{directory / 'encryption.key'}",
            },
            "kafka": options,
            "logging": {"file": str(directory / "log")},
            "processors": {
                self.name: {
                    "type": "tally",
                    "categories": ["recebimentos"],
                    "batch": {"rows": 8, "seconds": 0.2},
                }
            },
        }
        self.file.write_text(yaml.safe_dump(settings))
        (directory / "tally.py").write_text(PLUGIN.format(out=self.out))
        (directory / "child.py").write_text(CHILD.format(directory=str(directory)))
        self.client = kafka.connect(msgspec.convert(options, KafkaSettings))
        wanted = {TOPIC: 3, DLQ: 1, self.out: 2, changelog(self.name): 1}
        with closing(self.client.admin()) as admin:
            existing = admin.topics()
            for topic, partitions in wanted.items():
                if topic not in existing:
                    admin.create(TopicSpec(topic, partitions, 1, {}))
            ends = {TopicPartition(p.topic, p.partition): o for p, o in self._ends().items()}
            patiently(lambda: admin.set_group_offsets(group_id(self.name), ends))

    def _ends(self) -> dict[TopicIdPartition, int]:
        with closing(self.client.admin()) as admin:
            return dict(admin.end_offsets([TOPIC]))

    def produce(self, count: int) -> None:
        """Events, and one record that is none, in one transaction."""
        now = dt.datetime.now(dt.UTC)
        with (
            closing(Writer(self.client, f"test/{self.name}")) as writer,
            writer.transaction() as transaction,
        ):
            for _ in range(count):
                identifier = e2e("99999004", now, self._rng)
                draft = Draft(message="api_pix.pix", end_to_end_id=identifier, amount="1.00")
                event = SEALER.seal(draft, source="test", now=now)
                self.events.append(event.event_id)
                transaction.send(TOPIC, identifier.encode(), encode(event), ())
            transaction.send(TOPIC, None, b"no event of ours", ())
        self.bad += 1

    def start(
        self, moment: str = "never 1", how: str = "kill", replica: int = 0
    ) -> "subprocess.Popen[bytes]":
        """A process of the processor that is struck when it comes to a moment for the n-th time."""
        order = ChildSpec(
            config_path=str(self.file),
            environment=None,
            overrides=[],
            name=self.name,
            replica=replica,
        )
        text = msgspec.json.encode(order).decode()
        command = [sys.executable, str(self.directory / "child.py"), text, moment, how]
        child = subprocess.Popen(command)
        self.children.append(child)
        return child

    def behind(self) -> int:
        with closing(self.client.admin()) as admin:
            group = group_id(self.name)
            return totals(lag(admin, {group: [TOPIC]}))[group]

    def until(self, holds: Callable[[], bool], *alive: "subprocess.Popen[bytes]") -> None:
        deadline = time.monotonic() + SECONDS
        while not holds():
            for child in alive:
                assert child.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.2)

    def log(self) -> str:
        file = self.directory / "log"
        return file.read_text()[-4000:] if file.exists() else "no log"

    def outputs(self) -> list[Record]:
        return list(self.client.scan(self.out))

    def check(self) -> None:
        """Each event has its output once, and each partition's numbers are 1, 2, 3, …"""
        outputs = self.outputs()
        found = Counter((record.key or b"").decode() for record in outputs)
        assert found == Counter(self.events), (found - Counter(self.events), len(found))
        numbers: dict[str, list[int]] = {}
        for record in outputs:
            partition, _, number = (record.value or b"").decode().partition(":")
            numbers.setdefault(partition, []).append(int(number))
        for partition, some in numbers.items():
            assert sorted(some) == list(range(1, len(some) + 1)), partition
        letters = Counter(
            letter.letter_id
            for letter in dead_letters.views(self.client.scan(DLQ))
            if letter.component == self.name
        )
        assert set(letters.values()) == {1}
        assert len(letters) == self.bad

    def close(self) -> None:
        for child in self.children:
            if child.poll() is None:
                child.kill()
            child.wait()


@pytest.fixture(params=["confluent", "kafka-python"])
def site(request: pytest.FixtureRequest, broker: str, tmp_path: Path) -> Iterator[Site]:
    made = Site(request.param, broker, tmp_path)
    yield made
    made.close()


def stop(children: Sequence["subprocess.Popen[bytes]"]) -> None:
    for child in children:
        child.send_signal(signal.SIGTERM)
    for child in children:
        assert child.wait(SECONDS) == 0


def test_killed_at_any_moment_each_event_has_its_output_and_each_letter_is_there_once(
    site: Site,
) -> None:
    for moment in MOMENTS:
        site.produce(20)
        child = site.start(moment)
        assert child.wait(SECONDS) == -signal.SIGKILL, (moment, site.log())
    site.produce(5)
    last = site.start()
    site.until(lambda: site.behind() == 0, last)
    stop([last])
    site.check()


def test_state_moves_with_partitions_and_whoever_slept_through_it_commits_nothing(
    site: Site,
) -> None:
    sleeper = site.start("send_offsets 4", "stop")
    site.produce(10)
    site.until(lambda: site.behind() == 0, sleeper)
    second = site.start(replica=1)
    site.until(lambda: _stopped(sleeper) or _produced(site), sleeper, second)
    site.until(lambda: site.behind() == 0, second)
    assert _stopped(sleeper)
    site.produce(10)
    site.until(lambda: site.behind() == 0, second)
    sleeper.send_signal(signal.SIGCONT)
    site.produce(10)
    site.until(lambda: site.behind() == 0, second)
    sleeper.terminate()  # unless it has found out by itself that it was fenced
    sleeper.wait(SECONDS)
    stop([second])
    site.check()


def _produced(site: Site) -> bool:
    """One event more, until the process has been stopped in the middle of a transaction."""
    site.produce(1)
    return False


def _stopped(child: "subprocess.Popen[bytes]") -> bool:
    state = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[0]
    return state == "T"
