"""What it costs to keep each event once: `event_id` looked up in memory, and in the table.

Two tables of `--rows` events are made: one of `--dates` dates, in a file each, and one of a single
day. Batches of `--batch` new events are then written to them by the `delta_lake` consumer, each
case in a process of its own: all dated where ids are in memory; 1 % or 10 % of them dated before
the floor, so that they are looked up in the table; and, on the single day, more ids than
`known_ids`, so that every event is looked up. fsync is off: it costs the same in every case.

    python benchmarks/bench_dedup.py

The last line is one JSON object. Times are CPU milliseconds a batch, the least of `--batches`: they
carry over to other machines, wall times do not.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa

from pixstream.columns.batch import EventBatch
from pixstream.columns.decoding import decode
from pixstream.consumers.delta_lake.consumer import DeltaLake
from pixstream.event import routing
from pixstream.event.categories import Category
from pixstream.event.model import Direction, Party, PixEvent, Status, encode
from pixstream.kafka.ports import Record, TopicIdPartition
from pixstream.lake import files
from pixstream.lake.known_ids import KnownIds
from pixstream.lake.location import Location
from pixstream.lake.table import LakeTable

CASES = ("memory", "recent", "old 1 %", "old 10 %", "one large day")
LAST = dt.date(2026, 11, 20)
WHERE = TopicIdPartition("pix.pagamentos", "id", 0)


def template() -> pa.Table:
    """One decoded row."""
    noon = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
    names = ("txid", "return_id", "initiation", "purpose", "reason", "channel", "device_id", "ip")
    event = PixEvent(
        event_id=routing.event_id(Category.PAGAMENTO, "E", Status.SETTLED),
        category=Category.PAGAMENTO,
        direction=Direction.OUT,
        end_to_end_id="E",
        amount_centavos=1234,
        currency="BRL",
        event_time=noon,
        source_time=noon,
        ingested_at=noon,
        status=Status.SETTLED,
        payer=Party(ispb="12345678", document="k1.abcdefghijklmnopqrstuv"),
        payee=Party(ispb="87654321", document="k1.abcdefghijklmnopqrstuv"),
        device_os=None,
        source="bench",
        source_ref=None,
        flags=[],
        revision=0,
        extra={},
        schema_version=1,
        **dict.fromkeys(names),
    )
    return decode([Record(WHERE.topic, 0, 0, 0, None, encode(event), ())]).table


def events(row: pa.Table, dates: list[dt.date], first: int = 0) -> pa.Table:
    """A new event for each of these dates, at offsets from `first` on."""
    count = len(dates)
    noise = os.urandom(22 * count).hex()
    ids = [noise[44 * n : 44 * n + 32] for n in range(count)]
    ends = [noise[44 * n + 32 : 44 * n + 43] for n in range(count)]
    midnight = dt.time(tzinfo=dt.UTC)
    columns = {
        "event_id": ids,
        "end_to_end_id": [f"E12345678{d:%Y%m%d}0000{e}" for d, e in zip(dates, ends, strict=True)],
        "event_time": [dt.datetime.combine(date, midnight) for date in dates],
        "event_date": dates,
        "_offset": range(first, first + count),
    }
    table = row.take(pa.array([0] * count))
    for name, values in columns.items():
        at = table.schema.get_field_index(name)
        field = table.schema.field(at)
        table = table.set_column(at, field, pa.array(values, field.type))
    return table


def fill(place: Path, rows: int, dates: int) -> None:
    """Make a table of so many rows over so many dates, by 50,000 rows a file at most."""
    table = LakeTable(Location(str(place), "pagamentos", fsync=False))
    row = template()
    share = rows // dates
    for back in range(dates):
        for first in range(0, share, files.ROW_GROUP):
            days = [LAST - dt.timedelta(days=back)] * min(files.ROW_GROUP, share - first)
            table.commit(files.write(table.location, events(row, days), "zstd"))
            table.refresh()


def run(case: str, place: Path, options: argparse.Namespace) -> dict[str, float]:
    """Run one case; what it cost."""
    made = place / ("day" if case == "one large day" else "dates")
    lake = place / case
    shutil.copytree(made, lake, copy_function=os.link)  # no case sees another's rows
    if case == "memory":
        return memory(LakeTable(Location(str(lake), "pagamentos", fsync=False)), options.rows)
    consumer = DeltaLake(
        type="delta_lake",
        uri=str(lake),
        known_ids=options.rows // 2,
        fsync=False,
        maintain_every=0,
    )
    consumer.name = case  # offsets of its own
    shares = {"old 1 %": 0.01, "old 10 %": 0.1}
    old = int(options.batch * shares.get(case, 0))
    age = options.dates * 3 // 4
    row = template()
    times = []
    for number in range(options.batches + 1):
        back = [age - n % (options.dates // 4) for n in range(old)] + [0] * (options.batch - old)
        days = [LAST - dt.timedelta(days=days) for days in back]
        first = number * options.batch
        table = events(row, days, first)
        start = time.process_time()
        consumer.write(EventBatch(table, {WHERE: first + options.batch}, "cluster"), refuse)
        times.append((time.process_time() - start) * 1000)
    if consumer.counts["written"] != options.batch * (options.batches + 1):
        raise SystemExit(f"{case}: not every new event was written")
    return {"start_ms": times[0], "batch_ms": min(times[1:])}


def memory(table: LakeTable, rows: int) -> dict[str, float]:
    """Learn every id of the table."""
    ids = KnownIds(table, rows)
    before = psutil.Process().memory_info().rss
    start = time.process_time()
    ids.catch_up()
    seconds = time.process_time() - start
    grown = psutil.Process().memory_info().rss - before
    return {"bytes_per_id": grown / len(ids.dates), "load_us_per_id": seconds / rows * 1e6}


def refuse(rows: Any, reason: str) -> None:
    """No row of this benchmark is refused."""
    raise AssertionError(reason, rows)


def main() -> None:
    """Make the tables, run every case in its own process and print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=2_000_000, help="rows of each table")
    parser.add_argument("--dates", type=int, default=120)
    parser.add_argument("--batch", type=int, default=10_000, help="new events a batch")
    parser.add_argument("--batches", type=int, default=5)
    parser.add_argument("--case", choices=CASES, help=argparse.SUPPRESS)
    parser.add_argument("--place", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        print(json.dumps(run(options.case, options.place, options)))
        return
    with tempfile.TemporaryDirectory() as place:
        fill(Path(place) / "dates", options.rows, options.dates)
        fill(Path(place) / "day", options.rows, 1)
        found = {}
        for case in CASES:
            command = [sys.executable, __file__, *sys.argv[1:], "--case", case, "--place", place]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
            found[case] = json.loads(done.stdout)
    report(found, options)


def report(found: dict[str, dict[str, float]], options: argparse.Namespace) -> None:
    """Print a table for people and a JSON object for machines."""
    known = found.pop("memory")
    print(f"tables of {options.rows} rows, known_ids {options.rows // 2}, {options.batch} a batch")
    print(
        f"memory {known['bytes_per_id']:.0f} bytes an id, {known['load_us_per_id']:.2f} µs to load"
    )
    print(f"{'case':<16}{'ms a batch':>12}{'more than recent':>18}{'first batch ms':>16}")
    base = found["recent"]["batch_ms"]
    result = {name: round(value, 2) for name, value in known.items()}
    for case, cost in found.items():
        more = cost["batch_ms"] - base
        print(f"{case:<16}{cost['batch_ms']:>12.0f}{more:>+18.0f}{cost['start_ms']:>16.0f}")
        name = case.replace(" %", "_percent").replace(" ", "_")
        result[f"{name}_batch_ms"] = round(cost["batch_ms"])
        result[f"{name}_first_batch_ms"] = round(cost["start_ms"])
    print(json.dumps(result))


if __name__ == "__main__":
    main()
