"""Where a query begins to read: its checkpoint's word, else bronze's, else the configuration's.

A checkpoint that was deleted must not make the query read everything again, nor skip anything:
bronze knows how far it came. A topic that was deleted and made again is refused, as everywhere.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

from pixstream.errors import DestinationError, TopicChangedError
from pixstream.kafka.ports import TopicIdPartition

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import DataFrame

log = logging.getLogger("pixstream.spark")


class Last(NamedTuple):
    """The batch that bronze took last: by query and number."""

    query: str
    batch: int


class Beginning(NamedTuple):
    """How a query starts.

    Attributes:
        offsets: Spark's `startingOffsets`; counts only without a checkpoint.
        unsettled: a batch of bronze whose letters and silver rows may be missing; None: none.
    """

    offsets: str
    unsettled: Last | None = None


def beginning(
    rows: DataFrame | None,
    checkpoint: str,
    held: Mapping[TopicIdPartition, int],
    start: Literal["earliest", "latest"],
    on_gap: Literal["stop", "continue"],
    *,
    used: bool = True,
) -> Beginning:
    """Find out where to begin.

    Args:
        rows: of bronze; None: there is no such table yet.
        checkpoint: directory of the query.
        held: the first offset that Kafka holds, of every partition that is read.
        start: where nothing is known.
        on_gap: what to do where offsets have expired.
        used: bronze has held rows at some time.

    Raises:
        TopicChangedError: bronze was fed from another incarnation of a topic.
        DestinationError: offsets that come next have expired, and `on_gap` says stop; the
            checkpoint knows batches that no table holds; or neither it nor bronze tells how far
            an earlier query came.
    """
    if rows is None and _entries(checkpoint, "commits"):
        raise DestinationError(
            f"{checkpoint} has come a long way, while there is no table bronze: it was deleted, "
            "or its disk is not mounted. Nothing was read. Mount or restore it; or, to fill new "
            "tables from what Kafka still holds, remove the checkpoint"
        )
    known = {} if rows is None else _known(rows)
    _check_topics(known, held)
    if _entries(checkpoint, "offsets"):
        if on_gap == "continue":  # else Spark stops by itself
            _tell_gaps(_committed(checkpoint), held)
        return Beginning(start)
    if rows is None or not (known or used):
        return Beginning(start)
    if not known:
        raise DestinationError(
            f"{checkpoint} holds no checkpoint, and bronze is empty although it held rows once: "
            "how far they came is not known. Nothing was read. Restore the checkpoint or bronze; "
            "or remove the table bronze, and the query begins as `start` says (events that silver "
            "holds are known by their event_id)"
        )
    log.warning(
        "%s holds no checkpoint, while bronze has rows: the query goes on after the last of them",
        checkpoint,
    )
    offsets: dict[str, dict[str, int]] = {}
    for partition, first in held.items():
        wanted = known.get(partition, first)
        if wanted < first:
            _gap(partition, wanted, first, on_gap)
        at = offsets.setdefault(partition.topic, {})
        at[str(partition.partition)] = max(wanted, first)
    return Beginning(msgspec.json.encode(offsets).decode(), _last(rows))


def _check_topics(
    known: Mapping[TopicIdPartition, int], held: Mapping[TopicIdPartition, int]
) -> None:
    now = {partition.topic: partition.topic_id for partition in held}
    for partition in known:
        topic_id = now.get(partition.topic, partition.topic_id)
        if topic_id != partition.topic_id:
            raise TopicChangedError(
                f"{partition.topic} has the id {topic_id}, bronze was fed from "
                f"{partition.topic_id}: the topic was deleted and made again, and its offsets "
                "start over. Nothing was read. If the new topic is right, let new tables take it: "
                "set spark.path (or spark.schema) and spark.checkpoints to new places"
            )


def _gap(
    partition: TopicIdPartition, wanted: int, first: int, on_gap: Literal["stop", "continue"]
) -> None:
    what = (
        f"{partition.topic}-{partition.partition}: offset {wanted} has expired: {first - wanted} "
        "offsets were deleted by retention before they were read"
    )
    if on_gap == "stop":
        raise DestinationError(
            f"{what}. Nothing is read and nothing is skipped before somebody decides: to go on "
            "after them, set on_gap of this consumer to continue for one start"
        )
    log.error("%s; the query goes on after them, as on_gap says", what)


def _tell_gaps(wanted: Mapping[tuple[str, int], int], held: Mapping[TopicIdPartition, int]) -> None:
    for partition, first in held.items():
        at = wanted.get((partition.topic, partition.partition), first)
        if at < first:
            _gap(partition, at, first, "continue")


def _committed(checkpoint: str) -> dict[tuple[str, int], int]:
    """Where the last batch that Spark has done ended; its file ends with the source's offsets."""
    done = [int(name) for name in _names(checkpoint, "commits") if name.isdigit()]
    if not done:
        return {}
    text = Path(checkpoint, "offsets", str(max(done))).read_text("utf-8")
    ends = msgspec.json.decode(text.splitlines()[-1], type=dict[str, dict[str, int]])
    return {
        (topic, int(partition)): offset
        for topic, partitions in ends.items()
        for partition, offset in partitions.items()
    }


def _known(rows: DataFrame) -> dict[TopicIdPartition, int]:
    """The next offset by partition, as bronze knows it."""
    from pyspark.sql.functions import max as greatest
    from pyspark.sql.functions import max_by

    newest = max_by("topic_id", "ingested_at")
    found = rows.groupBy("topic", "partition").agg(newest, greatest("offset")).collect()
    return {
        TopicIdPartition(topic, topic_id, partition): offset + 1
        for topic, partition, topic_id, offset in found
    }


def _last(rows: DataFrame) -> Last:
    """The last batch of the query that wrote last: a clock may have been set back between two."""
    from pyspark.sql.functions import max as greatest

    queries = rows.groupBy("query_id").agg(greatest("ingested_at"), greatest("batch_id")).collect()
    query, _, batch = max(queries, key=lambda found: found[1])
    return Last(query, batch)


def _entries(checkpoint: str, kind: str) -> bool:
    """Tell whether the checkpoint knows a batch: its `offsets` before it, `commits` after it."""
    return bool(_names(checkpoint, kind))


def _names(checkpoint: str, kind: str) -> list[str]:
    try:
        found = [file.name for file in Path(checkpoint, kind).iterdir()]
    except FileNotFoundError:
        return []
    return [name for name in found if not name.startswith(".")]
