"""Rights: what each component gets, and a real broker that enforces exactly that."""

from __future__ import annotations

import secrets
import shlex
from contextlib import closing
from typing import TYPE_CHECKING, Any, Literal

import pytest

from pixstream import kafka
from pixstream.backoff import BackoffSettings
from pixstream.dead_letters.replay_transaction import ReplayTransaction
from pixstream.dead_letters.state import REPLAYED, states
from pixstream.errors import KafkaError
from pixstream.event.record import EventRecord
from pixstream.kafka.lag import lag, patiently
from pixstream.kafka.names import (
    DEAD_LETTERS,
    DLQ,
    DLQ_STATE,
    EVENT_TOPICS,
    POSITIONS,
    changelog,
    group_id,
    principal,
    transactional_id,
)
from pixstream.kafka.ports import Listener, TopicPartition, TopicSpec
from pixstream.kafka.settings import KafkaSettings
from pixstream.kafka.topics.acls import (
    Acl,
    commands,
    for_consumer,
    for_operator,
    for_processor,
    for_producer,
)
from pixstream.kafka.transactions import Writer
from pixstream.testing.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pixstream.kafka.ports import Admin, Client, TopicIdPartition
    from tests.conftest import Rights

Library = Literal["confluent", "kafka-python"]

WHO = "User:webhook"


def allowed(acls: Iterable[Acl], resource: str) -> set[tuple[str, str]]:
    return {(acl.operation, acl.name) for acl in acls if acl.resource == resource}


def test_a_producer_writes_events_letters_and_positions_and_reads_only_positions() -> None:
    acls = for_producer(WHO, "webhook")
    topics = allowed(acls, "topic")
    written = {"pix.pagamentos", "pix.recebimentos", "pix.estornos", "pix.dlq", "pix.positions"}
    assert {name for operation, name in topics if operation == "Write"} == written
    assert {name for operation, name in topics if operation == "Read"} == {"pix.positions"}
    assert allowed(acls, "group") == set()


def test_a_consumer_reads_its_topics_and_writes_only_letters() -> None:
    acls = for_consumer("User:lake", "lake", ["pix.estornos"])
    topics = allowed(acls, "topic")
    assert {name for operation, name in topics if operation == "Write"} == {"pix.dlq"}
    assert {name for operation, name in topics if operation == "Read"} == {"pix.estornos"}
    assert allowed(acls, "group") == {("Read", "pixstream.lake")}


def test_only_an_operator_creates_alters_and_deletes() -> None:
    dangerous = {"Create", "Alter", "AlterConfigs", "Delete"}
    components = [*for_producer(WHO, "webhook"), *for_consumer(WHO, "webhook", ["pix.estornos"])]
    assert not dangerous & {acl.operation for acl in components}
    acls = for_operator("User:operator", ["pix.dlq", "scores"])
    assert dangerous <= {acl.operation for acl in acls}
    assert {acl.name for acl in acls if acl.operation == "Create"} == {"pix.", "scores"}


def test_an_operator_reads_letters_and_writes_events_and_marks_in_transactions_of_its_own() -> None:
    acls = for_operator("User:operator", [])
    topics = allowed(acls, "topic")
    assert {name for operation, name in topics if operation == "Read"} == {
        DLQ,
        DLQ_STATE,
        *EVENT_TOPICS.values(),
    }
    written = {name for operation, name in topics if operation == "Write"}
    assert written == {*EVENT_TOPICS.values(), DLQ_STATE}
    (own,) = {acl.name for acl in acls if acl.resource == "transactional-id"}
    assert own == DEAD_LETTERS
    for component in ("dead-letters", "0"):
        (prefix,) = {a.name for a in for_producer(WHO, component) if a.pattern == "prefixed"}
        assert not own.startswith(prefix)


def test_transactions_are_allowed_for_every_replica_of_the_component_and_no_other() -> None:
    for acls in (for_producer(WHO, "webhook"), for_consumer(WHO, "webhook", [])):
        (name,) = {acl.name for acl in acls if acl.resource == "transactional-id"}
        assert {acl.pattern for acl in acls if acl.name == name} == {"prefixed"}
        assert transactional_id("webhook", 12).startswith(name)
        assert not transactional_id("webhook2", 12).startswith(name)


def test_a_principal_follows_its_template() -> None:
    assert principal("webhook") == "User:webhook"
    assert principal("webhook", "User:CN={component},O={x}") == "User:CN=webhook,O={x}"


def test_a_command_line_gives_all_rights_on_one_resource() -> None:
    acls = for_consumer("User:CN=lake, O=bank", "lake", ["pix.estornos"])
    lines = [shlex.split(line) for line in commands(acls, "kafka:9092")]
    assert lines[0] == [
        *("kafka-acls.sh", "--bootstrap-server", "kafka:9092", "--add"),
        *("--allow-principal", "User:CN=lake, O=bank"),
        *("--operation", "Read"),
        *("--topic", "pix.estornos", "--resource-pattern-type", "literal"),
    ]
    assert [line[-4:-2] for line in lines[1:]] == [
        ["--group", "pixstream.lake"],
        ["--topic", "pix.dlq"],
        ["--transactional-id", "pixstream/lake/"],
    ]


def produce(client: Client, component: str) -> None:
    """What a producer does: one transaction over all its topics, and its positions read back."""
    key = f"{component}/stream".encode()
    with closing(client.outbox(transactional_id(component, 0))) as outbox:
        outbox.begin()
        for topic in (*EVENT_TOPICS.values(), DLQ, POSITIONS):
            outbox.send(topic, key, b"{}", [])
        outbox.commit()
    assert client.load(POSITIONS, f"{component}/") == {key.decode(): b"{}"}


def consume(client: Client, component: str, topic: str) -> None:
    """What a consumer does: read its topic to the end, write a letter, commit to its group."""
    listener = Listener(
        lambda partitions, committed: {p: committed.get(p, 0) for p in partitions}, lambda _: None
    )
    with closing(client.admin()) as admin:
        assert admin.cluster_id()
        assert all(p.topic_id for p in admin.beginning_offsets([topic]))
        end = dict(admin.end_offsets([topic]))
    with (
        closing(client.outbox(transactional_id(component, 0))) as outbox,
        closing(
            client.inbox(group=group_id(component), topics=[topic], member="0", listener=listener)
        ) as inbox,
    ):

        def positions() -> Mapping[TopicIdPartition, int]:
            inbox.poll(100, 0.1)
            return inbox.positions()

        wait_for(lambda: positions() == end, inbox.positions)
        outbox.begin()
        outbox.send(DLQ, b"letter", b"sealed", [])
        outbox.commit()
        inbox.commit(inbox.positions())


def process(client: Client, component: str, topic: str, out: str) -> None:
    """What a processor does: its state restored, a batch with all that belongs to it in one go."""
    listener = Listener(
        lambda partitions, committed: {p: committed.get(p, 0) for p in partitions}, lambda _: None
    )
    state = changelog(component)
    with (
        closing(Writer(client, transactional_id(component, 0))) as writer,
        closing(
            client.inbox(group=group_id(component), topics=[topic], member="0", listener=listener)
        ) as inbox,
    ):
        writer.open()
        wait_for(lambda: inbox.poll(100, 0.1) or inbox.positions())
        list(client.scan(state))
        with writer.transaction() as transaction:
            for written in (out, state, DLQ):
                transaction.send(written, b"key", b"{}", [])
            transaction.send_offsets(inbox.positions(), inbox.membership())


@pytest.fixture
def outputs(super_admin: Admin) -> Iterator[tuple[str, str]]:
    """A processor's name and the topic that it writes; its changelog is there as well."""
    name = f"part-{secrets.token_hex(4)}"
    topics = [f"pix.{name}", changelog(name)]
    for topic in topics:
        super_admin.create(TopicSpec(topic, 1, 1, {}))
    yield name, topics[0]
    for topic in topics:
        super_admin.delete(topic)


def rights_of(who: str, name: str, out: str) -> list[Acl]:
    return for_processor(who, name, ["pix.estornos"], writes=[out], state=changelog(name))


@pytest.mark.broker
@pytest.mark.parametrize("library", ["confluent", "kafka-python"])
def test_a_processor_s_rights_are_enough_to_work(
    rights: Any, outputs: tuple[str, str], library: Library
) -> None:
    name, out = outputs
    rights.are(rights_of(rights.user, name, out))
    process(rights.client(library), name, "pix.estornos", out)


@pytest.mark.broker
def test_a_processor_cannot_work_without_any_one_of_its_rights(
    rights: Any, outputs: tuple[str, str]
) -> None:
    name, out = outputs
    client, acls = rights.client("confluent"), rights_of(rights.user, name, out)
    assert len(acls) == 7
    for missing in acls:
        rights.are(acl for acl in acls if acl != missing)
        with pytest.raises((KafkaError, KeyError)):
            process(client, name, "pix.estornos", out)


@pytest.mark.broker
@pytest.mark.parametrize("library", ["confluent", "kafka-python"])
def test_the_given_rights_are_enough_to_work(rights: Rights, library: Library) -> None:
    name = f"part-{secrets.token_hex(4)}"
    client = rights.client(library)
    rights.are(for_producer(rights.user, name))
    produce(client, name)
    rights.are(for_consumer(rights.user, name, ["pix.estornos"]))
    consume(client, name, "pix.estornos")


@pytest.mark.broker
def test_a_producer_cannot_work_without_any_one_of_its_rights(rights: Rights) -> None:
    name = f"part-{secrets.token_hex(4)}"
    client, acls = rights.client("confluent"), for_producer(rights.user, name)
    for missing in acls:
        rights.are(acl for acl in acls if acl != missing)
        with pytest.raises(KafkaError):
            produce(client, name)


@pytest.mark.broker
def test_a_consumer_cannot_work_without_any_one_of_its_rights(rights: Rights) -> None:
    name = f"part-{secrets.token_hex(4)}"
    client, acls = rights.client("confluent"), for_consumer(rights.user, name, ["pix.estornos"])
    for missing in acls:
        rights.are(acl for acl in acls if acl != missing)
        with pytest.raises((KafkaError, KeyError)):
            consume(client, name, "pix.estornos")


@pytest.mark.broker
def test_an_operator_manages_topics_and_looks_at_lag_and_letters(rights: Rights) -> None:
    rights.are(for_operator(rights.user, []))
    client, topic = rights.client("confluent"), f"pix.{secrets.token_hex(4)}"
    with closing(client.admin()) as admin:
        admin.create(TopicSpec(topic, 1, 1, {"retention.ms": "5000"}))
        wait_for(lambda: topic in admin.topics())
        admin.configure(topic, {"retention.ms": "6000"})
        admin.add_partitions(topic, 2)
        wait_for(lambda: admin.topics()[topic].partitions == 2)
        assert admin.topics()[topic].config["retention.ms"] == "6000"
        assert [p.lag for p in lag(admin, {group_id("lake"): [topic]})] == [0, 0]
        admin.delete(topic)
        wait_for(lambda: topic not in admin.topics())
    assert list(client.scan(DLQ)) == []


@pytest.mark.broker
@pytest.mark.parametrize("library", ["confluent", "kafka-python"])
def test_an_operators_rights_are_enough_to_set_offsets(rights: Rights, library: Library) -> None:
    rights.are(for_operator(rights.user, []))
    group, place = group_id(f"lake-{library}"), TopicPartition("pix.estornos", 0)
    with closing(rights.client(library).admin()) as admin:
        assert list(patiently(lambda: admin.group_members(group))) == []
        admin.set_group_offsets(group, {place: 0})
        assert admin.group_offsets(group)[place] == 0


def replay(client: Client) -> None:
    """What a replay does: fence, read marks and letters, then events and a mark together."""
    letter_id = secrets.token_hex(16)
    retry = BackoffSettings(min_seconds=0.001, max_seconds=0.002)
    assert [record.key for record in client.scan(DLQ)] == [b"letter"]
    with closing(client.admin()) as admin:
        assert all(p.topic_id for p in admin.beginning_offsets(list(EVENT_TOPICS.values())))
    with ReplayTransaction(client, retry, who="ana", why="ticket 1") as desk:
        records = [EventRecord(topic, b"key", b"{}", []) for topic in EVENT_TOPICS.values()]
        desk.put(letter_id, REPLAYED, records)
        desk.flush()
    assert states(client)[bytes.fromhex(letter_id)] == REPLAYED


@pytest.fixture
def with_letter(rights: Rights, secure_broker: Mapping[str, str]) -> Any:
    """The same, with a record among the dead letters: an empty topic is read without a request."""
    super_user = kafka.connect(KafkaSettings(bootstrap_servers=secure_broker["PLAINTEXT"]))
    with closing(super_user.outbox("writer")) as outbox:
        outbox.begin()
        outbox.send(DLQ, b"letter", b"sealed", [])
        outbox.commit()
    return rights


@pytest.mark.broker
@pytest.mark.parametrize("library", ["confluent", "kafka-python"])
def test_an_operators_rights_are_enough_to_replay(with_letter: Any, library: Library) -> None:
    with_letter.are(for_operator(with_letter.user, []))
    replay(with_letter.client(library))


@pytest.mark.broker
def test_nobody_replays_without_any_one_of_the_rights_for_it(with_letter: Any) -> None:
    client, acls = with_letter.client("confluent"), for_operator(with_letter.user, [])
    replaying = {DLQ, DLQ_STATE, DEAD_LETTERS}
    for missing in [acl for acl in acls if acl.operation == "Write" or acl.name in replaying]:
        with_letter.are(acl for acl in acls if acl != missing)
        with pytest.raises(KafkaError):
            replay(client)
