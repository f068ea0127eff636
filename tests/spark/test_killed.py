"""The driver is killed in the middle of batches; nothing is lost, nothing comes twice."""

import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from deltalake import DeltaTable

from pixstream.processes.component import ChildSpec
from pixstream.spark import session
from pixstream.testing import event
from pixstream.testing.waiting import wait_for

pytestmark = [pytest.mark.broker, pytest.mark.spark]


@pytest.fixture
def config(place: Any) -> Path:
    """A file for the component's own process, on the place's Kafka and directory."""
    lack = session.missing()
    if lack is not None:
        pytest.skip(f"Spark cannot run here: {lack}")
    file = Path(place.directory) / "kafka_config.yaml"
    settings = {
        "data_dir": str(place.directory),
        "privacy": {
            "pseudonym_key": place.privacy.pseudonym_key,
            "encryption_key": place.privacy.encryption_key,
        },
        "kafka": {"bootstrap_servers": place.kafka.bootstrap_servers},
        "spark": msgspec.to_builtins(place.spark),
        "consumers": {"spark": {"batch": {"rows": 300, "seconds": 0.5}}},
    }
    file.write_text(yaml.safe_dump(settings))
    return file


@contextmanager
def driver(config: Path) -> Iterator["subprocess.Popen[bytes]"]:
    order = ChildSpec(
        config_path=str(config), environment=None, overrides=[], name="spark", replica=0
    )
    command = [sys.executable, "-m", "pixstream.processes.component"]
    with (config.parent / "driver.log").open("ab") as log:
        process = subprocess.Popen([*command, msgspec.json.encode(order).decode()], stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def batches(place: Any, kind: str) -> set[int]:
    directory = Path(place.spark.checkpoints) / "ingest" / kind
    found = directory.iterdir() if directory.is_dir() else ()
    return {int(file.name) for file in found if file.name.isdigit()}


def in_batch(place: Any) -> Callable[[], bool]:
    """Tells whether a batch has begun that was not there before, and has not ended."""
    former = batches(place, "commits")
    return lambda: bool(batches(place, "offsets") - batches(place, "commits") - former)


def wait(done: Callable[[], object], process: "subprocess.Popen[bytes]") -> None:
    wait_for(done, "the driver", alive=lambda: process.poll() is None, every=0.05)


def rows(place: Any, table: str, columns: list[str]) -> list[tuple[Any, ...]]:
    path = Path(place.spark.path) / table
    if not DeltaTable.is_deltatable(str(path)):
        return []
    found = DeltaTable(str(path)).to_pyarrow_table(columns=columns).to_pylist()
    return [tuple(row[name] for name in columns) for row in found]


def strike(place: Any, config: Path, kills: int) -> None:
    """Kill the driver so many times in the middle of a batch, then let it come to the end."""
    seed = int(os.environ.get("SPARK_SEED", time.time_ns()))
    chance = random.Random(seed)
    told = 0
    for _ in range(kills):
        place.tell([event(n) for n in range(max(0, told - 50), told + 400)])
        told += 400
        with driver(config) as process:
            wait(in_batch(place), process)
            time.sleep(chance.uniform(0, 6))
    wanted = {event(n).event_id for n in range(told)}

    def arrived() -> bool:
        silver = {row[0] for row in rows(place, "pagamentos", ["event_id"])}
        waiting = batches(place, "offsets") - batches(place, "commits")
        return silver >= wanted and not waiting

    with driver(config) as process:
        wait(arrived, process)
        process.terminate()
        assert process.wait() == 0
    bronze = rows(place, "bronze", ["topic", "partition", "offset"])
    silver = Counter(rows(place, "pagamentos", ["event_id"]))
    assert len(bronze) == len(set(bronze)) == told + 50 * (kills - 1), f"seed {seed}"
    assert set(silver.values()) == {1}, f"seed {seed}"
    assert {one for (one,) in silver} == wanted, f"seed {seed}"


def test_the_driver_killed_in_mid_batch_loses_and_doubles_nothing(place: Any, config: Path) -> None:
    strike(place, config, 1)


@pytest.mark.campaign
@pytest.mark.timeout(7200)
def test_the_driver_killed_ten_times_in_mid_batch_loses_and_doubles_nothing(
    place: Any, config: Path
) -> None:
    strike(place, config, 10)
