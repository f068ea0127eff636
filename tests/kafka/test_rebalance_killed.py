"""A member is killed in the middle of a rebalance and comes back: no partition is left unread."""

import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from pixstream import kafka
from pixstream.kafka.ports import TopicSpec
from pixstream.kafka.settings import KafkaSettings
from pixstream.testing.waiting import wait_for

pytestmark = pytest.mark.broker

PARTITIONS = set(range(4))

MEMBER = """
import os, signal, sys
from pathlib import Path
from pixstream import kafka
from pixstream.kafka.ports import Listener
from pixstream.kafka.settings import KafkaSettings

library, address, topic, name, dies, told = sys.argv[1:]
mine = set()

def tell():
    draft = Path(told + ".part")
    draft.write_text(" ".join(map(str, sorted(mine))))
    draft.replace(told)

def assigned(partitions, committed):
    mine.update(p.partition for p in partitions)
    tell()
    return {p: 0 for p in partitions}

def revoked(partitions):
    if dies == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    mine.difference_update(p.partition for p in partitions)
    tell()

settings = KafkaSettings(client=library, bootstrap_servers=address, session_timeout_ms=20_000)
inbox = kafka.connect(settings).inbox(
    group=topic, topics=[topic], member=name, listener=Listener(assigned, revoked)
)
while True:
    inbox.poll(10, 0.1)
"""


class Members:
    """Processes that each tell in a file which partitions they have."""

    def __init__(self, library: str, address: str, topic: str, directory: Path) -> None:
        self._arguments = (library, address, topic)
        self._directory = directory

    @contextmanager
    def member(self, name: str, *, dies: bool = False) -> Iterator["subprocess.Popen[bytes]"]:
        told = self._directory / name
        told.unlink(missing_ok=True)
        command = [sys.executable, "-c", MEMBER, *self._arguments, name]
        process = subprocess.Popen([*command, "dies" if dies else "lives", str(told)])
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def have(self) -> Mapping[str, set[int]]:
        found = {}
        for file in self._directory.iterdir():
            if not file.suffix:
                found[file.name] = set(map(int, file.read_text().split()))
        return found

    def wait(self, wanted: set[str]) -> None:
        """Wait until these members have every partition, each at least one."""

        def dealt_out() -> bool:
            have = self.have()
            dealt = sorted(partition for some in have.values() for partition in some)
            return have.keys() == wanted and all(have.values()) and dealt == sorted(PARTITIONS)

        wait_for(dealt_out, lambda: f"partitions are dealt out: {self.have()}", every=0.1)


@pytest.mark.parametrize("library", ["confluent", "kafka-python"])
def test_a_member_killed_between_giving_up_and_joining_again_leaves_no_partition_unread(
    broker: str, tmp_path: Path, library: str
) -> None:
    topic = f"rebalance-{uuid.uuid4()}"
    admin = kafka.connect(KafkaSettings(bootstrap_servers=broker)).admin()
    admin.create(TopicSpec(topic, len(PARTITIONS), 1, {}))
    admin.close()
    members = Members(library, broker, topic, tmp_path)
    with ExitStack() as running:
        first = running.enter_context(members.member("first", dies=True))
        members.wait({"first"})
        running.enter_context(members.member("second"))
        first.wait()
        running.enter_context(members.member("first"))
        members.wait({"first", "second"})
