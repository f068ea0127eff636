"""A Kafka in memory, real Delta tables and dead letters, for the tests of a trace."""

from __future__ import annotations

import base64
import datetime as dt
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from click.testing import CliRunner

from pixstream.cli.find import find
from pixstream.cli.root import Root
from pixstream.cli.trace import trace
from pixstream.columns.batch import EventBatch
from pixstream.columns.decoding import decode
from pixstream.config.settings import Settings
from pixstream.consumers.delta_lake.consumer import DeltaLake
from pixstream.dead_letters import REPLAY_FOR
from pixstream.dead_letters.replay_transaction import ReplayTransaction
from pixstream.event.model import Draft, PixEvent, Refusal
from pixstream.event.record import EventRecord, event_record
from pixstream.kafka.memory import MemoryKafka
from pixstream.kafka.names import DLQ
from pixstream.kafka.topics.declared import declared
from pixstream.plugins.producer import Reading
from pixstream.privacy import PrivacySettings, keys
from pixstream.runtime import letter_writer, sealer

if TYPE_CHECKING:
    from pixstream.dead_letters.letters import Letter
    from pixstream.kafka.ports import Client, Record

Step = Mapping[str, Any]


def reject(rows: Sequence[int], reason: str) -> None:
    raise AssertionError(f"{reason}: {rows}")


class World(Root):
    """The options of a command, whose configuration and Kafka are these."""

    def __init__(self, directory: Path) -> None:
        super().__init__(Path("kafka_config.yaml"), None, ())
        self.directory = directory
        self.kafka = MemoryKafka()
        self.lake = DeltaLake(type="delta_lake", uri=str(directory / "lake"))
        self.lake.name = "lake"
        self.settings = Settings(
            data_dir=str(directory / "data"),
            privacy=PrivacySettings(
                pseudonym_key=base64.b64encode(bytes(range(32))).decode(),
                encryption_key=base64.b64encode(bytes(range(1, 33))).decode(),
            ),
            consumers={"lake": self.lake},
        )
        for spec in declared({}):
            self.kafka.client().admin().create(spec)
        self.kafka_client: Callable[[], Client] = self.kafka.client

    def load(self) -> Settings:
        return self.settings

    def client(self, settings: Settings) -> Client:
        del settings
        return self.kafka_client()

    # --- what happens ---

    def seal(self, draft: Draft, *, source: str = "webhook", now: dt.datetime) -> PixEvent:
        return sealer(self.settings).seal(draft, source=source, now=now)

    def send(self, event: PixEvent, *, at: dt.datetime | None = None) -> Record:
        return self.put(event_record(event), at=at or event.ingested_at)

    def put(self, record: EventRecord, *, at: dt.datetime) -> Record:
        """Send a record at a time; return it as Kafka has it."""
        self.kafka.now = round(at.timestamp() * 1000)
        with closing(self.kafka.client().outbox("sender")) as outbox:
            outbox.begin()
            outbox.send(*record)
            outbox.commit()
        records = self.kafka.client().scan(record.topic)
        return max((r for r in records if r.key == record.key), key=lambda r: r.offset)

    def consume(self) -> None:
        """Write what the tables lack to them."""
        client = self.kafka.client()
        with closing(client.admin()) as admin:
            ends = admin.end_offsets([f"pix.{plural}" for plural in self.lake.categories])
        known = self.lake.offsets(ends.keys(), self.kafka.cluster)
        for place, end in ends.items():
            records = [
                record
                for record in client.between(
                    place.topic, {place.partition: (known.get(place, 0), end)}
                )
                if dict(record.headers).get(REPLAY_FOR, b"lake") == b"lake"
            ]
            table = decode(records).table
            self.lake.write(EventBatch(table, {place: end}, self.kafka.cluster), reject)

    def refused(self, raw: bytes, reason: str = "malformed_json", *, at: str = "1") -> str:
        """Write the letter of a producer; return its id."""
        refusal = Refusal(reason=reason, message="body: [/] no JSON", raw=raw)
        reading = Reading(stream="inbox", position=at, content=refusal)
        writer = letter_writer(self.settings, "webhook", keys(self.settings.privacy)[1])
        return self.letter(writer.from_reading(reading, refusal, "read", "Refused"))

    def rejected(self, record: Record, consumer: str = "lake") -> str:
        """Write the letter of a consumer about a record; return its id."""
        topic_id = self.kafka.topics[record.topic].topic_id
        writer = letter_writer(self.settings, consumer, keys(self.settings.privacy)[1])
        reason = "destination_rejected"
        return self.letter(
            writer.from_record(
                record, topic_id, stage="write", reason=reason, message="no column", error="R"
            )
        )

    def letter(self, letter: Letter) -> str:
        self.kafka.now = round(dt.datetime.now(dt.UTC).timestamp() * 1000)
        with closing(self.kafka.client().outbox("letters")) as outbox:
            outbox.begin()
            outbox.send(DLQ, *letter)
            outbox.commit()
        return letter.key.decode()

    def mark(self, letter_id: str, state: str, records: Sequence[EventRecord] = ()) -> None:
        client = self.kafka.client()
        with ReplayTransaction(client, self.settings.retry, who="ana", why="ticket 1") as replay:
            replay.put(letter_id, state, records)
            replay.flush()

    # --- what a person asks ---

    def __call__(self, *arguments: str, stdin: str | None = None) -> tuple[int, str, str]:
        """Exit code, standard output and standard error of `trace …` or `find …`."""
        command = {"trace": trace, "find": find}[arguments[0]]
        result = CliRunner().invoke(
            command, arguments[1:], obj=self, standalone_mode=False, input=stdin
        )
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.return_value or 0, result.stdout, result.stderr

    def traced(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        """The answer of `trace … --format json`."""
        found, out, _ = self("trace", *arguments, "--format", "json")
        assert found == code, out
        document: dict[str, Any] = json.loads(out)
        return document

    def steps(self, *arguments: str, code: int = 0) -> list[Step]:
        """The steps of the only payment."""
        (payment,) = self.traced(*arguments, code=code)["payments"]
        steps: list[Step] = payment["steps"]
        return steps

    def audited(self) -> list[Mapping[str, str]]:
        log = Path(self.settings.data_dir) / "audit.log"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def told(steps: Sequence[Step], *names: str) -> list[tuple[Any, ...]]:
    """Of each step its kind and these fields."""
    return [(step["step"], *(step.get(name) for name in names)) for step in steps]
