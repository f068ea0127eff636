"""`kafka.topic_prefix`: other names in Kafka, and pixstream's own everywhere else."""

import uuid
from collections.abc import Collection, Mapping
from contextlib import closing
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from pixstream import kafka
from pixstream.cli.root import Root
from pixstream.cli.topics import topics
from pixstream.config import load
from pixstream.errors import ConfigError
from pixstream.kafka.lag import lag
from pixstream.kafka.memory import MemoryKafka
from pixstream.kafka.names import DLQ, EVENT_TOPICS, group_id
from pixstream.kafka.ports import Listener, TopicIdPartition, TopicPartition, TopicSpec
from pixstream.kafka.prefixed import PrefixedClient
from pixstream.kafka.settings import KafkaSettings
from pixstream.testing.waiting import wait_for

TOPIC = EVENT_TOPICS["pagamentos"]


@pytest.mark.broker
@pytest.mark.parametrize("library", ["confluent", "kafka-python"])
def test_topics_groups_and_transactions_have_the_prefix_in_kafka_alone(
    library: str, broker: str
) -> None:
    prefix = f"t{uuid.uuid4().hex[:8]}."
    settings = KafkaSettings(client=library, bootstrap_servers=broker)  # type: ignore[arg-type]
    prefixed = KafkaSettings(
        client=library,  # type: ignore[arg-type]
        bootstrap_servers=broker,
        topic_prefix=prefix,
    )
    ours, bare = kafka.connect(prefixed), kafka.connect(settings)
    group = group_id("lake")
    with closing(ours.admin()) as admin, closing(bare.admin()) as outside:
        admin.create(TopicSpec(TOPIC, 1, 1, {"retention.ms": "1000000"}))
        wait_for(lambda: f"{prefix}{TOPIC}" in outside.topics())
        assert list(wait_for(admin.topics)) == [TOPIC]
        with closing(ours.outbox("writer/0")) as outbox:
            outbox.begin()
            outbox.send(TOPIC, b"key", b"value", [])
            outbox.commit()
        assert [record.topic for record in ours.scan(TOPIC)] == [TOPIC]
        assert [record.topic for record in bare.scan(f"{prefix}{TOPIC}")] == [f"{prefix}{TOPIC}"]
        seen: list[TopicIdPartition] = []

        def assigned(
            new: Collection[TopicIdPartition], committed: Mapping[TopicIdPartition, int]
        ) -> Mapping[TopicIdPartition, int]:
            del committed
            seen.extend(new)
            return dict.fromkeys(new, 0)

        listener = Listener(assigned, lambda _: None)
        inbox = ours.inbox(group=group, topics=[TOPIC], member="one", listener=listener)
        with closing(inbox):
            (record,) = wait_for(lambda: inbox.poll(10, 0.2))
            assert (record.topic, record.value) == (TOPIC, b"value")
            assert [(p.topic, p.partition) for p in seen] == [(TOPIC, 0)]
            inbox.commit(inbox.positions())
        assert admin.group_offsets(group).keys() == {TopicPartition(TOPIC, 0)}
        assert outside.group_offsets(f"{prefix}{group}").keys() == {
            TopicPartition(f"{prefix}{TOPIC}", 0)
        }
        assert [(p.topic, p.lag) for p in lag(admin, {group: [TOPIC]})] == [(TOPIC, 0)]
        admin.delete(TOPIC)


def test_topics_without_the_prefix_do_not_exist_for_it() -> None:
    memory = MemoryKafka()
    memory.client().admin().create(TopicSpec(TOPIC, 1, 1, {}))
    memory.client().admin().create(TopicSpec(f"acme.{DLQ}", 1, 1, {}))
    ours = PrefixedClient(memory.client(), "acme.")
    assert {name: state.name for name, state in ours.admin().topics().items()} == {DLQ: DLQ}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "kafka_config.yaml"
    path.write_text(
        yaml.safe_dump(
            {
                "kafka": {"topic_prefix": "acme.", "bootstrap_servers": "nowhere:1"},
                "topics": {TOPIC: {"partitions": 6}},
                "producers": {"webhook": {}},
                "consumers": {"console": {}},
            }
        )
    )
    return path


def run(file: Path, *arguments: str) -> str:
    result = CliRunner().invoke(topics, arguments, obj=Root(file, None, ()))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.stdout


def test_the_commands_on_topics_and_the_acls_use_the_names_in_kafka(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = MemoryKafka()
    monkeypatch.setattr(
        "pixstream.runtime.connect",
        lambda settings: PrefixedClient(memory.client(), settings.topic_prefix),
    )
    assert "names in Kafka begin with acme." in run(file, "plan")
    run(file, "apply")
    states = memory.client().admin().topics()
    assert all(name.startswith("acme.pix.") for name in states)
    assert states[f"acme.{TOPIC}"].partitions == 6
    assert "no changes" in run(file, "plan")
    assert "acme." in run(file, "list").splitlines()[0]
    rights = [line.split() for line in run(file, "acls").splitlines()[1:]]
    assert all(words[3].startswith("acme.") for words in rights)
    assert {words[2] for words in rights} == {"topic", "group", "transactional-id"}


@pytest.mark.parametrize("prefix", ["a b.", ".acme", "acme/", "x" * 101])
def test_a_prefix_that_kafka_would_refuse_is_refused(file: Path, prefix: str) -> None:
    with pytest.raises(ConfigError, match=r"kafka\.topic_prefix"):
        load(file, overrides=[f"kafka.topic_prefix={prefix}"])
