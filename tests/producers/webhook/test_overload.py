"""The webhook under more than it can take, and with what banks really send: again, out of order."""

import asyncio
import contextlib
import datetime as dt
import json
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import httpx2
import msgspec
import pytest

from pixstream.backoff import BackoffSettings
from pixstream.columns.batch import EventBatch
from pixstream.columns.decoding import decode
from pixstream.config.settings import Settings
from pixstream.consumers.delta_lake.consumer import DeltaLake
from pixstream.dead_letters import LetterWriter
from pixstream.errors import ConfigError, Transient
from pixstream.event import identifiers
from pixstream.event.model import PixEvent
from pixstream.event.sealing import Sealer
from pixstream.kafka.memory import MemoryKafka
from pixstream.kafka.names import EVENT_TOPICS
from pixstream.kafka.ports import TopicIdPartition
from pixstream.kafka.topics.declared import declared
from pixstream.lake.location import Location
from pixstream.lake.table import LakeTable
from pixstream.loops.produce import ProduceLoop
from pixstream.plugins.component import BatchLimits
from pixstream.privacy import Pseudonymiser, Vault
from pixstream.producers.webhook.producer import Webhook

WAIT = 600.0
RNG = random.Random(7)
WHEN = dt.datetime(2026, 3, 4, 5, 6, tzinfo=dt.UTC)
VAULT = Vault(bytes(32), "k1")


class Running:
    """The webhook with its loop, on Kafka in memory that can be held up before a commit."""

    def __init__(self, directory: Path, **settings: Any) -> None:
        with socket.create_server(("127.0.0.1", 0)) as held:
            port = held.getsockname()[1]
        self.kafka = MemoryKafka()
        for spec in declared(Settings().topics):
            self.kafka.client().admin().create(spec)
        self.hook = Webhook(type="webhook", port=port, **settings)
        self.url = f"http://127.0.0.1:{port}/pix"
        self.stop = threading.Event()
        self.may_commit = threading.Event()
        self.may_commit.set()
        self.committing = threading.Event()
        self.most_bodies = self.most_bytes = 0
        self.loop = ProduceLoop(
            self.hook,
            self,  # type: ignore[arg-type]  # the part of a client that the loop uses
            Sealer(Pseudonymiser(bytes(32), "k1"), VAULT),
            LetterWriter("webhook", VAULT, 2**20, directory),
            max_event_bytes=2**20,
            retry=BackoffSettings(min_seconds=0.001, max_seconds=0.002),
            stop=self.stop,
        )
        self._thread = threading.Thread(target=self.loop.run)

    def load(self, topic: str, key_prefix: str) -> Mapping[str, bytes]:
        return self.kafka.client().load(topic, key_prefix)

    def outbox(self, transactional_id: str) -> Any:
        outbox = self.kafka.client().outbox(transactional_id)
        commit = outbox.commit

        def held() -> None:
            self.committing.set()
            assert self.may_commit.wait(WAIT)
            commit()

        outbox.commit = held  # type: ignore[method-assign]
        return outbox

    def __enter__(self) -> Self:
        self._watch()
        self._thread.start()
        with httpx2.Client(trust_env=False) as client:
            while True:
                try:
                    client.get(self.url)
                except httpx2.TransportError:
                    continue
                break
        self.committing.clear()  # the loop has claimed its stream
        return self

    def __exit__(self, *_: object) -> None:
        self.may_commit.set()
        self.stop.set()
        self._thread.join(WAIT)
        assert not self._thread.is_alive()

    def _watch(self) -> None:
        """Note the most that the webhook ever held at a time."""
        make = self.hook._intake

        def made(listening: socket.socket | None = None) -> Any:
            intake = make(listening)
            enter, grow = intake.room.enter, intake.room.grow
            self.room = intake.room

            def noted(call: Callable[..., Any]) -> Callable[..., Any]:
                def inside(*arguments: Any) -> Any:
                    result = call(*arguments)
                    self.most_bodies = max(self.most_bodies, intake.room.bodies)
                    self.most_bytes = max(self.most_bytes, intake.room.size)
                    return result

                return inside

            intake.room.enter = noted(enter)  # type: ignore[method-assign]
            intake.room.grow = noted(grow)  # type: ignore[method-assign]
            return intake

        self.hook._intake = made  # type: ignore[method-assign]

    def events(self) -> list[PixEvent]:
        records = [r for t in EVENT_TOPICS.values() for r in self.kafka.client().scan(t)]
        return [msgspec.json.decode(r.value or b"", type=PixEvent) for r in records]

    def post(self, bodies: list[bytes], at_once: int = 64) -> list[httpx2.Response]:
        """Every body, so many at a time; the answers in the order of the bodies."""

        async def all_of_them() -> list[httpx2.Response]:
            gate = asyncio.Semaphore(at_once)
            limits = httpx2.Limits(max_connections=at_once)
            async with httpx2.AsyncClient(timeout=WAIT, limits=limits, trust_env=False) as client:

                async def one(content: bytes) -> httpx2.Response:
                    async with gate:
                        return await client.post(self.url, content=content)

                return await asyncio.gather(*map(one, bodies))

        return asyncio.run(all_of_them())


def pix(number: int = 0, **more: Any) -> dict[str, Any]:
    e2e = identifiers.e2e("22222222", WHEN, RNG)
    return {"endToEndId": e2e, "valor": f"{number}.00", "horario": "2026-03-04T05:06:07Z", **more}


def body(*elements: Any) -> bytes:
    return json.dumps({"pix": elements or [pix()]}).encode()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    opened: list[Running] = []

    def run(**settings: Any) -> Running:
        opened.append(Running(tmp_path, **settings).__enter__())
        return opened[-1]

    yield run
    for one in opened:
        one.__exit__()


def test_a_flood_is_answered_200_or_503_and_exactly_what_was_answered_200_is_there(
    running: Callable[..., Running],
) -> None:
    hook = running(max_pending_bodies=8, max_pending_bytes=2**20)
    sent = [[pix(), pix()] for _ in range(600)]
    answers = hook.post([body(*elements) for elements in sent], at_once=100)
    statuses = Counter(answer.status_code for answer in answers)
    assert statuses.keys() <= {200, 503}
    assert statuses[200] > 8
    assert statuses[503] > 0
    assert all(int(a.headers["retry-after"]) > 0 for a in answers if a.status_code == 503)
    accepted = [p for p, a in zip(sent, answers, strict=True) if a.status_code == 200]
    wanted = Counter(one["endToEndId"] for elements in accepted for one in elements)
    assert Counter(e.end_to_end_id for e in hook.events()) == wanted
    assert hook.most_bodies <= 8
    assert (hook.room.bodies, hook.room.size, hook.room.queued) == (0, 0, 0)


def test_many_bodies_of_10_mb_at_once_are_held_within_the_bound_of_bytes(
    running: Callable[..., Running],
) -> None:
    megabyte = 2**20
    hook = running(max_body_bytes=10 * megabyte, max_pending_bytes=25 * megabyte)
    hook.may_commit.clear()
    huge = [body(pix(infoPagador="x" * (10 * megabyte - 500))) for _ in range(12)]
    hold = threading.Timer(2.0, hook.may_commit.set)
    hold.start()
    answers = hook.post(huge, at_once=12)
    hold.join()
    statuses = Counter(answer.status_code for answer in answers)
    assert statuses.keys() == {200, 503}
    assert hook.most_bytes <= 25 * megabyte
    assert hook.room.size == 0


def test_bodies_that_do_not_announce_their_length_are_bounded_all_the_same(
    running: Callable[..., Running],
) -> None:
    hook = running(max_body_bytes=4000, max_pending_bytes=4000)

    def chunks(size: int) -> Iterator[bytes]:
        for _ in range(size // 1000):
            yield b"x" * 1000

    hook.may_commit.clear()
    first = threading.Thread(target=httpx2.post, args=(hook.url,), kwargs={"content": chunks(3000)})
    first.start()
    assert hook.committing.wait(WAIT)
    with httpx2.Client(trust_env=False) as client:
        assert client.post(hook.url, content=chunks(2000)).status_code == 503
    hook.may_commit.set()
    first.join(WAIT)
    assert hook.most_bytes <= 4000


def test_while_kafka_stands_still_senders_are_turned_away_at_once_though_there_is_room(
    running: Callable[..., Running],
) -> None:
    hook = running(max_pending_bodies=100, commit_timeout_seconds=WAIT)
    hook.may_commit.clear()
    first = threading.Thread(target=hook.post, args=([body()],))
    first.start()
    assert hook.committing.wait(WAIT)
    hook.room._clock = lambda: time.monotonic() + hook.hook.busy_after_seconds
    with httpx2.Client(trust_env=False) as client:
        for _ in range(3):
            late = client.post(hook.url, content=body())
            assert (late.status_code, late.text) == (503, "busy")
        assert hook.room.bodies == 1
        hook.may_commit.set()
        first.join(WAIT)
        assert client.post(hook.url, content=body()).status_code == 200


def test_a_body_is_there_whole_or_not_at_all(running: Callable[..., Running]) -> None:
    hook = running(batch=BatchLimits(rows=2, seconds=0.01))
    elements = [pix() for _ in range(50)]
    hook.kafka.fail("send", Transient("no broker answers"))
    (first,) = hook.post([body(*elements)])
    assert first.status_code == 503
    assert hook.events() == []
    for _ in range(500):  # as a bank does; the server is closed and opened meanwhile
        with contextlib.suppress(httpx2.TransportError):
            (again,) = hook.post([body(*elements)])
            if again.status_code == 200:
                break
    else:
        pytest.fail("never accepted")
    (topic,) = [t for t in EVENT_TOPICS.values() if list(hook.kafka.client().scan(t))]
    transactions = {
        id(entry.transaction)
        for partition in hook.kafka.topic(topic).partitions
        for entry in partition.entries
        if entry.transaction.state == "committed"
    }
    assert len(transactions) == 1
    assert len(hook.events()) == 50


def test_repeated_and_out_of_order_deliveries_are_one_row_each_in_the_table(
    running: Callable[..., Running], tmp_path: Path
) -> None:
    hook = running()
    first, second = pix(1), pix(2)
    returned = {
        **first,
        "devolucoes": [
            {
                "id": "1",
                "rtrId": identifiers.rtr("11111111", WHEN, RNG),
                "valor": "1.00",
                "horario": {"solicitacao": "2026-03-05T05:06:07Z"},
                "status": "DEVOLVIDO",
            }
        ],
    }
    deliveries = [body(returned), body(second), body(first), body(first, second), body(returned)]
    assert [a.status_code for a in hook.post(deliveries, at_once=1)] == [200] * 5
    assert [a.status_code for a in hook.post(deliveries, at_once=5)] == [200] * 5
    lake = DeltaLake(type="delta_lake", uri=str(tmp_path / "lake"))
    for topic in EVENT_TOPICS.values():
        records = list(hook.kafka.client().scan(topic))
        ends = {TopicIdPartition(topic, "id", r.partition): r.offset + 1 for r in records}
        if records:
            lake.write(EventBatch(decode(records).table, ends, "memory"), _refuse)
    tables = {
        name: LakeTable(Location(str(tmp_path / "lake"), name)).live().values()
        for name in ("recebimentos", "estornos")
    }
    assert {n: sum(f.rows or 0 for f in files) for n, files in tables.items()} == {
        "recebimentos": 2,
        "estornos": 1,
    }


def _refuse(rows: Any, reason: str) -> None:
    raise AssertionError(reason, rows)


def test_a_bound_of_bytes_that_no_body_fits_into_is_a_mistake() -> None:
    hook = Webhook(type="webhook", max_body_bytes=2**20, max_pending_bytes=2**10)
    with pytest.raises(ConfigError, match="max_pending_bytes must be at least max_body_bytes"):
        hook.check()
