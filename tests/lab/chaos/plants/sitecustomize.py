"""Plants one bug, named by PIXSTREAM_PLANT, into a process of the pipeline that a test starts.

Python imports this module at its start when its directory is on PYTHONPATH. Each plant is the bug
that a promise is about, with a pause where the promise would be broken, so that a kill meets it.
"""

import os
import time
from collections.abc import Callable
from typing import Any

PAUSE = 0.4


def table_before_letters() -> None:
    from pixstream.loops.delivery import Delivery

    write_letters, write_destination = Delivery.write_letters, Delivery.write_destination

    def later(self: Delivery, work: Any, outbox: Any) -> None:
        write_destination(self, work, outbox)
        time.sleep(3 * PAUSE if work.decoded.bad else 0)
        write_letters(self, work, outbox)

    Delivery.write_letters = lambda *_: None  # type: ignore[method-assign]
    Delivery.write_destination = later  # type: ignore[method-assign]


def group_before_table() -> None:
    from pixstream.consumers.delta_lake.consumer import DeltaLake
    from pixstream.loops.consume import ConsumeLoop
    from pixstream.plugins.consumer import Consumer

    through = ConsumeLoop._through

    def hasty(self: ConsumeLoop, ahead: Any, inbox: Any, outbox: Any) -> None:
        inbox.commit(ahead)
        time.sleep(PAUSE)
        through(self, ahead, inbox, outbox)

    ConsumeLoop._through = hasty  # type: ignore[method-assign]
    DeltaLake.offsets = Consumer.offsets  # type: ignore[method-assign]


def position_skipped() -> None:
    from pixstream.kafka.names import POSITIONS
    from pixstream.loops import ownership
    from pixstream.loops.produce import ProduceLoop

    commit = ProduceLoop._commit

    def ahead(self: ProduceLoop, batch: Any, outbox: Any) -> None:
        name = self._producer.name
        early = self._client.outbox(f"pixstream/{name}/early")
        early.begin()
        for reading in batch:
            if reading.position is not None:
                key = ownership.position_key(name, reading.stream)
                early.send(POSITIONS, key, reading.position.encode(), ())
        early.commit()
        early.close()
        time.sleep(PAUSE)
        commit(self, batch, outbox)

    ProduceLoop._commit = ahead  # type: ignore[method-assign]


def rejection_dropped() -> None:
    from pixstream.loops.delivery import Delivery

    Delivery.write_letters = lambda *_: None  # type: ignore[method-assign]


def answered_before_commit() -> None:
    from pixstream.loops.produce import ProduceLoop

    commit = ProduceLoop._commit

    def early(self: ProduceLoop, batch: Any, outbox: Any) -> None:
        if self._producer.name != "webhook":
            commit(self, batch, outbox)
            return
        for reading in batch:
            self._producer.delivered(reading)
        time.sleep(PAUSE)
        commit(self, [], outbox)

    ProduceLoop._commit = early  # type: ignore[method-assign]


def lower_version_accepted() -> None:
    from pixstream.lake import append
    from pixstream.lake.deduplication import Screened
    from pixstream.lake.table import LakeTable

    offset = LakeTable.offset

    def forgetful(self: LakeTable, app_id: str) -> int | None:
        known = offset(self, app_id)
        return None if known is None else max(0, known - 200)

    LakeTable.offset = forgetful  # type: ignore[method-assign]
    vars(append)["screen"] = lambda rows, *_: Screened(rows, 0, 0)


def supervisor_ends() -> None:
    from pixstream.processes.supervisor import Supervisor

    after = Supervisor._after

    def crash(self: Supervisor, child: Any, code: int) -> None:
        if not self._stopping:
            os._exit(1)  # at once: while it drained, a kill of the storm's would be its end
        after(self, child, code)

    Supervisor._after = crash  # type: ignore[method-assign]


def unforeseen_error() -> None:
    from pixstream.loops.delivery import Delivery

    write_destination = Delivery.write_destination
    batches = 0

    def fail(self: Delivery, work: Any, outbox: Any) -> None:
        nonlocal batches
        batches += 1
        if batches == 3:
            raise ZeroDivisionError
        write_destination(self, work, outbox)

    Delivery.write_destination = fail  # type: ignore[method-assign]


PLANTS: dict[str, Callable[[], None]] = {
    plant.__name__: plant
    for plant in (
        table_before_letters,
        group_before_table,
        position_skipped,
        rejection_dropped,
        answered_before_commit,
        lower_version_accepted,
        supervisor_ends,
        unforeseen_error,
    )
}

if "PIXSTREAM_PLANT" in os.environ:
    PLANTS[os.environ["PIXSTREAM_PLANT"]]()
