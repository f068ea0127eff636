"""A power cut at any moment, on a model of a local disk.

A real run is recorded: what the directory held before and after each fsync and each step of
deltalake, and what of it had been synced. The model is strict: a file that was not synced may be
absent, empty, cut, older or whole, independently of every other, and so may the name of a file
in a directory that was not synced; a name that was deleted may come back. From each moment of the
record the states that a disk may be in afterwards are built, the consumer is started on each, and
resumes at the offsets in the table.
"""

import datetime as dt
import os
import random
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from deltalake.table import TableAlterer

from pixstream.columns.batch import EventBatch
from pixstream.consumers.delta_lake.consumer import DeltaLake
from pixstream.errors import PixstreamError
from pixstream.kafka.ports import TopicIdPartition
from pixstream.lab.demo import tables
from pixstream.lake import append, files, maintenance, opening
from pixstream.lake.log import durability
from pixstream.testing import event, rows

State = Mapping[str, bytes]

BATCH = 3
WHERE = TopicIdPartition("pix.pagamentos", "id-1", 0)
NOON = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
STATES = 160
"""So many of the states are tried, drawn with a seed; a run gives twice as many."""
TABLE = "data/lake/pagamentos"
LOG = f"{TABLE}/_delta_log"


class Found(NamedTuple):
    """A file as the running machine sees it."""

    inode: int
    content: bytes


class Moment(NamedTuple):
    """What a power cut at one moment may leave of each file: one of these, None for absent."""

    step: str
    confirmed: int
    options: dict[str, list[bytes | None]]


class Disk:
    """Records a directory: what the machine sees, and what of it has been synced."""

    def __init__(self, root: Path, patch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.confirmed = 0
        """The offset that Kafka has been told."""
        self.moments: list[Moment] = []
        self.order: list[tuple[str, str]] = []
        self._seen: set[Path] = set()
        self._contents: dict[tuple[Path, int], bytes] = {}
        self._names: dict[Path, dict[str, int]] = {}
        fsync = os.fsync

        def recording(descriptor: int) -> None:
            path = Path(f"/proc/self/fd/{descriptor}").readlink()
            if not path.is_relative_to(root):
                return fsync(descriptor)
            self.look(f"before fsync of {path.name}")
            fsync(descriptor)
            self._sync(path)
            self.order.append(("fsync", self._name(path)))
            return self.look(f"after fsync of {path.name}")

        patch.setattr(os, "fsync", recording)
        for owner, name in (
            (pq, "write_table"),
            (DeltaTable, "create"),
            (DeltaTable, "create_write_transaction"),
            (DeltaTable, "create_checkpoint"),
            (DeltaTable, "cleanup_metadata"),
            (DeltaTable, "vacuum"),
            (TableAlterer, "set_table_properties"),
        ):
            patch.setattr(owner, name, self._watched(name, getattr(owner, name)))

    def _watched(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*arguments: Any, **options: Any) -> Any:
            self.look(f"before {name}")
            result = function(*arguments, **options)
            self.look(f"after {name}")
            return result

        return watched

    def _name(self, path: Path) -> str:
        return str(path.relative_to(self.root))

    def _files(self) -> dict[Path, Found]:
        return {
            path: Found(path.stat().st_ino, path.read_bytes())
            for path in sorted(self.root.rglob("*"))
            if path.is_file()
        }

    def _sync(self, path: Path) -> None:
        if path.is_dir():
            self._names[path] = {entry.name: entry.stat().st_ino for entry in path.iterdir()}
        else:
            self._contents[path, path.stat().st_ino] = path.read_bytes()

    def confirm(self, offset: int) -> None:
        """Note that `write` has returned: the consumer may tell Kafka this offset."""
        self.confirmed = offset
        self.order.append(("confirmed", str(offset)))
        self.look("confirmed to Kafka")

    def look(self, step: str) -> None:
        """Note what a power cut just now may leave."""
        seen = self._files()
        self.order.extend(("made", self._name(path)) for path in sorted(seen.keys() - self._seen))
        self._seen = set(seen)
        gone = [
            directory / name
            for directory, names in self._names.items()
            for name, inode in names.items()
            if (directory / name, inode) in self._contents and directory / name not in seen
        ]
        options = {self._name(path): self._left(path, seen.get(path)) for path in [*seen, *gone]}
        self.moments.append(Moment(step, self.confirmed, options))

    def _left(self, path: Path, now: Found | None) -> list[bytes | None]:
        """What may be left of one file, the least first."""
        known = self._names.get(path.parent, {}).get(path.name) if self._led_to(path) else None
        left: list[bytes | None] = [
            None if known is None else self._contents.get((path, known), b"")
        ]
        if now is None:
            return [*left, None]
        if known is None or known != now.inode or left[0] != now.content:
            left += [now.content]
            if self._contents.get((path, now.inode)) != now.content:
                half = now.content[: len(now.content) // 2]
                zeros = half + bytes(len(now.content) - len(half))
                line = now.content[: now.content[:-1].rfind(b"\n") + 1]
                left += [b"", half, zeros, line]
        return left

    def _led_to(self, path: Path) -> bool:
        """Whether the names of all directories above a file are on the disk."""
        above = [p for p in path.parents if p != self.root and p.is_relative_to(self.root)]
        return all(p.name in self._names.get(p.parent, {}) for p in above)


def states(moments: list[Moment], rng: random.Random) -> Iterator[tuple[Moment, State]]:
    """The states that a disk may be in: all least, all most, each file alone otherwise, mixed."""
    seen: set[tuple[int, frozenset[tuple[str, bytes | None]]]] = set()
    for moment in moments:
        risky = {name: left for name, left in moment.options.items() if len(left) > 1}
        fixed = {name: left[0] for name, left in moment.options.items() if len(left) == 1}
        choices = [{n: left[0] for n, left in risky.items()}]
        most = {n: left[1] for n, left in risky.items()}
        choices.append(most)
        choices += [most | {n: one} for n, left in risky.items() for one in left]
        choices += [{n: rng.choice(left) for n, left in risky.items()} for _ in range(3)]
        for choice in choices:
            state = fixed | choice
            key = moment.confirmed, frozenset(state.items())
            if key not in seen:
                seen.add(key)
                yield moment, {n: content for n, content in state.items() if content is not None}


class Run:
    """A recorded run, with all that Kafka held of it; and the consumer after a power cut."""

    def __init__(self, place: Path, rows: Any) -> None:
        self.place = place
        self.rows = rows

    def record(self) -> Disk:
        """Eight commits, with all that the consumer does beside them: merge, checkpoint, sweep."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(maintenance, "ENOUGH", 2)
            patch.setattr(append, "_SWEEP_SECONDS", 0.0)
            quickly = {
                "delta.logRetentionDuration": "interval 0 seconds",
                "delta.deletedFileRetentionDuration": "interval 0 seconds",
            }
            patch.setattr(opening, "PROPERTIES", opening.PROPERTIES | quickly)
            machine = self.place / "machine"
            machine.mkdir()
            disk = Disk(machine, patch)
            lake = DeltaLake(type="delta_lake", uri=str(machine / "data/lake"), maintain_every=3)
            for first in range(0, self.rows.num_rows, BATCH):
                part = self.rows.slice(first, BATCH)
                end = first + part.num_rows
                lake.write(EventBatch(part, {WHERE: end}, "cluster"), refuse)
                disk.confirm(end)
        return disk

    def fault(self, number: int, moment: Moment, state: State) -> str:
        """Start the consumer on a state and read on; what is wrong then, "" where nothing is."""
        root = self.place / f"cut-{number}"
        for name, content in state.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        lake = DeltaLake(type="delta_lake", uri=str(root / "data/lake"), fsync=False)
        end = self.rows.num_rows
        try:
            offset = lake.offsets([WHERE], "cluster").get(WHERE, 0)
            if offset < moment.confirmed:
                return f"{moment.step}: {offset} is told, {moment.confirmed} was confirmed"
            lake.write(EventBatch(self.rows.slice(offset), {WHERE: end}, "cluster"), refuse)
        except PixstreamError as error:
            return f"{moment.step}: {error}"
        table = tables.read(root / TABLE)
        assert table is not None
        held, wanted = table["event_id"].to_pylist(), set(self.rows["event_id"].to_pylist())
        return "" if sorted(held) == sorted(wanted) else f"{moment.step}: {len(held)} rows"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Twenty events of two days, one of them told twice."""
    later = NOON + dt.timedelta(days=1)
    events = [event(n, time=NOON if n < 12 else later) for n in range(20)]
    return Run(tmp_path, rows([*events, events[3]]))


def refuse(rows: Any, reason: str) -> None:
    raise AssertionError(reason, rows)


def sample(disk: Disk) -> list[tuple[Moment, State]]:
    rng = random.Random(7)
    found = list(states(disk.moments, rng))
    return rng.sample(found, min(STATES, len(found)))


def test_whatever_a_power_cut_leaves_each_event_comes_once(run: Run) -> None:
    some = sample(run.record())
    assert len(some) == STATES
    faults = [run.fault(n, moment, state) for n, (moment, state) in enumerate(some)]
    assert not any(faults)


@pytest.mark.parametrize(
    ("owner", "name"),
    [(files, "_sync"), (durability, "sync_log"), (durability, "sync_way")],
)
def test_the_model_finds_an_order_that_is_wrong(
    run: Run, owner: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, name, lambda *_: None)
    some = sample(run.record())
    monkeypatch.undo()
    assert any(run.fault(n, moment, state) for n, (moment, state) in enumerate(some))


def test_rows_then_their_directories_then_the_log_then_kafka(run: Run) -> None:
    order = run.record().order
    made = [path for step, path in order if step == "made"]
    for path in made:
        parent, _, name = path.rpartition("/")
        written = order.index(("made", path))
        if parent == LOG and name.endswith(".json") and int(name.split(".")[0]) > 0:
            confirmed = next(
                n for n, (s, _) in enumerate(order) if s == "confirmed" and n > written
            )
            assert ("fsync", path) in order[written:confirmed]
            assert ("fsync", LOG) in order[written:confirmed]
        elif path.endswith(".parquet") and parent != LOG:
            named = next(
                n for n, (s, p) in enumerate(order) if n > written and s == "made" and LOG in p
            )
            for synced in (path, parent, TABLE):
                assert ("fsync", synced) in order[written:named], synced
    before = order[: order.index(("confirmed", str(BATCH)))]
    for synced in (f"{LOG}/{0:020}.json", LOG, TABLE, "data/lake", "data", "."):
        assert ("fsync", synced) in before
    assert sum(path.endswith(".checkpoint.parquet") for path in made) == 2
    assert sum("event_date=" in path for path in made) > run.rows.num_rows // BATCH
