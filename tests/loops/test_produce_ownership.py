"""One owner a stream, also while the number of replicas changes under living processes."""

import itertools
import logging
from collections import Counter
from random import Random
from typing import Any

import msgspec
import pytest

from pixstream.errors import FencedError, KafkaError, PixstreamError, Transient
from pixstream.event.identifiers import generate_cpf
from pixstream.kafka.names import POSITIONS, layout_id, transactional_id
from pixstream.loops import ownership
from pixstream.loops.ownership import Ownership
from pixstream.loops.positions import from_record, position_key, to_record
from pixstream.plugins.producer import Producer
from pixstream.privacy import Vault
from tests.loops.produce_world import VAULT

STREAMS = [f"account-{n}" for n in range(12)]


def fill(world: Any, rounds: int) -> None:
    for _, stream in itertools.product(range(rounds), STREAMS):
        world.source.append(stream)


def run_to_idle(world: Any, processes: list[Any]) -> None:
    for _, process in itertools.product(range(2), processes):
        world.run_until(process, "idle")


def into_a_transaction(world: Any, process: Any) -> None:
    """Let it send something; its positions come last, with an end that nobody could read past."""
    world.run_until(process, "send")
    if not process.ended:
        process.step()


def layout(world: Any) -> ownership.Layout | None:
    return ownership._load(world.kafka.client(), "scripted", VAULT).layout


def test_every_stream_has_one_owner_in_every_layout() -> None:
    for replicas in (1, 2, 3, 7):
        owners: Counter[str] = Counter()
        for replica in range(replicas):
            producer = Producer(type="any", replicas=replicas)
            producer.replica = replica
            owners.update(stream for stream in STREAMS if producer.owns(stream))
        assert owners == Counter(STREAMS)


def test_nothing_is_lost_or_doubled_when_replicas_change_from_1_to_3_to_2(world: Any) -> None:
    for replicas in (1, 3, 2):
        fill(world, 2)
        now = [world.start(replicas, replica) for replica in range(replicas)]
        run_to_idle(world, now)
        world.check()
        assert layout(world) == ownership.Layout(replicas)
        fill(world, 1)
        for process in now[:-1]:
            into_a_transaction(world, process)  # and it lives on
        former = now
    for process in former:
        world.run_until(process, "idle")
    world.settle(2)
    assert world.names() == world.source.all()


def test_an_owner_in_mid_transaction_is_fenced_by_the_start_of_another_layout(world: Any) -> None:
    fill(world, 1)
    old = [world.start(2, replica) for replica in range(2)]
    for process in old:
        into_a_transaction(world, process)
    new = [world.start(3, replica) for replica in range(3)]
    run_to_idle(world, new)
    world.check()
    assert world.names() == world.source.all()
    for process in old:
        world.run_until(process, "never")
        assert isinstance(process.error, FencedError)
        assert process.producer.heard == []
    world.check()


def test_a_process_of_the_former_layout_that_comes_back_takes_its_turn(world: Any) -> None:
    fill(world, 1)
    old = world.start(1, 0)
    run_to_idle(world, [old])
    new = world.start(2, 0)
    run_to_idle(world, [new])
    fill(world, 1)
    into_a_transaction(world, new)
    again = world.start(1, 0)
    run_to_idle(world, [again])
    assert layout(world) == ownership.Layout(1)
    world.run_until(new, "never")
    assert isinstance(new.error, FencedError)
    world.check()
    assert world.names() == world.source.all()


@pytest.mark.parametrize("steps", range(1, 24))
def test_whenever_the_former_layout_comes_back_during_a_change_only_one_goes_on(
    world: Any, steps: int
) -> None:
    fill(world, 1)
    run_to_idle(world, [world.start(1, 0)])
    fill(world, 1)
    changing = world.start(2, 0)
    for _ in range(steps):
        changing.step()
    back = world.start(1, 0)
    turns = Random(steps)
    for _ in range(200):
        turns.choice([back, changing]).step()
        world.check()
    world.settle(1)


@pytest.mark.parametrize("steps", range(1, 24))
def test_a_change_that_is_killed_at_any_step_is_finished_by_whoever_comes_next(
    world: Any, steps: int
) -> None:
    fill(world, 1)
    old = world.start(1, 0)
    into_a_transaction(world, old)
    changing = world.start(3, 1)
    for _ in range(steps):
        changing.step()
    changing.kill()
    world.expire(layout_id("scripted"))
    world.start(3, 2)
    run_to_idle(world, [world.processes[-1]])
    assert layout(world) == ownership.Layout(3)
    world.run_until(old, "never")
    assert isinstance(old.error, FencedError)
    world.check()


def test_of_two_who_change_the_layout_at_once_one_waits_and_then_goes_on(world: Any) -> None:
    fill(world, 1)
    first, second = world.start(2, 0), world.start(2, 1)
    for process in (first, second):
        world.run_until(process, "layout begin")
    run_to_idle(world, [first, second])
    assert world.names() == world.source.all()
    assert first.loop.counts["retries"] == 1
    assert not first.ended


def test_a_running_process_finds_at_its_next_look_that_others_took_over(world: Any) -> None:
    fill(world, 1)
    old = world.start(2, 0)
    run_to_idle(world, [old])
    Ownership(world.kafka.client(), "scripted", 3, VAULT).claim()
    world.source.transient = 1
    fill(world, 1)
    world.run_until(old, "never")
    assert isinstance(old.error, FencedError)
    assert "this one has replicas: 2" in str(old.error)


def test_an_unchanged_layout_costs_no_further_transaction(world: Any) -> None:
    client = world.kafka.client()
    Ownership(client, "scripted", 2, VAULT).claim()
    epochs = dict(world.kafka.epochs)
    assert Ownership(client, "scripted", 2, VAULT).claim() == {}
    assert world.kafka.epochs == epochs


def test_the_processes_of_version_0_1_are_fenced_by_the_first_start(world: Any) -> None:
    former = world.kafka.client().outbox(transactional_id("scripted", 0))
    former.begin()
    run_to_idle(world, [world.start(1, 0)])
    with pytest.raises(FencedError):
        former.commit()


def test_a_position_with_a_document_is_sealed_and_read_again() -> None:
    cpf = generate_cpf(Random(1))
    for position, clear in (
        ('{"offset":7,"log":"app.log"}', True),
        (f'{{"offset":7,"log":"{cpf[:3]}.{cpf[3:6]}.{cpf[6:9]}-{cpf[9:]}.log"}}', False),
        (f'{{"offset":{cpf}}}', True),
        (f'["a", {{"{cpf}": 1}}]', False),
        (f"after {cpf}", False),
        ("PXS1 is how a sealed one begins", False),
    ):
        key, value = to_record("logs", "s", position, VAULT)
        assert (value == position.encode()) is clear
        assert from_record(key, value, VAULT) == position
        if not clear:
            with pytest.raises(PixstreamError, match=r"logs/s: .* give the producer a new name"):
                from_record(key, value, Vault(bytes(32), "k1"))
    with pytest.raises(PixstreamError, match="rename the account or the directory") as raised:
        to_record("logs", f"spi/{cpf}", "1", VAULT)
    assert cpf not in str(raised.value)


def test_the_layout_is_no_stream_and_other_components_are_left_alone(world: Any) -> None:
    client = world.kafka.client()
    outbox = client.outbox("by hand")
    outbox.begin()
    for key in ("bank/", "bank/a", "bank/layout", "bank2", "bank2/b", "bank2"):
        outbox.send(POSITIONS, key.encode(), b"1", [])
    outbox.commit()
    assert Ownership(client, "bank", 1, VAULT).claim() == {"": "1", "a": "1", "layout": "1"}
    assert Ownership(client, "bank", 1, VAULT).positions() == {"": "1", "a": "1", "layout": "1"}
    assert position_key("bank", "") != b"bank"


def test_a_record_of_another_make_stops_with_advice(world: Any) -> None:
    outbox = world.kafka.client().outbox("by hand")
    outbox.begin()
    outbox.send(POSITIONS, b"scripted", b"[]", [])
    outbox.commit()
    with pytest.raises(KafkaError, match="not a layout that this version can read"):
        Ownership(world.kafka.client(), "scripted", 1, VAULT).claim()


def test_a_change_is_told_with_both_numbers(world: Any, caplog: pytest.LogCaptureFixture) -> None:
    client = world.kafka.client()
    with caplog.at_level(logging.WARNING):
        Ownership(client, "scripted", 2, VAULT).claim()
        assert caplog.text == ""
        Ownership(client, "scripted", 3, VAULT).claim()
    assert "from 2 replicas to 3" in caplog.text
    (record,) = [r for r in world.committed(POSITIONS) if b"[" in r.value and b"2" in r.value][-1:]
    assert msgspec.json.decode(record.value) == {"replicas": 3, "fence": [2]}


def test_a_failure_during_a_change_leaves_it_to_the_next_try(world: Any) -> None:
    client = world.kafka.client()
    Ownership(client, "scripted", 1, VAULT).claim()
    world.kafka.fail("begin", Transient("no broker answers"))
    with pytest.raises(Transient):
        Ownership(client, "scripted", 2, VAULT).claim()
    assert Ownership(client, "scripted", 2, VAULT).claim() == {}
    assert world.kafka.epochs[layout_id("scripted")] == 3
