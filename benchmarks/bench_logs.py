"""What log lines cost: the same events through the loops, with lines and without, in one run.

Drafts become events, records of a Kafka in memory, and rows of Delta tables, twice in turn for
each round: with the lines of batches and a sample of 1 in 1000 written to a file, and with the
logger `pixstream.batches` off and no sample. Kafka itself costs nothing here, so the shares are
larger than with a broker; delivery reports, which give producers their offsets, cost half a
microsecond an event more with confluent-kafka (docs/adr/0008). CPU seconds are the process's.

    python benchmarks/bench_logs.py --events 50000

The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime as dt
import json
import random
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pixstream import logs
from pixstream.breaker import RetrySettings
from pixstream.config.settings import Settings
from pixstream.consumers.delta_lake.consumer import DeltaLake
from pixstream.dead_letters import LetterWriter
from pixstream.event import identifiers
from pixstream.event.model import Draft, Person
from pixstream.event.sealing import Sealer
from pixstream.kafka.memory import MemoryKafka
from pixstream.kafka.topics.declared import declared
from pixstream.logs import LoggingSettings
from pixstream.loops.consume import ConsumeLoop
from pixstream.loops.produce import ProduceLoop
from pixstream.metrics.records import WRITTEN
from pixstream.plugins.component import BatchLimits
from pixstream.plugins.producer import Position, Producer, Reading, Stream
from pixstream.privacy import Pseudonymiser, Vault

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROUNDS = 5  # the quietest counts
START = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
VAULT = Vault(bytes(range(32)), "k1")
RETRY = RetrySettings()
SAMPLE = 1000


@dataclasses.dataclass(kw_only=True)
class Source(Producer):
    """Drafts, then the end."""

    type: str = "source"

    def play(self, drafts: list[Draft], stop: threading.Event) -> None:
        self.drafts, self.stop = drafts, stop

    def read(self, since: Mapping[Stream, Position]) -> Iterator[Reading | None]:
        del since
        for number, draft in enumerate(self.drafts, 1):
            yield Reading(stream="s", position=str(number), content=draft)
        self.stop.set()
        yield None


class Enough(threading.Event):
    """Asks a consumer to end when it has written so many events."""

    def __init__(self, events: int) -> None:
        super().__init__()
        self.events = events
        self.loop: ConsumeLoop | None = None

    def is_set(self) -> bool:
        return self.loop is not None and self.loop.counts[WRITTEN.short] >= self.events


def drafts(events: int) -> list[Draft]:
    rng = random.Random(14)
    return [
        Draft(
            message="api_pix.pix",
            end_to_end_id=identifiers.e2e("12345678", START, rng),
            amount=f"{rng.randrange(1, 9999)}.{rng.randrange(100):02}",
            event_time=(START + dt.timedelta(seconds=n)).isoformat(),
            payer=Person(document=identifiers.generate_cpf(rng), ispb="12345678"),
            payee=Person(key=identifiers.generate_cpf(rng), ispb="87654321"),
        )
        for n in range(events)
    ]


def one_round(found: list[Draft], directory: Path, *, lines: bool) -> dict[str, float]:
    """Return CPU seconds of producing and of consuming."""
    settings = LoggingSettings(
        file=str(directory / "log"), levels={} if lines else {"pixstream.batches": "WARNING"}
    )
    logs.configure(settings, "bench", 0)
    kafka = MemoryKafka()
    for spec in declared(Settings().topics):
        kafka.client().admin().create(spec)
    stop = threading.Event()
    source = Source()
    source.play(found, stop)
    letters = LetterWriter("bench", VAULT, 2**20, directory)
    sealer = Sealer(Pseudonymiser(bytes(32), "k1"), VAULT)
    client = kafka.client()
    producing = ProduceLoop(
        source, client, sealer, letters, max_event_bytes=2**20, retry=RETRY, stop=stop
    )
    table = DeltaLake(
        type="delta_lake",
        uri=str(directory / "lake"),
        batch=BatchLimits(rows=5_000, seconds=0.05),
    )
    enough = Enough(len(found))
    consuming = ConsumeLoop(table, client, letters, retry=RETRY, stop=enough)
    enough.loop = consuming
    for loop in (producing, consuming):
        loop.lines.sample = SAMPLE if lines else 0
    spent = {}
    for name, loop in (("produce", producing), ("consume", consuming)):
        began = time.process_time()
        loop.run()
        spent[name] = time.process_time() - began
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=50_000)
    events = parser.parse_args().events
    found = drafts(events)
    best: dict[str, float] = {}
    for _ in range(ROUNDS):
        for lines in (False, True):
            with tempfile.TemporaryDirectory() as directory:
                for name, spent in one_round(found, Path(directory), lines=lines).items():
                    key = f"{name}_{'with' if lines else 'without'}"
                    best[key] = min(best.get(key, spent), spent)
    result = {name: round(spent / events * 1e6, 2) for name, spent in sorted(best.items())}
    for name in ("produce", "consume"):
        share = best[f"{name}_with"] / best[f"{name}_without"] - 1
        result[f"{name}_share_percent"] = round(share * 100, 1)
        print(f"{name}: {share:+.1%} CPU an event")
    print(json.dumps({"unit": "CPU microseconds an event", "events": events, **result}))


if __name__ == "__main__":
    main()
