"""`pixstream topics` and `pixstream lag`, against a real broker."""

from __future__ import annotations

import json
import secrets
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Literal

import msgspec
import pytest
from click.testing import CliRunner, Result

from pixstream import kafka
from pixstream.cli.lag import lag
from pixstream.cli.root import Root
from pixstream.cli.topics import topics
from pixstream.config.settings import Settings
from pixstream.errors import KafkaError
from pixstream.event.categories import Category
from pixstream.kafka.ports import Listener, TopicSpec
from pixstream.kafka.settings import KafkaSettings, Sasl
from pixstream.kafka.topics.declared import TopicSettings
from pixstream.plugins.consumer import Consumer
from pixstream.plugins.producer import Producer
from pixstream.testing.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import click

    from pixstream.kafka.ports import Admin, Client

Library = Literal["confluent", "kafka-python"]
EVENTS = ["pix.pagamentos", "pix.recebimentos", "pix.estornos"]
FIXED = [*EVENTS, "pix.dlq", "pix.positions", "pix.dlq.state"]


class Fixed(Root):
    """A root command whose configuration is already loaded."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(Path("kafka_config.yaml"), None, ())
        self.settings = settings

    def load(self) -> Settings:
        return self.settings

    def client(self, settings: Settings) -> Client:
        return kafka.connect(settings.kafka)


def settings_for(address: str | None, library: Library = "confluent") -> Settings:
    return Settings(
        kafka=KafkaSettings(bootstrap_servers=address, client=library),
        producers={"webhook": Producer(type="webhook")},
        consumers={"lake": Consumer(type="lake"), "off": Consumer(type="off", enabled=False)},
    )


def call(command: click.Command, settings: Settings, *arguments: str) -> Result:
    result = CliRunner().invoke(command, arguments, obj=Fixed(settings))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def address(secure_broker: Mapping[str, str]) -> Iterator[str]:
    """A broker (for a super user) that holds no pix.* topic, and none of this test's after it."""
    address = secure_broker["PLAINTEXT"]
    remove_own_topics(address)
    yield address
    remove_own_topics(address)


def remove_own_topics(address: str) -> None:
    with closing(kafka.connect(KafkaSettings(bootstrap_servers=address)).admin()) as admin:
        for name in admin.topics():
            if name.startswith("pix."):
                admin.delete(name)
        wait_for(lambda: not [name for name in admin.topics() if name.startswith("pix.")])


def until_nothing_is_planned(settings: Settings) -> None:
    """A broker learns of new topic settings a moment after Kafka's controller has taken them."""
    wait_for(lambda: call(topics, settings, "plan").output == "no changes\n")


def admin_of(address: str) -> Admin:
    return kafka.connect(KafkaSettings(bootstrap_servers=address)).admin()


@pytest.mark.broker
@pytest.mark.parametrize("library", ["confluent", "kafka-python"])
def test_applying_creates_what_is_declared_and_a_second_time_changes_nothing(
    address: str, library: Library
) -> None:
    settings = settings_for(address, library)
    settings.topics["pix.pagamentos"] = TopicSettings(
        partitions=2, retention="12h", config={"min.cleanable.dirty.ratio": "0.50"}
    )
    planned = call(topics, settings, "plan")
    assert planned.exit_code == 0
    assert [line.split()[:3] for line in planned.output.splitlines()] == [
        ["+", "create", name] for name in FIXED
    ]
    with closing(admin_of(address)) as admin:
        assert not set(FIXED) & set(admin.topics())
        assert call(topics, settings, "apply").output == planned.output
        held = admin.topics()
    assert held["pix.pagamentos"].partitions == 2
    assert held["pix.pagamentos"].config["retention.ms"] == "43200000"
    assert held["pix.dlq"].config["retention.ms"] == "-1"
    assert held["pix.dlq"].config["max.message.bytes"] == "16777216"
    assert held["pix.positions"].config["cleanup.policy"] == "compact"
    again = call(topics, settings, "apply")
    assert (again.exit_code, again.output) == (0, "no changes\n")


@pytest.mark.broker
@pytest.mark.parametrize("library", ["confluent", "kafka-python"])
def test_settings_are_changed_once_also_to_values_that_are_the_brokers_defaults(
    address: str, library: Library
) -> None:
    settings = settings_for(address, library)
    with closing(admin_of(address)) as admin:
        admin.create(TopicSpec("pix.estornos", 3, 1, {"segment.ms": "1000"}))
    call(topics, settings, "apply")
    until_nothing_is_planned(settings)
    settings.topics["pix.estornos"] = TopicSettings(retention="1d", compression="zstd")
    changed = call(topics, settings, "apply")
    assert changed.output == (
        "~ pix.estornos compression.type producer -> zstd, retention.ms 604800000 -> 86400000\n"
    )
    until_nothing_is_planned(settings)
    assert call(topics, settings, "apply").output == "no changes\n"
    with closing(admin_of(address)) as admin:
        assert admin.topics()["pix.estornos"].config["segment.ms"] == "1000"


@pytest.mark.broker
def test_partitions_never_shrink_and_the_rest_is_applied_all_the_same(address: str) -> None:
    settings = settings_for(address)
    settings.topics["pix.estornos"] = TopicSettings(partitions=6)
    call(topics, settings, "apply")
    settings.topics["pix.estornos"] = TopicSettings(partitions=3, retention="1d")
    result = call(topics, settings, "apply")
    assert result.exit_code == 2
    done, refused = result.output.splitlines()
    assert done == "~ pix.estornos retention.ms 604800000 -> 86400000"
    assert refused.startswith("! pix.estornos partitions 6 -> 3 refused: Kafka cannot remove")
    assert call(topics, settings, "plan").exit_code == 2


@pytest.mark.broker
def test_partitions_grow_only_once_every_consumer_has_read_all(address: str) -> None:
    settings = settings_for(address)
    name = f"lake-{secrets.token_hex(4)}"
    settings.consumers["lake"].enabled = False
    settings.consumers[name] = Consumer(type=name, categories=["estornos"])
    call(topics, settings, "apply")
    client = kafka.connect(settings.kafka)
    with closing(client.outbox(f"pixstream/{name}/0")) as outbox:
        outbox.begin()
        outbox.send("pix.estornos", b"key", b"{}", [])
        outbox.commit()
    settings.topics["pix.estornos"] = TopicSettings(partitions=4)
    settings.topics["pix.pagamentos"] = TopicSettings(partitions=4)
    refused = call(topics, settings, "apply")
    assert refused.exit_code == 2
    assert refused.output.splitlines()[0] == "~ pix.pagamentos partitions 3 -> 4"
    assert f"pixstream.{name} has 2 records to read" in refused.output

    drain(client, name)
    grown = call(topics, settings, "apply")
    assert (grown.exit_code, grown.output) == (0, "~ pix.estornos partitions 3 -> 4\n")
    assert call(topics, settings, "apply").output == "no changes\n"
    report = json.loads(call(lag, settings, "--format", "json").output)
    assert report["groups"] == {f"pixstream.{name}": 0}


def drain(client: Client, name: str) -> None:
    """Read pix.estornos to its end as this consumer, and commit."""
    listener = Listener(
        lambda partitions, committed: {p: committed.get(p, 0) for p in partitions},
        lambda _: None,
    )
    group, names = f"pixstream.{name}", ["pix.estornos"]
    with (
        closing(client.admin()) as admin,
        closing(client.inbox(group=group, topics=names, member="0", listener=listener)) as inbox,
    ):
        end = admin.end_offsets(names)

        def at_the_end() -> bool:
            inbox.poll(10, 0.1)
            return inbox.positions() == end

        wait_for(at_the_end)
        inbox.commit(inbox.positions())


@pytest.mark.broker
def test_an_undeclared_topic_goes_only_when_deleting_is_allowed(address: str) -> None:
    settings = settings_for(address)
    other = f"other-{secrets.token_hex(4)}"
    call(topics, settings, "apply")
    with closing(admin_of(address)) as admin:
        admin.create(TopicSpec("pix.old", 1, 1, {}))
        admin.create(TopicSpec(other, 1, 1, {}))
        kept = call(topics, settings, "apply")
        assert kept.exit_code == 0
        assert kept.output.splitlines() == [
            "= pix.old is not declared and stays (--allow-delete deletes it and its records)",
            "no changes",
        ]
        assert "pix.old" in admin.topics()
        gone = call(topics, settings, "apply", "--allow-delete")
        assert gone.output == "- delete pix.old (not declared)\n"
        wait_for(lambda: "pix.old" not in admin.topics())
        assert other in admin.topics()
        admin.delete(other)


@pytest.mark.broker
def test_topics_are_listed_with_what_is_missing_and_what_nobody_declared(address: str) -> None:
    settings = settings_for(address)
    with closing(admin_of(address)) as admin:
        admin.create(TopicSpec("pix.old", 2, 1, {"retention.ms": "5000"}))
    table = call(topics, settings, "list").output.splitlines()
    assert table[0].split() == ["topic", "partitions", "replication", "declared", "settings"]
    assert "pixstream topics apply" in table[1]
    assert table[-1].split() == ["pix.old", "2", "1", "no", "retention.ms=5000"]
    listed = {
        row["name"]: row
        for row in json.loads(call(topics, settings, "list", "--format", "json").output)
    }
    assert listed.keys() == {*FIXED, "pix.old"}
    assert listed["pix.dlq"] == {"name": "pix.dlq", "declared": True, "state": None}
    assert listed["pix.old"]["state"]["partitions"] == 2


@pytest.mark.broker
def test_without_the_right_to_create_the_first_topic_says_so(
    address: str, secure_broker: Mapping[str, str]
) -> None:
    settings = settings_for(address)
    settings.kafka = msgspec.structs.replace(
        settings.kafka,
        bootstrap_servers=secure_broker["SASL_PLAINTEXT"],
        security_protocol="SASL_PLAINTEXT",
        sasl=Sasl(
            mechanism="PLAIN",
            username=secure_broker["username"],
            password=secure_broker["password"],
        ),
    )
    with pytest.raises(KafkaError) as caught:
        call(topics, settings, "apply")
    assert str(caught.value).startswith("Failed: + create pix.pagamentos (3 partitions")
    assert f"Changes made before, which stay: 0 of {len(FIXED)}." in str(caught.value)
    assert secure_broker["password"] not in str(caught.value)


@pytest.mark.broker
def test_the_lag_is_shown_per_partition_and_in_sum(address: str) -> None:
    settings = settings_for(address)
    call(topics, settings, "apply")
    with closing(kafka.connect(settings.kafka).outbox("pixstream/test/0")) as outbox:
        outbox.begin()
        outbox.send("pix.dlq", b"key", b"{}", [])
        outbox.send("pix.estornos", b"key", b"{}", [])
        outbox.commit()
    rows = [line.split() for line in call(lag, settings).output.splitlines()]
    assert rows[0] == ["group", "topic", "partition", "committed", "end", "lag", "note"]
    assert {row[0] for row in rows[1:]} == {"pixstream.lake"}
    assert len(rows) == 1 + 9 + 1
    assert rows[-1] == ["pixstream.lake", "all", "2"]
    report = json.loads(call(lag, settings, "--format", "json").output)
    assert report["total"] == 2
    (behind,) = [p for p in report["partitions"] if p["lag"]]
    assert (behind["topic"], behind["committed"], behind["alarm"]) == ("pix.estornos", None, None)


@pytest.mark.broker
def test_watching_looks_again_until_it_is_interrupted(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_for(address)
    call(topics, settings, "apply")
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            raise KeyboardInterrupt

    # The module's own view of `time` only: the client's threads go on sleeping as ever.
    monkeypatch.setattr("pixstream.cli.watching.time", SimpleNamespace(sleep=sleep))
    result = call(lag, settings, "--watch", "--interval", "0.5", "--format", "json")
    assert result.exit_code == 0
    assert pauses == [0.5] * 3
    assert [json.loads(line)["total"] for line in result.output.split()] == [0, 0, 0]


def test_acls_are_printed_as_table_commands_and_json_without_a_broker() -> None:
    settings = settings_for(None)
    table = [line.split() for line in call(topics, settings, "acls").output.splitlines()]
    assert table[0] == ["principal", "operation", "resource", "name", "pattern"]
    assert {row[0] for row in table[1:]} == {
        *("User:webhook", "User:lake", "User:off", "User:operator")
    }
    arguments = ("acls", "lake", "--principal", "User:CN={component}", "--format")
    commands = call(topics, settings, *arguments, "commands").output.splitlines()
    assert all("--allow-principal User:CN=lake --operation" in line for line in commands)
    acls = json.loads(call(topics, settings, *arguments, "json").output)
    assert len(acls) == len(commands) == 3 + len(Category)
    assert next(acl for acl in acls if acl["resource"] == "group") == {
        "principal": "User:CN=lake",
        "operation": "Read",
        "resource": "group",
        "name": "pixstream.lake",
        "pattern": "literal",
    }


def test_acls_of_a_component_that_is_not_configured_are_a_usage_error() -> None:
    result = call(topics, settings_for(None), "acls", "lak")
    assert result.exit_code == 2
    assert "unknown component lak; configured: webhook, lake, off, operator" in result.output
