"""A replay on a real broker, killed at every step: each event is there exactly once at the end."""

import datetime as dt
import json
import secrets
import signal
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest
import yaml

from pixstream import config, kafka
from pixstream.config.settings import Settings
from pixstream.dead_letters import REPLAY_FOR, REPLAY_OF, Letter
from pixstream.dead_letters.state import REPLAYED, states
from pixstream.event.identifiers import e2e, generate_cpf
from pixstream.event.model import SCHEMA_VERSION, Draft, Refusal, encode
from pixstream.event.sealing import Sealer
from pixstream.kafka.names import DLQ, EVENT_TOPICS
from pixstream.kafka.ports import Client, Record
from pixstream.kafka.topics.declared import declared
from pixstream.plugins.producer import Reading
from pixstream.privacy import create_key_file, keys
from pixstream.runtime import letter_writer, letters_directory, sealer
from pixstream.testing.waiting import wait_for

pytestmark = pytest.mark.broker

NOW = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)
TOPIC = "pix.recebimentos"
PRODUCERS_LETTERS, CONSUMERS_LETTERS = 240, 60
IN_FILES = 5

# The command itself, with small transactions, dying at the n-th call of a step.
MORTAL = """
import os, signal, sys, threading
from pixstream.cli import main
from pixstream.cli.root import Root
from pixstream.dead_letters import replay_transaction

step, _, number = sys.argv[1].partition(":")
left = {step: int(number or 0)}
replay_transaction.MAX_LETTERS = 40

def reached(name):
    if name in left:
        left[name] -= 1
        return left[name] == 0
    return False

def die():
    os.kill(os.getpid(), signal.SIGKILL)

class Mortal:
    def __init__(self, outbox):
        self._outbox = outbox
        if reached("opened"):
            die()
    def begin(self):
        self._outbox.begin()
        if reached("begun"):
            die()
    def send(self, *record):
        self._outbox.send(*record)
        if reached("sent"):
            die()
    def commit(self):
        if reached("committing"):
            threading.Timer(0.002, die).start()
        self._outbox.commit()
        if reached("committed"):
            die()
    def abort(self):
        self._outbox.abort()
    def close(self):
        self._outbox.close()

connect = Root.client

def client(self, settings):
    made = connect(self, settings)
    outbox = made.outbox
    made.outbox = lambda name: Mortal(outbox(name))
    return made

Root.client = client
sys.exit(main.run(sys.argv[2:]))
"""

STEPS = ["opened:1", "begun:1", "sent:13", "committing:1", "committed:1", "committing:2"]


class Place(NamedTuple):
    """A configuration of its own on the broker that the tests share."""

    file: Path
    settings: Settings
    producer: str
    consumer: str

    @property
    def client(self) -> Client:
        return kafka.connect(self.settings.kafka)


@pytest.fixture(params=["confluent", pytest.param("kafka-python", marks=pytest.mark.campaign)])
def place(request: pytest.FixtureRequest, broker: str, tmp_path: Path) -> Place:
    for name in ("pseudonym", "encryption"):
        create_key_file(tmp_path / f"{name}.key")
    producer, consumer = (f"{kind}-{secrets.token_hex(4)}" for kind in ("webhook", "lake"))
    file = tmp_path / "kafka_config.yaml"
    content = {
        "data_dir": str(tmp_path / "data"),
        "privacy": {
            "pseudonym_key": f"file:{tmp_path / 'pseudonym.key'}",
            "encryption_key": f"file:{tmp_path / 'encryption.key'}",
        },
        "kafka": {"client": request.param, "bootstrap_servers": broker},
        "producers": {producer: {"type": "webhook"}},
        "consumers": {consumer: {"type": "delta_lake", "uri": str(tmp_path / "lake")}},
    }
    file.write_text(yaml.safe_dump(content))
    (tmp_path / "mend.py").write_text(
        "def repair(raw, headers):\n    return raw.removeprefix(b'broken ')\n"
    )
    made = Place(file, config.load(file), producer, consumer)
    with closing(made.client.admin()) as admin:
        for spec in declared({}):
            if spec.name not in admin.topics():
                admin.create(spec)
    return made


class Written(NamedTuple):
    """What lies in the topic of letters: ids of letters, and of the Pix of producers' ones."""

    letters: list[str]
    pix: list[str]
    returned: list[str]


def write_letters(place: Place) -> Written:
    """Producers' letters that need a repair (a few in files), and consumers' that need none."""
    rng = Random(secrets.randbits(32))
    settings, vault = place.settings, keys(place.settings.privacy)[1]
    with closing(place.client.admin()) as admin:
        places = admin.beginning_offsets([TOPIC])
    topic_id = next(iter(places)).topic_id
    letters: list[Letter] = []
    pix = [e2e("99999004", NOW, rng) for _ in range(PRODUCERS_LETTERS)]
    for number, end_to_end_id in enumerate(pix):
        document = {"endToEndId": end_to_end_id, "valor": "1.00", "horario": "2026-11-24T12:00Z"}
        body = json.dumps({"pix": [{**document, "pagador": {"cpf": generate_cpf(rng)}}]})
        refusal = Refusal(reason="malformed_json", message="m", raw=f"broken {body}".encode())
        reading = Reading(stream="s", position=str(number), content=refusal)
        writer = letter_writer(settings, place.producer, vault)
        writer._max_bytes = 10 if number < IN_FILES else 2**20
        letters.append(writer.from_reading(reading, refusal, "read", "Refused"))
    writer, seal = letter_writer(settings, place.consumer, vault), sealer(settings)
    returned = []
    for number in range(CONSUMERS_LETTERS):
        value = _event(seal, e2e("99999004", NOW, rng))
        record = Record(
            TOPIC,
            0,
            number,
            0,
            b"k%d" % number,
            value,
            [("schema-version", b"%d" % SCHEMA_VERSION)],
        )
        letter = writer.from_record(
            record, topic_id, stage="write", reason="destination_rejected", message="m", error="R"
        )
        letters.append(letter)
        returned.append(letter.key.decode())
    with closing(place.client.outbox(f"pixstream/{place.producer}/0")) as outbox:
        outbox.begin()
        for letter in letters:
            outbox.send(DLQ, *letter)
        outbox.commit()
    assert len(list(letters_directory(settings).iterdir())) == IN_FILES
    return Written([letter.key.decode() for letter in letters], pix, returned)


def _event(seal: Sealer, end_to_end_id: str) -> bytes:
    draft = Draft(message="api_pix.pix", end_to_end_id=end_to_end_id, amount="1.00")
    return encode(seal.seal(draft, source="webhook", now=NOW))


def replay(place: Place, component: str, step: str = "never") -> subprocess.CompletedProcess[str]:
    command = ["dead-letters", "replay", "--from", component, "--why", "ticket 1"]
    command += ["--with", str(place.file.parent / "mend.py")]
    return subprocess.run(
        [sys.executable, "-c", MORTAL, step, "-c", str(place.file), *command],
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_replay_killed_at_every_step_sends_each_event_exactly_once(place: Place) -> None:
    written = write_letters(place)
    for step in STEPS:
        killed = replay(place, place.producer, step)
        assert killed.returncode == -signal.SIGKILL, (step, killed.stdout, killed.stderr)
    killed = replay(place, place.consumer, "committed:1")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    for component in (place.producer, place.consumer):
        done = replay(place, component)
        assert done.returncode == 0, (done.stdout, done.stderr)
    again = replay(place, place.producer)
    assert (again.returncode, again.stdout) == (0, "")
    assert f"{PRODUCERS_LETTERS}  replayed, skipped" in again.stderr

    keyed: Counter[str] = Counter()
    back: Counter[str] = Counter()
    for topic in EVENT_TOPICS.values():
        for record in place.client.scan(topic):
            headers = dict(record.headers)
            if REPLAY_OF in headers and headers[REPLAY_FOR] == place.consumer.encode():
                assert headers["schema-version"] == b"%d" % SCHEMA_VERSION
                back[headers[REPLAY_OF].decode()] += 1
            else:
                keyed[(record.key or b"").decode()] += 1
    mine = set(written.pix)
    assert {key: n for key, n in keyed.items() if key in mine} == dict.fromkeys(mine, 1)
    assert back == dict.fromkeys(written.returned, 1)
    marked = states(place.client)
    assert [marked.get(bytes.fromhex(x)) for x in written.letters] == [REPLAYED] * len(
        written.letters
    )


def test_a_replay_fences_one_that_is_under_way_and_together_they_are_exact(place: Place) -> None:
    """The first stands still in the middle of a transaction while the second does everything."""
    written = write_letters(place)
    stopping = MORTAL.replace("signal.SIGKILL", "signal.SIGSTOP")
    command = ["dead-letters", "replay", "--from", place.producer, "--why", "ticket 1"]
    command += ["--with", str(place.file.parent / "mend.py")]
    first = subprocess.Popen(
        [sys.executable, "-c", stopping, "sent:60", "-c", str(place.file), *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        _until_stopped(first)
        done = replay(place, place.producer)
        assert done.returncode == 0, (done.stdout, done.stderr)
        first.send_signal(signal.SIGCONT)
        out, err = first.communicate()
    finally:
        first.kill()
        first.wait()
    assert first.returncode == 1, (out, err)
    assert "another process took over" in err
    assert "not reached" in out
    sent: Counter[str] = Counter()
    for topic in EVENT_TOPICS.values():
        sent.update((record.key or b"").decode() for record in place.client.scan(topic))
    mine = set(written.pix)
    assert {key: n for key, n in sent.items() if key in mine} == dict.fromkeys(mine, 1)


def _until_stopped(process: subprocess.Popen[str]) -> None:
    import psutil

    watched = psutil.Process(process.pid)
    wait_for(
        lambda: watched.status() == psutil.STATUS_STOPPED, alive=lambda: process.poll() is None
    )
