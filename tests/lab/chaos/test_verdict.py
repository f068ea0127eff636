import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from pixstream.config.settings import Settings
from pixstream.dead_letters import LetterWriter
from pixstream.event.categories import Category
from pixstream.event.model import Person, Refusal
from pixstream.event.sealing import Sealer
from pixstream.kafka.memory import MemoryKafka
from pixstream.kafka.names import DLQ
from pixstream.kafka.topics.declared import TopicSettings, declared
from pixstream.lab.chaos.oracle import NumberedDocument, Oracle, Side
from pixstream.lab.chaos.tally import TOPIC
from pixstream.lab.chaos.verdict import Auditor, Verdict
from pixstream.lab.simulation.pieces import BANK_API, ISO20022, SOURCES, SYSTEM_LOG, WEBHOOK
from pixstream.plugins.producer import Reading
from pixstream.privacy import Pseudonymiser, Vault

START = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)
PSEUDONYM = Pseudonymiser(bytes(32), "p1")
VAULT = Vault(bytes(range(32)), "k1")
SEALER = Sealer(PSEUDONYM, VAULT)


class World:
    """An oracle, what arrived, and who compares."""

    def __init__(self, directory: Path) -> None:
        self.oracle = Oracle(7, START)
        self.documents = list(self.oracle.documents(200))
        self.directory = directory
        self.kafka = MemoryKafka()
        admin = self.kafka.client().admin()
        for spec in declared(Settings().topics, {TOPIC: TopicSettings()}):
            admin.create(spec)
        for told in self.documents:
            self.oracle.offered.add(told.number, told.bits)
            self.oracle.acknowledged.add(told.number, told.bits)
        self.rows = [row for told in self.documents for row in rows(told)]

    def letter(self, content: bytes, position: str) -> None:
        writer = LetterWriter("webhook", VAULT, 10**6, self.directory / "letters")
        reading = Reading(stream="s", position=position, content=None)
        refusal = Refusal(reason="malformed_json", message="no JSON", raw=content)
        letter = writer.from_reading(reading, refusal, "read", "Refused")
        outbox = self.kafka.client().outbox("t")
        outbox.begin()
        outbox.send(DLQ, letter.key, letter.value, letter.headers)
        outbox.commit()
        outbox.close()

    def audit(self) -> Verdict:
        for category in Category:
            of = [row for row in self.rows if row["category"] == category.value]
            if of:
                path = self.directory / "lake" / category.plural
                write_deltalake(str(path), pa.Table.from_pylist(of))
        auditor = Auditor(
            self.oracle,
            lake=self.directory / "lake",
            client=self.kafka.client(),
            pseudonym=PSEUDONYM,
            vault=VAULT,
            letters=self.directory / "letters",
        )
        return auditor.audit({"producers": 1}, {"cuts": 2})


def rows(told: NumberedDocument) -> list[dict[str, Any]]:
    return [
        {
            "event_id": fact.event_id,
            "category": fact.category.value,
            "end_to_end_id": told.transfer.e2e,
            "return_id": fact.identifier if fact.identifier[0] == "D" else None,
            "amount_centavos": fact.centavos,
            "event_time": fact.event_time,
            "status": fact.status.value,
            "source": told.source,
            "revision": 0,
            "direction": fact.direction.value,
            "payer": party(fact.payer),
            "payee": party(fact.payee),
        }
        for fact in told.facts
    ]


def party(side: Side) -> dict[str, str | None]:
    hidden = SEALER.party(Person(**side._asdict()))
    return {name: getattr(hidden, name) for name in side._fields}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def counts(verdict: Verdict) -> tuple[int, int, int, int]:
    return verdict.lost, verdict.duplicates, verdict.unknown, verdict.altered


def test_everything_once_is_well(world: World) -> None:
    verdict = world.audit()
    assert counts(verdict) == (0, 0, 0, 0)
    assert (verdict.offered, verdict.acknowledged) == (200, 200)
    assert verdict.ok
    assert (verdict.kills, verdict.faults) == ({"producers": 1}, {"cuts": 2})


def test_a_row_that_is_missing_is_lost(world: World) -> None:
    del world.rows[::50]
    verdict = world.audit()
    assert counts(verdict) == (4, 0, 0, 0)
    assert not verdict.ok


def test_a_fact_that_nobody_answered_for_may_be_missing_and_may_be_there(world: World) -> None:
    for told in world.oracle.documents(20, 10_000):
        world.oracle.offered.add(told.number, told.bits)
        world.rows += rows(told) if told.number % 2 else []
    verdict = world.audit()
    assert counts(verdict) == (0, 0, 0, 0)
    assert (verdict.offered, verdict.acknowledged) == (220, 200)


def test_a_row_that_is_there_twice_is_a_duplicate(world: World) -> None:
    world.rows += world.rows[:3]
    assert counts(world.audit()) == (0, 3, 0, 0)


def test_a_row_that_was_never_offered_is_unknown(world: World) -> None:
    (never,) = list(world.oracle.documents(1, 10_000))
    world.rows += rows(never)
    world.rows.append(world.rows[0] | {"event_id": "0" * 32})
    world.rows.append(world.rows[0] | {"end_to_end_id": "E" * 32, "return_id": None})
    assert counts(world.audit()) == (0, 0, 3, 0)


@pytest.mark.parametrize(
    "change",
    [
        {"amount_centavos": 1},
        {"event_time": START - dt.timedelta(days=1)},
        {"status": "rejected"},
        {"source": "somebody"},
        {"direction": "unknown"},
    ],
)
def test_a_row_with_another_payload_is_altered(world: World, change: dict[str, Any]) -> None:
    world.rows[0] |= change
    assert counts(world.audit()) == (0, 0, 0, 1)


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("category", Category)
def test_a_row_with_another_party_is_altered(world: World, source: str, category: Category) -> None:
    """Whatever its source tells of a side is compared, and that it tells nothing of the other."""
    rows = [r for r in world.rows if (r["source"], r["category"]) == (source, category.value)]
    told = TOLD[source, category]
    assert bool(rows) == bool(told)
    assert {name for row in rows for name in paths(row)} == told
    changes = [(side, name) for side in ("payer", "payee") for name in ("ispb", "document", "key")]
    for row, (side, name) in zip(rows, changes, strict=False):
        row[side] = row[side] | {name: "another"}
    assert counts(world.audit()) == (0, 0, 0, min(len(rows), len(changes)))


BOTH = {"payer.ispb", "payer.document", "payee.ispb", "payee.document"}
PAYEE, PAYER = {"payee.ispb", "payee.key"}, {"payer.ispb", "payer.key"}
TOLD = {
    (SYSTEM_LOG, Category.PAGAMENTO): BOTH | PAYEE,
    (SYSTEM_LOG, Category.RECEBIMENTO): BOTH | PAYEE,
    (SYSTEM_LOG, Category.ESTORNO): BOTH | PAYER,
    (ISO20022, Category.PAGAMENTO): BOTH | PAYEE,
    (ISO20022, Category.RECEBIMENTO): BOTH | PAYEE,
    (ISO20022, Category.ESTORNO): set(),
    (WEBHOOK, Category.PAGAMENTO): set(),
    (WEBHOOK, Category.RECEBIMENTO): PAYEE,
    (WEBHOOK, Category.ESTORNO): PAYER,
    (BANK_API, Category.PAGAMENTO): set(),
    (BANK_API, Category.RECEBIMENTO): PAYEE,
    (BANK_API, Category.ESTORNO): PAYER,
}


def paths(row: dict[str, Any]) -> set[str]:
    sides = {side: row[side] for side in ("payer", "payee")}
    return {f"{s}.{name}" for s, party in sides.items() for name, value in party.items() if value}


def test_malformed_pieces_must_be_letters_once(world: World) -> None:
    for number in (1, 2, 3):
        world.oracle.poison_offered.add(number, 1)
        world.oracle.poison_acknowledged.add(number, 1)
    world.letter(world.oracle.poison(1).encode(), "a")
    world.letter(world.oracle.poison(1).encode(), "a")  # the same letter, written twice
    world.letter(world.oracle.poison(2).encode(), "b")
    world.letter(world.oracle.poison(2).encode(), "c")  # another letter about the same piece
    world.letter(b"nobody's", "d")
    verdict = world.audit()
    assert counts(verdict) == (1, 1, 1, 0)
    assert verdict.acknowledged == 203
