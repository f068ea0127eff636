"""What the storm's processor made of the topics of events, counted."""

from pathlib import Path

import pytest

from pixstream.dead_letters import LetterWriter
from pixstream.kafka.memory import MemoryKafka
from pixstream.kafka.names import DLQ, EVENT_TOPICS
from pixstream.kafka.ports import Record
from pixstream.kafka.topics.declared import TopicSettings, declared
from pixstream.kafka.transactions import Writer
from pixstream.lab.chaos.tally import TOPIC, Tallied
from pixstream.privacy import Vault

IN = EVENT_TOPICS["estornos"]
VAULT = Vault(bytes(range(32)), "k1")


class World:
    """Three events in one partition, at 0, 1 and 2."""

    def __init__(self) -> None:
        self.kafka = MemoryKafka()
        for spec in declared({IN: TopicSettings(partitions=1)}, {TOPIC: TopicSettings()}):
            self.kafka.client().admin().create(spec)
        self._writer = Writer(self.kafka.client(), "w")
        with self._writer.transaction() as transaction:
            for _ in range(3):
                transaction.send(IN, b"k", b"event", ())

    def output(self, offset: int, number: int) -> None:
        with self._writer.transaction() as transaction:
            transaction.send(TOPIC, f"{IN}/0/{offset}".encode(), b"%d" % number, ())

    def letter(self, offset: int, component: str = "tally") -> None:
        record = Record(IN, 0, offset, 0, None, b"event", ())
        letter = LetterWriter(component, VAULT, 2**20, Path("unused")).from_record(
            record, "id", stage="decode", reason="undecodable_event", message="m", error="e"
        )
        with self._writer.transaction() as transaction:
            transaction.send(DLQ, *letter)

    def counts(self) -> tuple[int, int, int]:
        found = Tallied(self.kafka.client(), "tally")
        return found.lost, found.duplicates, found.unknown


@pytest.fixture
def world() -> World:
    made = World()
    made.output(0, 1)
    made.output(1, 2)
    return made


def test_outputs_and_letters_of_every_record_are_nothing_to_report(world: World) -> None:
    world.letter(2)
    world.letter(2, "delta_lake")
    assert world.counts() == (0, 0, 0)


def test_a_record_without_output_or_letter_is_lost(world: World) -> None:
    assert world.counts() == (1, 0, 0)


def test_a_second_output_is_a_duplicate(world: World) -> None:
    world.output(2, 3)
    world.output(1, 4)
    assert world.counts() == (0, 1, 0)


def test_a_letter_beside_an_output_is_a_duplicate(world: World) -> None:
    world.output(2, 3)
    world.letter(2)
    assert world.counts() == (0, 1, 0)


def test_a_number_that_is_given_twice_is_a_state_that_was_forgotten(world: World) -> None:
    world.output(2, 1)
    assert world.counts() == (0, 1, 0)


def test_an_output_of_no_record_is_unknown(world: World) -> None:
    world.output(2, 3)
    world.output(17, 4)
    assert world.counts() == (0, 0, 1)
