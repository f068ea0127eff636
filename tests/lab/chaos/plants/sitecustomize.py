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
    from pixstream.loops.consume import ConsumeLoop

    def later(self: ConsumeLoop, segment: Any) -> None:
        member = self.member
        batch = self._decoder.decode(segment, member.cluster_id, member.standing)
        self._write(batch)
        time.sleep(3 * PAUSE if batch.letters else 0)
        self._post(batch.letters)
        member.drop(batch.taken)
        member.inbox.commit(segment.next_offsets)
        member.settle(segment.next_offsets)

    ConsumeLoop._take = later  # type: ignore[method-assign]


def group_before_table() -> None:
    from pixstream.consumers.delta_lake.consumer import DeltaLake
    from pixstream.loops.consume import ConsumeLoop

    take = ConsumeLoop._take

    def hasty(self: ConsumeLoop, segment: Any) -> None:
        self.member.inbox.commit(segment.next_offsets)
        time.sleep(PAUSE)
        take(self, segment)

    ConsumeLoop._take = hasty  # type: ignore[method-assign]
    del DeltaLake.offsets


def position_skipped() -> None:
    from pixstream.kafka.names import POSITIONS
    from pixstream.kafka.transactions import Writer
    from pixstream.loops.positions import to_record
    from pixstream.loops.produce import ProduceLoop

    answering_for = ProduceLoop._answering_for

    def ahead(self: ProduceLoop, batch: Any) -> Any:
        name, positions = self._producer.name, batch.positions

        def early() -> Any:
            writer = Writer(self._client, f"pixstream/{name}/early")
            with writer.transaction() as transaction:
                for stream, position in positions().items():
                    key, value = to_record(name, stream, position, self._vault)
                    transaction.send(POSITIONS, key, value, ())
            writer.close()
            time.sleep(PAUSE)
            return positions()

        batch.positions = early
        return answering_for(self, batch)

    ProduceLoop._answering_for = ahead  # type: ignore[method-assign]


def rejection_dropped() -> None:
    from pixstream.loops.decoder import Decoder

    decode = Decoder.decode

    def forget(self: Decoder, segment: Any, cluster_id: str, standing: Any) -> Any:
        return decode(self, segment, cluster_id, standing)._replace(letters=())

    Decoder.decode = forget  # type: ignore[method-assign]


def answered_before_commit() -> None:
    from pixstream.loops.produce import ProduceLoop
    from pixstream.plugins.producer import LearnsOfDelivery

    answering_for = ProduceLoop._answering_for

    def answering(self: ProduceLoop, batch: Any) -> Any:
        positions = batch.positions

        def early() -> Any:
            found = positions()
            assert isinstance(self._producer, LearnsOfDelivery)
            for reading in batch.readings:
                self._producer.delivered(reading)
            batch.readings.clear()
            time.sleep(PAUSE)
            return found

        if self._producer.name == "webhook":
            batch.positions = early
        return answering_for(self, batch)

    ProduceLoop._answering_for = answering  # type: ignore[method-assign]


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
    from pixstream.loops.consume import ConsumeLoop

    write = ConsumeLoop._write
    batches = 0

    def fail(self: ConsumeLoop, batch: Any) -> None:
        nonlocal batches
        batches += 1
        if batches == 3:
            raise ZeroDivisionError
        write(self, batch)

    ConsumeLoop._write = fail  # type: ignore[method-assign]


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
