"""`pixstream offsets show` and `set`: what they print, refuse, ask, audit and change."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import click
import pytest
from click.testing import CliRunner, Result

from pixstream.cli.offsets import offsets
from pixstream.cli.root import Root
from pixstream.config.settings import Settings
from pixstream.errors import ClusterChangedError, KafkaError, PixstreamError, TopicChangedError
from pixstream.event.identifiers import generate_cpf
from pixstream.kafka.memory import MemoryKafka
from pixstream.kafka.ports import TopicIdPartition, TopicPartition, TopicSpec
from pixstream.plugins.consumer import Consumer

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from pixstream.kafka.ports import Client

GROUP = "pixstream.lake"
TOPIC = "pix.recebimentos"


@dataclasses.dataclass(kw_only=True)
class Stubborn(Consumer):
    """A destination that keeps offsets and the ids of its topics, and cannot be told others."""

    type: str = "stubborn"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.next: dict[TopicIdPartition, int] = {}
        self.ids: dict[str, str] = {}
        self.cluster = "memory"

    def offsets(
        self, partitions: Collection[TopicIdPartition], cluster_id: str
    ) -> Mapping[TopicIdPartition, int]:
        if self.next and cluster_id != self.cluster:
            raise ClusterChangedError("another cluster")
        for p in partitions:
            if self.ids.get(p.topic, p.topic_id) != p.topic_id:
                raise TopicChangedError("another one")
        return {p: self.next[p] for p in partitions if p in self.next}


@dataclasses.dataclass(kw_only=True)
class Remembering(Stubborn):
    """One that can."""

    type: str = "remembering"

    def set_offsets(self, offsets: Mapping[TopicIdPartition, int], cluster_id: str) -> None:
        self.cluster = cluster_id
        self.next.update(offsets)
        self.ids.update({p.topic: p.topic_id for p in offsets})


class Place(Root):
    """A root command over Kafka in memory; two partitions with ten records in one of them."""

    def __init__(self, directory: Path) -> None:
        super().__init__(Path("kafka_config.yaml"), None, ())
        self.kafka = MemoryKafka()
        self.lake = Remembering(categories=["recebimentos"])
        self.lake.name = "lake"
        self.settings = Settings(
            data_dir=str(directory),
            consumers={
                "lake": self.lake,
                "console": Consumer(type="console", categories=["recebimentos", "estornos"]),
                "off": Consumer(type="off", enabled=False),
            },
        )
        for name, consumer in self.settings.consumers.items():
            consumer.name = name
        admin = self.kafka.client().admin()
        for topic in (TOPIC, "pix.estornos"):
            admin.create(TopicSpec(topic, 2 if topic == TOPIC else 1, 1, {}))
        for self.kafka.now in range(1000, 11_000, 1000):
            outbox = self.kafka.client().outbox("id")
            outbox.begin()
            outbox.send(TOPIC, b"key", b"value", [])
            outbox.commit()
        self.number = next(
            number for number, log in enumerate(self.kafka.topic(TOPIC).partitions) if log.entries
        )

    def load(self) -> Settings:
        return self.settings

    def client(self, settings: Settings) -> Client:
        del settings
        return self.kafka.client()

    def partition(self, number: int) -> TopicIdPartition:
        return TopicIdPartition(TOPIC, self.kafka.topic(TOPIC).topic_id, number)

    def read(self, offset: int) -> None:
        """Destination and group have come to this offset."""
        self.lake.set_offsets({self.partition(self.number): offset}, "memory")
        self.lake.set_offsets({self.partition(1 - self.number): 0}, "memory")
        self.kafka.committed[GROUP] |= {
            TopicPartition(TOPIC, self.number): offset,
            TopicPartition(TOPIC, 1 - self.number): 0,
        }

    def call(self, *arguments: str, answer: str = "") -> Result:
        runner = CliRunner()
        result = runner.invoke(offsets, arguments, obj=self, input=answer, standalone_mode=False)
        if result.exception is not None and not isinstance(result.exception, click.Abort):
            raise result.exception
        return result

    def shown(self, *names: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = json.loads(
            self.call("show", *names, "--format", "json").output
        )
        return rows

    def audited(self) -> list[dict[str, str]]:
        log = Path(self.settings.data_dir) / "audit.log"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


BUSY = ("--topic", "recebimentos", "--why", "ticket 4711")


def test_each_partition_is_shown_with_what_everyone_knows(place: Place) -> None:
    place.read(4)
    busy, idle = sorted(place.shown("lake"), key=lambda row: -row["end"])
    assert busy == {
        "consumer": "lake",
        "topic": TOPIC,
        "partition": place.number,
        "remembered": 4,
        "committed": 4,
        "beginning": 0,
        "end": 20,
        "lag": 16,
        "note": "",
    }
    assert (idle["lag"], idle["note"]) == (0, "")


def test_by_default_every_enabled_consumer_is_shown(place: Place) -> None:
    place.read(4)
    rows = [line.split() for line in place.call("show").output.splitlines()]
    assert rows[0][:6] == ["consumer", "topic", "partition", "destination", "group", "beginning"]
    assert [row[0] for row in rows[1:]] == ["lake", "lake", "console", "console", "console"]
    assert "not stored" in place.call("show", "console").output
    with pytest.raises(
        click.BadParameter, match="unknown consumer or processor nobody; configured: lake, console"
    ):
        place.call("show", "nobody")


def test_a_note_says_where_they_disagree_and_what_decides(place: Place) -> None:
    place.read(4)
    topic = place.kafka.topic(TOPIC)
    group = place.kafka.committed[GROUP]
    busy = TopicPartition(TOPIC, place.number)

    def note() -> str:
        return next(str(row["note"]) for row in place.shown("lake") if row["end"] > 0)

    group[busy] = 3
    assert note() == "the group is at 3; the destination's offset counts"
    del group[busy]
    assert note() == "the group has no offset yet; the destination's offset counts"
    topic.partitions[place.number].begin = 6
    assert "offset 4 has expired: retention deleted 2 offsets" in note()
    assert f"pixstream offsets set lake --topic {TOPIC} --partition {place.number}" in note()
    place.read(400)
    assert "offset 400 is beyond the end 20" in note()
    assert note().endswith('--to earliest --allow-rewind --why "…"')
    place.lake.ids[TOPIC] = "another"
    assert "--to earliest --new-topic" in note()
    place.lake.ids.clear()
    place.lake.next.clear()
    assert "the destination has no offset for it" in note()
    place.kafka.committed.clear()
    topic.partitions[place.number].begin = 0
    assert note() == "no offset is known yet"


def test_destination_and_group_are_changed_alike_after_it_was_written_down(place: Place) -> None:
    place.read(4)
    result = place.call(
        *("set", "lake", "--to", "2", "--partition", str(place.number), "--allow-rewind"),
        *(*BUSY, "--who", "ana", "--yes"),
    )
    assert f"{TOPIC}-{place.number}: 4 -> 2" in result.output
    assert place.lake.next[place.partition(place.number)] == 2
    assert place.kafka.committed[GROUP][TopicPartition(TOPIC, place.number)] == 2
    (line,) = place.audited()
    assert (line["action"], line["who"], line["why"]) == ("offsets set", "ana", "ticket 4711")
    assert line["target"] == f"lake: {TOPIC}-{place.number}: 4 -> 2"


def test_without_yes_it_asks_and_a_no_changes_nothing(place: Place) -> None:
    place.read(4)
    arguments = ("set", "lake", "--to", "latest", *BUSY)
    result = place.call(*arguments, answer="n\n")
    assert result.exit_code == 1
    assert "Change these offsets?" in result.output
    assert place.lake.next[place.partition(place.number)] == 4
    assert place.audited() == []
    assert place.call(*arguments, answer="y\n").exit_code == 0
    assert place.lake.next[place.partition(place.number)] == 20


def test_a_dry_run_shows_and_changes_nothing(place: Place) -> None:
    place.read(4)
    result = place.call("set", "lake", "--to", "latest", "--dry-run", *BUSY)
    assert f"{TOPIC}-{place.number}: 4 -> 20" in result.output
    assert "warning: 16 offsets" in result.output
    assert "will never be read by lake" in result.output
    assert result.output.endswith("nothing was changed\n")
    assert place.lake.next[place.partition(place.number)] == 4
    assert place.audited() == []


def test_a_change_needs_a_reason_without_anybodys_document(place: Place) -> None:
    place.read(4)
    with pytest.raises(click.UsageError, match="--why"):
        place.call("set", "lake", "--to", "latest", "--yes")
    with pytest.raises(click.BadParameter, match="CPF or CNPJ"):
        place.call("set", "lake", "--to", "latest", "--yes", "--why", generate_cpf(Random(3)))
    assert place.audited() == []


def test_going_back_must_be_meant(place: Place) -> None:
    place.read(4)
    with pytest.raises(PixstreamError, match=r"0 is before 4.*--allow-rewind"):
        place.call("set", "lake", "--to", "earliest", "--yes", *BUSY)
    assert place.audited() == []
    result = place.call("set", "lake", "--to", "earliest", "--allow-rewind", "--yes", *BUSY)
    assert "warning" not in result.output
    assert place.lake.next[place.partition(place.number)] == 0


def test_a_topic_created_anew_must_be_meant_and_is_taken_over(place: Place) -> None:
    place.read(4)
    admin = place.kafka.client().admin()
    admin.delete(TOPIC)
    admin.create(TopicSpec(TOPIC, 2, 1, {}))
    with pytest.raises(PixstreamError, match="--new-topic"):
        place.call("set", "lake", "--to", "earliest", "--yes", *BUSY)
    result = place.call("set", "lake", "--to", "earliest", "--new-topic", "--yes", *BUSY)
    assert "another topic -> 0" in result.output
    assert place.lake.ids[TOPIC] == place.partition(0).topic_id
    assert place.shown("lake")[0]["remembered"] == 0


def test_a_new_cluster_must_be_meant_and_is_taken_over(place: Place) -> None:
    place.read(4)
    place.kafka.cluster = "other region"
    for row in place.shown("lake"):
        assert "fed from another Kafka cluster" in row["note"]
        assert f"--topic {TOPIC} --to earliest --new-topic" in row["note"]
    with pytest.raises(PixstreamError, match=r"another Kafka cluster.*--new-topic"):
        place.call("set", "lake", "--to", "earliest", "--yes", *BUSY)
    assert place.audited() == []
    result = place.call("set", "lake", "--to", "earliest", "--new-topic", "--yes", *BUSY)
    assert "another cluster -> 0" in result.output
    assert [(row["remembered"], row["note"]) for row in place.shown("lake")] == [(0, "")] * 2


def test_a_time_is_the_first_record_from_then_on(place: Place) -> None:
    place.read(0)
    for text, offset in (("1970-01-01T00:00:04Z", 6), ("1970-01-01T03:00:00+03:00", 0)):
        place.call("set", "lake", "--to", text, "--allow-rewind", "--yes", *BUSY)
        assert place.lake.next[place.partition(place.number)] == offset
    assert place.lake.next[place.partition(1 - place.number)] == 0


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("yesterday", "is not earliest, latest, an offset or a time"),
        ("2026-11-24T12:00:00", "has no time zone"),
        ("-3", "is not earliest"),
    ],
)
def test_a_target_that_makes_no_sense_is_refused(place: Place, wrong: str, said: str) -> None:
    with pytest.raises(click.BadParameter, match=said):
        place.call("set", "lake", f"--to={wrong}", *BUSY)


def test_an_offset_that_the_partition_does_not_hold_is_refused(place: Place) -> None:
    place.read(4)
    for offset in ("21", "99"):
        with pytest.raises(PixstreamError, match="has the offsets 0 to"):
            place.call("set", "lake", "--to", offset, "--yes", *BUSY)
    assert place.audited() == []


def test_while_it_runs_nothing_is_changed(place: Place) -> None:
    from pixstream.kafka.ports import Listener

    place.read(4)
    place.kafka.client().inbox(
        group=GROUP,
        topics=[TOPIC],
        member="lake-0",
        listener=Listener(lambda new, _: dict.fromkeys(new, 0), lambda _: None),
    )
    with pytest.raises(PixstreamError, match=r"still running.*lake-0.*10 s"):
        place.call("set", "lake", "--to", "latest", "--yes", *BUSY)
    assert place.audited() == []
    assert place.lake.next[place.partition(place.number)] == 4


def test_one_that_starts_in_between_is_refused_by_kafka_before_the_destination_is_told(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.read(4)
    monkeypatch.setattr("pixstream.kafka.memory.admin.MemoryAdmin.group_members", lambda *_: [])
    place.kafka.groups[GROUP]["lake-0"] = None  # type: ignore[assignment]
    with pytest.raises(KafkaError, match="the group has members"):
        place.call("set", "lake", "--to", "latest", "--yes", *BUSY)
    assert place.lake.next[place.partition(place.number)] == 4


def test_a_destination_that_keeps_no_offsets_has_its_group_changed_alone(place: Place) -> None:
    result = place.call("set", "console", "--to", "latest", "--why", "only news", "--yes")
    assert f"{TOPIC}-{place.number}: nothing -> 20" in result.output
    committed = place.kafka.committed["pixstream.console"]
    assert committed[TopicPartition(TOPIC, place.number)] == 20
    assert committed[TopicPartition("pix.estornos", 0)] == 0


def test_a_destination_that_cannot_be_told_changes_nothing(place: Place) -> None:
    stubborn = Stubborn(type="stubborn", categories=["recebimentos"])
    stubborn.name = "stubborn"
    place.settings.consumers["stubborn"] = stubborn
    with pytest.raises(PixstreamError, match="does not accept new ones"):
        place.call("set", "stubborn", "--to", "latest", "--yes", *BUSY)
    assert place.kafka.committed["pixstream.stubborn"] == {}


def test_what_the_consumer_does_not_read_is_named(place: Place) -> None:
    with pytest.raises(click.UsageError, match="does not read that partition"):
        place.call("set", "lake", "--to", "0", "--topic", "estornos", "--why", "x")
    with pytest.raises(click.UsageError, match="--partition needs --topic"):
        place.call("set", "console", "--to", "0", "--partition", "0", "--why", "x")


def test_without_an_audit_log_nothing_is_changed(place: Place, tmp_path: Path) -> None:
    place.read(4)
    (tmp_path / "audit.log").mkdir()
    with pytest.raises(PixstreamError, match="audit log"):
        place.call("set", "lake", "--to", "latest", "--yes", *BUSY)
    assert place.lake.next[place.partition(place.number)] == 4
    assert place.kafka.committed[GROUP][TopicPartition(TOPIC, place.number)] == 4
