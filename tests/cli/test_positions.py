"""`pixstream positions`: what producers have committed, and nothing personal."""

import json
from contextlib import closing
from pathlib import Path
from random import Random

import click
import pytest
from click.testing import CliRunner

from pixstream.cli.positions import positions
from pixstream.cli.root import Root
from pixstream.config.settings import Settings
from pixstream.event.identifiers import generate_cpf
from pixstream.kafka.memory import MemoryKafka
from pixstream.kafka.names import POSITIONS
from pixstream.kafka.ports import Client
from pixstream.kafka.topics.declared import declared
from pixstream.loops.positions import to_record
from pixstream.privacy import PrivacySettings, keys
from pixstream.producers.webhook.producer import Webhook

CPF = generate_cpf(Random(7))


class Bench(Root):
    """A configuration with two producers, and a Kafka of its own."""

    def __init__(self) -> None:
        super().__init__(Path("kafka_config.yaml"), None, ())
        self.kafka = MemoryKafka()
        self.settings = Settings(
            privacy=PrivacySettings(pseudonym_key="a" * 64, encryption_key="b" * 64),
            producers={name: Webhook(type="webhook") for name in ("hook", "hook_2")},
        )
        for spec in declared({}):
            self.kafka.client().admin().create(spec)

    def load(self) -> Settings:
        return self.settings

    def client(self, settings: Settings) -> Client:
        del settings
        return self.kafka.client()

    def put(self, producer: str, stream: str, position: str) -> None:
        vault = keys(self.settings.privacy)[1]
        with closing(self.kafka.client().outbox("writer")) as outbox:
            outbox.begin()
            outbox.send(POSITIONS, *to_record(producer, stream, position, vault), ())
            outbox.commit()

    def __call__(self, *words: str) -> str:
        result = CliRunner().invoke(positions, words, obj=self, standalone_mode=False)
        if result.exception is not None:
            raise result.exception
        return result.stdout


@pytest.fixture
def bench() -> Bench:
    found = Bench()
    found.put("hook", "b", "2")
    found.put("hook", "a", '{"offset":17}')
    found.put("hook_2", "c", "3")
    return found


def test_each_producer_is_shown_with_its_own_streams_in_order(bench: Bench) -> None:
    rows = [line.split() for line in bench().splitlines()]
    assert rows == [
        ["producer", "stream", "position"],
        ["hook", "a", '{"offset":17}'],
        ["hook", "b", "2"],
        ["hook_2", "c", "3"],
    ]


def test_one_producer_for_programs(bench: Bench) -> None:
    expected = [{"producer": "hook_2", "stream": "c", "position": "3"}]
    assert json.loads(bench("hook_2", "--format", "json")) == expected


def test_a_document_in_a_position_is_sealed_in_kafka_and_masked_here(bench: Bench) -> None:
    bench.put("hook_2", "d", f"receipt-{CPF}.xml")
    assert "receipt-" in bench("hook_2")
    assert CPF not in bench("hook_2")


def test_an_unknown_producer_is_named_with_those_that_there_are(bench: Bench) -> None:
    with pytest.raises(
        click.BadParameter, match=r"unknown producer bank; configured: hook, hook_2"
    ):
        bench("bank")
