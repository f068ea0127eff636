"""How long `pixstream trace` and `pixstream find` take on large tables and a month of topics.

Tables of `--rows` events in all are made over `--days` days (half of them payments, two percent of
them returns), and as many records in the topics of an embedded broker, with the times of those
days. Then the commands are run as a person would, each `--times` times, Python's start included:
a payment in the middle, one that was returned, one that does not exist, a txid (every row of the
last 30 days is compared), and a person's document (four columns of every row).

    python benchmarks/bench_trace.py --rows 10000000

The last line is one JSON object: seconds of wall and CPU time, the median of each case. On a busy
machine CPU time says more.
"""

from __future__ import annotations

import argparse
import base64
import datetime as dt
import json
import os
import resource
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import bench_dedup
import msgspec
import pyarrow as pa
import yaml
from confluent_kafka import Producer

from pixstream import kafka
from pixstream.columns.decoding import decode
from pixstream.event.categories import Category
from pixstream.event.identifiers import generate_cpf, rtr
from pixstream.event.model import Party, PixEvent, encode
from pixstream.event.record import event_record
from pixstream.kafka.partitioner import partition_of
from pixstream.kafka.ports import Record
from pixstream.kafka.settings import KafkaSettings
from pixstream.kafka.topics.declared import TopicSettings, declared
from pixstream.lab.broker.embedded import EmbeddedBroker
from pixstream.lake import files
from pixstream.lake.location import Location
from pixstream.lake.table import LakeTable, application_prefix
from pixstream.privacy import Pseudonymiser
from pixstream.testing import event

CLIENTS = ["confluent", "kafka-python"]
SHARES = {Category.PAGAMENTO: 0.5, Category.RECEBIMENTO: 0.48, Category.ESTORNO: 0.02}
CONSUMER = "delta_lake"
SOUGHT = "sought.json"
RNG = Random(41)
DAY = dt.timedelta(days=1)


class Sought(msgspec.Struct):
    """What is asked for afterwards."""

    normal: PixEvent
    returned: PixEvent
    back: PixEvent
    document: str

    @property
    def events(self) -> list[PixEvent]:
        """The events among it."""
        return [self.normal, self.returned, self.back]


def sought(first: dt.datetime, days: int, pseudonym: Pseudonymiser) -> Sought:
    """Make the events that will be looked for."""
    noon = first + days // 2 * DAY + dt.timedelta(hours=12)
    document = generate_cpf(RNG)
    payer = Party(ispb="12345678", document=pseudonym("document", document))
    normal = event(1, time=noon, payer=payer, txid="cob4711bench00000000000001")
    returned = event(2, time=noon)
    later = noon + min(5, days // 3) * DAY
    back = event(
        time=later,
        category=Category.ESTORNO,
        end_to_end_id=returned.end_to_end_id,
        return_id=rtr("87654321", later, RNG),
    )
    return Sought(normal, returned, back, document)


class Filler:
    """Fills topic and table of one category, day by day."""

    def __init__(self, category: Category, place: Path, client: Any, producer: Any) -> None:
        self._topic = category.topic
        self._producer = producer
        self._table = LakeTable(Location(str(place / "lake"), category.plural, fsync=False))
        with closing(client.admin()) as admin:
            begins, cluster = admin.beginning_offsets([self._topic]), admin.cluster_id()
        topic_id = next(iter(begins)).topic_id
        self._next = dict.fromkeys(range(len(begins)), 0)
        self._app = application_prefix(cluster, CONSUMER, topic_id)
        self._table.remember(f"{cluster}/{CONSUMER}/{self._topic}", topic_id)
        self._template = bench_dedup.template()
        one = event(0, source_ref="app.log:0", category=category)
        self._value = encode(one)
        self._ids = one.event_id.encode(), (one.end_to_end_id or "").encode()

    def day(self, start: dt.datetime, count: int, special: list[PixEvent]) -> None:
        """Send and write one day's events, with the special ones in their midst."""
        step = DAY.total_seconds() * 1000 / count
        begin = start.timestamp() * 1000
        stamp = f"E12345678{start:%Y%m%d}0000"
        rows = [self._rows(start, count)]
        for number in range(count):
            if special and number == count // 2:
                rows += [self._special(one, round(begin + number * step)) for one in special]
            fresh = secrets.token_hex(16)
            key = f"{stamp}{fresh[:11]}".encode()
            value = self._value.replace(self._ids[0], fresh.encode()).replace(self._ids[1], key)
            self._send(number % len(self._next), key, value, round(begin + number * step))
        table = pa.concat_tables(rows)
        for first in range(0, table.num_rows, files.ROW_GROUP):
            part = table.slice(first, files.ROW_GROUP)
            offsets = {f"{self._app}{n}": at for n, at in self._next.items()}
            self._table.commit(files.write(self._table.location, part, "zstd"), offsets)
            self._table.refresh()

    def _rows(self, start: dt.datetime, count: int) -> pa.Table:
        return bench_dedup.events(self._template, [start.date()] * count, min(self._next.values()))

    def _special(self, one: PixEvent, milliseconds: int) -> pa.Table:
        record = event_record(one)
        partition = partition_of(record.key or b"", len(self._next))
        offset = self._next[partition]
        self._send(partition, record.key, record.value, milliseconds)
        sent = Record(self._topic, partition, offset, milliseconds, record.key, record.value, ())
        return decode([sent]).table

    def _send(self, partition: int, key: bytes | None, value: bytes, milliseconds: int) -> None:
        while True:
            try:
                self._producer.produce(
                    self._topic, value, key, partition=partition, timestamp=milliseconds
                )
            except BufferError:
                self._producer.poll(0.1)
            else:
                break
        self._next[partition] += 1


def fill(place: Path, broker: str, options: argparse.Namespace) -> Sought:
    """Make tables, topics and the configuration."""
    keys = {
        name: base64.b64encode(os.urandom(32)).decode()
        for name in ("pseudonym_key", "encryption_key")
    }
    settings = KafkaSettings(bootstrap_servers=broker)
    client = kafka.connect(settings)
    with closing(client.admin()) as admin:
        forever = {category.topic: TopicSettings(retention="forever") for category in Category}
        for spec in declared(forever):
            admin.create(spec)
    producer = Producer(
        {"bootstrap.servers": broker, "compression.type": "lz4", "linger.ms": 50, "acks": "1"}
    )
    today = dt.datetime.now(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    first = today - (options.days - 1) * DAY
    pseudonym = Pseudonymiser(base64.b64decode(keys["pseudonym_key"]), "k1")
    wanted = sought(first, options.days, pseudonym)
    for category, share in SHARES.items():
        filler = Filler(category, place, client, producer)
        for number in range(options.days):
            start = first + number * DAY
            special = [
                one
                for one in wanted.events
                if one.category is category and one.event_time.date() == start.date()
            ]
            filler.day(start, max(round(options.rows * share / options.days), 2), special)
    producer.flush()
    configuration = {
        "data_dir": str(place / "data"),
        "privacy": keys,
        "consumers": {CONSUMER: {"uri": str(place / "lake")}},
    }
    (place / "kafka_config.yaml").write_text(yaml.safe_dump(configuration))
    (place / SOUGHT).write_bytes(msgspec.json.encode(wanted))
    return wanted


class Took(NamedTuple):
    """Seconds of one command: by the clock on the wall, and of a processor."""

    wall: float
    cpu: float


def took(
    place: Path, broker: str, client: str, code: int, *arguments: str, stdin: str = ""
) -> Took:
    """Run a command and measure it."""
    command = [sys.executable, "-m", "pixstream.cli", "--config", str(place / "kafka_config.yaml")]
    command += ["--set", f"kafka.client={client}", "--set", f"kafka.bootstrap_servers={broker}"]
    compiled = {n: v for n, v in os.environ.items() if n != "PYTHONDONTWRITEBYTECODE"}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(
        [*command, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        env=compiled,
    )
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != code:
        raise SystemExit(f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Took(wall, cpu)


def main() -> None:
    """Fill, ask, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of all tables together")
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--times", type=int, default=3, help="how often each command is run")
    parser.add_argument("--clients", nargs="+", choices=CLIENTS, default=CLIENTS)
    parser.add_argument("--place", type=Path, help="keep everything there, and use it again")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        report(measure(options.place or Path(name), options), options)


def measure(place: Path, options: argparse.Namespace) -> dict[str, list[Took]]:
    """Fill the place, unless it is filled, and run every case."""
    broker = EmbeddedBroker(place / "kafka")
    try:
        address = broker.start()
        if (place / SOUGHT).exists():
            wanted = msgspec.json.decode((place / SOUGHT).read_bytes(), type=Sought)
        else:
            wanted = fill(place, address, options)
        unknown = f"{(wanted.normal.end_to_end_id or '')[:21]}nosuchpayme"
        why = ("--why", "benchmark")
        cases: dict[str, tuple[int, tuple[str, ...], str]] = {
            "payment": (0, ("trace", str(wanted.normal.end_to_end_id)), ""),
            "returned": (0, ("trace", str(wanted.returned.end_to_end_id)), ""),
            "by_return": (0, ("trace", str(wanted.back.return_id)), ""),
            "not_there": (3, ("trace", unknown), ""),
            "txid": (0, ("trace", str(wanted.normal.txid)), ""),
            "person": (0, ("find", "--document", "--since", "40d", *why), wanted.document),
        }
        take = partial(took, place, address)
        take(CLIENTS[0], 0, *cases["payment"][1])  # Python compiles itself only once
        return {
            f"{case}, {client}": [
                take(client, code, *arguments, stdin=stdin) for _ in range(options.times)
            ]
            for client in options.clients
            for case, (code, arguments, stdin) in cases.items()
        }
    finally:
        broker.kill()


def report(found: dict[str, list[Took]], options: argparse.Namespace) -> None:
    """Print a table for people and a JSON object for machines."""
    print(f"{options.rows:,} rows and as many records over {options.days} days")
    print(f"{'case':<28}{'wall s':>8}{'CPU s':>8}")
    result: dict[str, Any] = {"rows": options.rows, "days": options.days}
    for case, some in found.items():
        wall, cpu = (statistics.median(column) for column in zip(*some, strict=True))
        print(f"{case:<28}{wall:>8.2f}{cpu:>8.2f}")
        result[case.replace(", ", "_")] = {"wall_s": round(wall, 2), "cpu_s": round(cpu, 2)}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
