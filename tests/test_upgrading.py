"""docs/upgrading.md, rule by rule, for one step of versions: the next one is played in a process.

The next version is this one with `novelty` and `rank` in the event, `nick` in payer and payee, and
the next `schema_version`.
"""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from deltalake import DeltaTable

from pixstream.columns.shapes import beyond
from pixstream.consumers.delta_lake.consumer import DeltaLake
from pixstream.dead_letters import content, views
from pixstream.dead_letters.letters import LetterWriter
from pixstream.dead_letters.reading import view
from pixstream.dead_letters.state import Mark
from pixstream.errors import KafkaError, PixstreamError, Refused
from pixstream.event import lenient
from pixstream.event.model import SCHEMA_VERSION, Refusal
from pixstream.kafka.memory import MemoryKafka
from pixstream.kafka.names import POSITIONS, group_id, layout_id, transactional_id
from pixstream.kafka.ports import Record, TopicIdPartition, TopicSpec
from pixstream.lab.demo import tables
from pixstream.lake.log import entries
from pixstream.loops.ownership import Ownership
from pixstream.loops.positions import position_key
from pixstream.plugins.producer import Reading
from pixstream.privacy import Vault
from pixstream.producers.bank_api.schedules import Follow, Sweep
from pixstream.producers.iso20022 import producer
from pixstream.producers.iso20022.spool import KEY_LENGTH
from pixstream.producers.system_log.tail import Tail

NEXT = """
from typing import Annotated
import pixstream.event.model as event
from msgspec import Meta

class Party(event.Party, kw_only=True, forbid_unknown_fields=True, gc=False):
    nick: Annotated[str | None, Meta(description="new")] = None

class PixEvent(event.PixEvent, kw_only=True, forbid_unknown_fields=True, gc=False):
    payer: Annotated[Party, Meta(description="who sends the money in this event")]
    payee: Annotated[Party, Meta(description="who receives the money in this event")]
    novelty: Annotated[str | None, Meta(description="new too")] = None
    rank: Annotated[int | None, Meta(description="and this")] = None

event.Party, event.PixEvent, event.SCHEMA_VERSION = Party, PixEvent, event.SCHEMA_VERSION + 1
"""

PRODUCE = """
import datetime as dt, json, sys
from pixstream.event.sealing import Sealer
from pixstream.event.model import Draft
from pixstream.event.record import event_record
from pixstream.privacy import Pseudonymiser, Vault

order = json.load(sys.stdin)
now = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)
sealer = Sealer(Pseudonymiser(bytes(32), "k1"), Vault(bytes(range(32)), "k1"))
made = []
for number in order["numbers"]:
    identifier = f"E99999004202611241200{number:011}"
    event = sealer.seal(
        Draft(message="api_pix.pix", end_to_end_id=identifier, amount="1.00"), source="s", now=now
    )
    if hasattr(event, "novelty"):
        event.novelty, event.payer.nick, event.rank = order["novelty"], order["nick"], -5
    record = event_record(event)
    headers = {name: value.decode() for name, value in record.headers}
    made.append({"value": record.value.decode(), "version": headers["schema-version"]})
print(json.dumps(made))
"""

CONSUME = """
import json, sys
from pixstream.event import lenient
from pixstream.consumers.delta_lake.consumer import DeltaLake
from pixstream.columns.decoding import decode
from pixstream.columns.batch import EventBatch
from pixstream.kafka.ports import Record, TopicIdPartition

order = json.load(sys.stdin)
read, patient = lenient.read, []
lenient.read = lambda *given: patient.append(1) or read(*given)
lake = DeltaLake(type="delta_lake", uri=order["uri"], fsync=False)
place = TopicIdPartition("pix.recebimentos", "id-1", 0)
known = lake.offsets([place], "cluster").get(place, 0)
records = [
    Record(place.topic, 0, known + n, 1_700_000_000_000, None, value.encode(), ())
    for n, value in enumerate(order["values"])
]
decoded = decode(records, columns=lake.columns)
lake.write(EventBatch(decoded.table, {place: known + len(records)}, "cluster"), print)
print(json.dumps({"bad": [bad.message for bad in decoded.bad], "patient": len(patient)}))
"""


def play(version: str, script: str, order: Any) -> Any:
    """Run a script as this version or as the next; what it prints."""
    source = (NEXT if version == "next" else "") + script
    done = subprocess.run(
        [sys.executable, "-c", source],
        input=json.dumps(order),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


class Site:
    """Tables, and producers and consumers of both versions."""

    def __init__(self, place: Path) -> None:
        self.uri = place / "lake"
        self.sent = 0

    def produce(self, version: str, count: int = 2) -> list[str]:
        numbers = list(range(self.sent, self.sent + count))
        self.sent += count
        order = {"numbers": numbers, "novelty": f"v{numbers[0]}", "nick": "n"}
        made = play(version, PRODUCE, order)
        told = str(SCHEMA_VERSION + (version == "next"))
        assert {record["version"] for record in made} == {told}
        return [record["value"] for record in made]

    def consume(self, version: str, *parts: Sequence[str]) -> dict[str, Any]:
        values = [value for part in parts for value in part]
        told: dict[str, Any] = play(version, CONSUME, {"uri": str(self.uri), "values": values})
        assert told["bad"] == []
        return told

    def novelties(self) -> list[tuple[str | None, str | None]]:
        """`novelty` and `payer.nick` of every row, in order, each event once."""
        table = tables.read(self.uri / "recebimentos")
        assert table is not None
        rows = table.sort_by("_offset").to_pylist()
        assert len({row["event_id"] for row in rows}) == len(rows) == self.sent
        return [(row.get("novelty"), row["payer"].get("nick")) for row in rows]

    def columns(self) -> dict[str, pa.DataType]:
        schema = DeltaTable(self.uri / "recebimentos").schema().to_arrow()
        return beyond(pa.schema(schema))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


NONE = (None, None)


class TestEvents:
    def test_consumers_first(self, site: Site) -> None:
        site.consume("this", site.produce("this"))
        told = site.consume("next", site.produce("this"))
        assert told["patient"] == 0, "records of the last version go the quick way"
        assert site.columns() == {
            "novelty": pa.string(),
            "rank": pa.int64(),
            "payer.nick": pa.string(),
            "payee.nick": pa.string(),
        }
        site.consume("next", site.produce("next"), site.produce("this"))
        assert site.novelties() == [*[NONE] * 4, *[("v4", "n")] * 2, *[NONE] * 2]

    def test_producers_first(self, site: Site) -> None:
        site.consume("this", site.produce("this"))
        site.consume("this", site.produce("next"), site.produce("this"))
        assert site.columns() == {
            "novelty": pa.string(),
            "rank": pa.int64(),
            "payer.nick": pa.string(),
        }
        told = site.consume("next", site.produce("next"))
        assert told["patient"] == 0
        assert site.novelties() == [
            *[NONE] * 2,
            *[("v2", "n")] * 2,
            *[NONE] * 2,
            *[("v6", "n")] * 2,
        ]

    def test_rolled_back_on_both_sides(self, site: Site) -> None:
        site.consume("next", site.produce("next"))
        site.consume("this", site.produce("next"))
        site.consume("this", site.produce("this"))
        assert site.novelties() == [*[("v0", "n")] * 2, *[("v2", "n")] * 2, *[NONE] * 2]

    def test_what_the_next_version_tells_again_is_known(self, site: Site) -> None:
        values = site.produce("next")
        site.consume("next", values)
        site.consume("this", values)
        site.consume("next", values)
        assert site.novelties() == [("v0", "n")] * 2

    def test_an_event_in_a_newer_versions_letter_is_left_to_that_version(self, site: Site) -> None:
        (value,) = site.produce("next", 1)
        with pytest.raises(Refused, match="schema_version: not supported by this version"):
            lenient.read(value.encode(), lambda *_: {})


def forms(extra: str) -> list[tuple[str, Callable[[str], Any], str]]:
    """The positions of every producer that has some, with one key more."""
    tail = f'{{"offset":5,"mark":"","mtime_ns":1,"log":"/var/log/a"{extra}}}'
    when = "2026-11-24T12:00:00Z"
    follow: dict[str, Any] = dict.fromkeys(("start", "overlap", "span", "every"))
    sweep: dict[str, Any] = dict.fromkeys(("reach", "span", "every"))
    return [
        ("system_log", lambda position: Tail.at("s", position).offset, tail),
        (
            "bank_api, following",
            lambda position: Follow(position, **follow).position,
            f'{{"until":"{when}"{extra}}}',
        ),
        (
            "bank_api, sweeping",
            lambda position: Sweep(position, **sweep)._at,
            f'{{"until":"{when}","to":"{when}"{extra}}}',
        ),
        (
            "iso20022",
            lambda position: producer._keys("d", position),
            f'{{"known":"{"k" * KEY_LENGTH}"{extra}}}',
        ),
    ]


KINDS = [name for name, _, _ in forms("")]


class TestPositions:
    @pytest.mark.parametrize("kind", range(len(KINDS)), ids=KINDS)
    def test_a_key_more_is_passed_over(self, kind: int) -> None:
        _, read, plain = forms("")[kind]
        _, _, more = forms(',"novelty":{"a":[1]}')[kind]
        assert read(more) == read(plain)

    @pytest.mark.parametrize("kind", range(len(KINDS)), ids=KINDS)
    def test_a_renamed_key_stops_with_a_clear_word(self, kind: int) -> None:
        _, read, plain = forms("")[kind]
        for key in json.loads(plain):
            with pytest.raises(PixstreamError, match=r"position.*new name"):
                read(plain.replace(f'"{key}":', f'"{key}_2":'))

    def test_the_record_of_replicas_too(self) -> None:
        kafka = MemoryKafka()
        kafka.client().admin().create(TopicSpec(POSITIONS, 1, 1, {}))

        def record(value: bytes) -> None:
            outbox = kafka.client().outbox("next")
            outbox.begin()
            outbox.send(POSITIONS, b"webhook", value, ())
            outbox.send(POSITIONS, b"webhook/s", b"{}", ())
            outbox.commit()

        client: Any = kafka.client()
        record(b'{"replicas":2,"fence":[],"novelty":1}')
        assert Ownership(client, "webhook", 2, TestLetters.VAULT).claim() == {"s": "{}"}
        record(b'{"replicas_2":2}')
        with pytest.raises(KafkaError, match="not a layout that this version can read"):
            Ownership(client, "webhook", 2, TestLetters.VAULT).claim()


class TestLetters:
    VAULT = Vault(bytes(range(32)), "k1")

    def letter(self, directory: Path, **headers: bytes) -> Record:
        refusal = Refusal(reason="novel_reason", message="m", raw=b"{}")
        reading = Reading(stream="s", position="1", content=refusal)
        writer = LetterWriter("webhook", self.VAULT, 2**20, directory)
        made = writer.from_reading(reading, refusal, "novel_stage", "Novel")
        more = [*made.headers, *headers.items()]
        return Record("pix.dlq", 0, 0, 0, made.key, made.value, more)

    def test_an_unknown_header_reason_or_stage_is_shown_and_the_content_opens(
        self, tmp_path: Path
    ) -> None:
        (found,) = views([self.letter(tmp_path, novelty=b"a")])
        assert (found.reason, found.headers["stage"]) == ("novel_reason", "novel_stage")
        assert found.headers["novelty"] == "a"
        assert content(found, self.VAULT, tmp_path) == b"{}"

    def test_another_key_id_stays_closed_and_says_so(self, tmp_path: Path) -> None:
        found = view(self.letter(tmp_path))
        assert found is not None
        with pytest.raises(PixstreamError, match=r"another key id, .* privacy\.key_id"):
            content(found, Vault(bytes(range(32)), "k2"), tmp_path)

    def test_a_mark_with_a_field_more_is_read(self) -> None:
        told = b'{"state":"novel","time":"t","who":"w","why":"y","novelty":1}'
        assert msgspec.json.decode(told, type=Mark).state == "novel"


class TestNames:
    """What these are called never changes: here they stand as they are in Kafka and in tables."""

    def test_transactional_ids_and_groups(self) -> None:
        assert transactional_id("bank_api", 1, 3) == "pixstream/bank_api/3/1"
        assert transactional_id("delta_lake", 0) == "pixstream/delta_lake/0"
        assert layout_id("bank_api") == "pixstream/bank_api/layout"
        assert group_id("delta_lake") == "pixstream.delta_lake"
        assert position_key("bank_api", "a/b") == b"bank_api/a/b"
        assert POSITIONS == "pix.positions"

    def test_application_ids_and_the_tie_of_a_table_to_its_topic(self, site: Site) -> None:
        site.consume("this", site.produce("this"))
        table = DeltaTable(site.uri / "recebimentos")
        assert table.transaction_version("pixstream/cluster/delta_lake/id-1/0") == 2
        known = table.metadata().configuration
        assert known["pixstream.topic_id/cluster/delta_lake/pix.recebimentos"] == "id-1"

    def test_an_offset_of_the_last_version_is_where_this_one_goes_on(self, tmp_path: Path) -> None:
        place = TopicIdPartition("pix.recebimentos", "id-1", 0)
        lake = DeltaLake(type="delta_lake", uri=str(tmp_path), fsync=False)
        lake.set_offsets({place: 7}, "cluster")
        again = DeltaLake(type="delta_lake", uri=str(tmp_path), fsync=False)
        assert again.offsets([place], "cluster") == {place: 7}

    def test_a_log_entry_that_says_more_of_itself_is_whole(self) -> None:
        lines = [
            {"commitInfo": {entries.ACTIONS: 1, entries.DURABLE: 4, "pixstreamNovelty": {"a": 1}}},
            {"add": {"path": "a.parquet", "size": 3, "novelty": True}},
        ]
        told = entries.parse(b"\n".join(msgspec.json.encode(line) for line in lines))
        assert told == entries.Entry({"a.parquet": 3}, 4)


def test_the_page_shows_the_contract_as_it_is() -> None:
    page = (Path(__file__).parent.parent / "docs" / "upgrading.md").read_text("utf-8")
    assert "contract: {event: evolve, party: evolve}" in page
    for word in ("evolve", "freeze", "discard_value", "discard_row"):
        assert re.search(rf"^\| `{word}` \|", page, re.MULTILINE)
