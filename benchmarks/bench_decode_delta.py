"""What decoding events and writing them to Delta costs, beside the obvious way of doing it.

Each stage runs in a process of its own, so that its CPU time and its peak memory are its own:
`generate` only makes the records (subtracted from the others), `plain decode` is json.loads and
`Table.from_pylist`, `decode` is pixstream's; the two with `+ delta` also write the batches, plainly
with write_deltalake, or through the `delta_lake` consumer with its duplicate check, its offsets
and fsync. CPU seconds per million events carry over to other machines; wall times do not.

    python benchmarks/bench_decode_delta.py --events 100000

The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import base64
import datetime as dt
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from deltalake import write_deltalake

from pixstream.columns.batch import EventBatch
from pixstream.columns.decoding import decode
from pixstream.consumers.delta_lake.consumer import DeltaLake
from pixstream.event import identifiers, routing
from pixstream.event.categories import Category
from pixstream.event.model import Direction, Party, PixEvent, Status, encode
from pixstream.kafka.ports import Record, TopicIdPartition

if TYPE_CHECKING:
    from collections.abc import Iterator

STAGES = ("generate", "plain decode", "decode", "plain decode + delta", "decode + delta")
PARTITIONS = 4
RUNS = 3  # the quietest counts
START = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)


def event(rng: random.Random, when: dt.datetime) -> PixEvent:
    """A settled payment with most of its fields filled."""

    def pseudonym() -> str:
        return "k1." + base64.urlsafe_b64encode(rng.randbytes(16))[:22].decode()

    def party(ispb: str) -> Party:
        document = pseudonym()
        return Party(
            ispb=ispb,
            branch="0001",
            account=pseudonym(),
            document=document,
            document_type="cpf",
            account_type="CACC",
            key=rng.choice([document, pseudonym()]),
            key_type=rng.choice(["cpf", "phone", "email", "evp"]),
        )

    e2e = identifiers.e2e("12345678", when, rng)
    return PixEvent(
        event_id=routing.event_id(Category.PAGAMENTO, e2e, Status.SETTLED),
        category=Category.PAGAMENTO,
        direction=Direction.OUT,
        end_to_end_id=e2e,
        return_id=None,
        txid=rng.randbytes(13).hex() if rng.randrange(2) else None,
        amount_centavos=rng.randrange(1, 10**6),
        currency="BRL",
        event_time=when,
        source_time=when,
        ingested_at=when + dt.timedelta(milliseconds=rng.randrange(900)),
        status=Status.SETTLED,
        payer=party("12345678"),
        payee=party(rng.choice(["87654321", "00000000", "60701190"])),
        initiation=rng.choice(["MANU", "DICT", "QRDN"]),
        purpose="IPAY",
        reason=None,
        channel=rng.choice([None, "app", "web"]),
        device_id=None,
        device_os=None,
        ip=None,
        source="system_log",
        source_ref=f"app.log:{rng.randrange(10**9)}",
        flags=[],
        revision=0,
        extra={"sealed": base64.b64encode(rng.randbytes(96)).decode()},
        schema_version=1,
    )


def batches(events: int, rows: int) -> Iterator[list[Record]]:
    """The same records for every stage, a batch at a time."""
    rng = random.Random(7)
    for first in range(0, events, rows):
        yield [
            Record(
                "pix.pagamentos",
                n % PARTITIONS,
                n // PARTITIONS,
                int(START.timestamp() * 1000) + n,
                None,
                encode(event(rng, START + dt.timedelta(milliseconds=500 * n))),
                (),
            )
            for n in range(first, min(first + rows, events))
        ]


def run(stage: str, events: int, rows: int, place: Path) -> dict[str, float]:
    """Run one stage; CPU seconds without making the records, wall seconds, peak MB."""
    lake = DeltaLake(type="delta_lake", uri=str(place / "lake"))
    cpu = wall = size = 0.0
    for records in batches(events, rows):
        size += sum(len(record.value or b"") for record in records)
        cpu_before, wall_before = time.process_time(), time.perf_counter()
        if stage.startswith("plain"):
            table = pa.Table.from_pylist([json.loads(record.value or b"") for record in records])
            if "delta" in stage:
                # An all-null column has no type that Delta knows.
                typed = [f.name for f in table.schema if not pa.types.is_null(f.type)]
                flat = table.select([name for name in typed if name != "flags"])
                write_deltalake(str(place / "plain"), flat, mode="append")
        elif stage != "generate":
            table = decode(records).table
            if "delta" in stage:
                write(lake, table)
        cpu += time.process_time() - cpu_before
        wall += time.perf_counter() - wall_before
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"cpu": cpu, "wall": wall, "peak_mb": peak, "bytes": size / events}


def write(lake: DeltaLake, table: pa.Table) -> None:
    """Hand a batch to the consumer as the framework does."""
    ends: dict[TopicIdPartition, int] = {}
    for partition, offset in zip(
        table["_partition"].to_pylist(), table["_offset"].to_pylist(), strict=True
    ):
        ends[TopicIdPartition("pix.pagamentos", "id", partition)] = offset + 1
    lake.write(EventBatch(table, ends, "cluster"), refuse)


def refuse(rows: Any, reason: str) -> None:
    """No row of this benchmark is refused."""
    raise AssertionError(reason, rows)


def main() -> None:
    """Run every stage in its own process and print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--rows", type=int, default=50_000, help="rows a batch")
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        if options.stage:
            print(json.dumps(run(options.stage, options.events, options.rows, Path(place))))
            return
    found: dict[str, dict[str, float]] = {}
    sizes = ["--events", str(options.events), "--rows", str(options.rows)]
    for stage in STAGES:
        command = [sys.executable, __file__, *sizes, "--stage", stage]
        runs = [subprocess.run(command, check=True, capture_output=True) for _ in range(RUNS)]
        found[stage] = min((json.loads(r.stdout) for r in runs), key=lambda run: run["cpu"])
    report(found, options.events)


def report(found: dict[str, dict[str, float]], events: int) -> None:
    """Print a table for people and a JSON object for machines."""
    print(f"{events} events of {found['decode']['bytes']:.0f} bytes")
    print(f"{'stage':<22}{'CPU-s/M':>9}{'µs/row':>8}{'rows/s':>10}{'peak MB':>9}{'x plain':>9}")
    result: dict[str, float] = {}
    base = found["generate"]["peak_mb"]
    for stage in STAGES[1:]:
        cpu = found[stage]["cpu"] / events * 1e6
        plain = found[stage if stage.startswith("plain") else f"plain {stage}"]["cpu"]
        ratio = plain / found[stage]["cpu"]
        rate = events / found[stage]["wall"]
        peak = found[stage]["peak_mb"] - base
        print(f"{stage:<22}{cpu:>9.1f}{cpu:>8.1f}{rate:>10.0f}{peak:>+9.0f}{ratio:>9.1f}")
        name = stage.replace(" + ", "_").replace(" ", "_")
        result |= {f"{name}_cpu_s_per_million": round(cpu, 2), f"{name}_ratio": round(ratio, 2)}
        result[f"{name}_peak_mb"] = round(peak)
    print("peak MB is above that of a process that only makes the records")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
