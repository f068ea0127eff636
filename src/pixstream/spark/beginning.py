"""Starting offsets of a query: from its checkpoint, else from bronze, else from the configuration.

If the checkpoint was deleted, the query must neither read everything again nor skip anything, so it
resumes after the last rows in bronze. A topic that was deleted and recreated is refused, as
everywhere.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

from pixstream.errors import DestinationError, TopicChangedError
from pixstream.kafka.ports import TopicIdPartition
from pixstream.kafka.prefixed import Names
from pixstream.wording import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import DataFrame

log = logging.getLogger("pixstream.spark")

_SAME = Names("")


class Last(NamedTuple):
    """The last batch written to bronze: query and number."""

    query: str
    batch: int


class StartingOffsets(NamedTuple):
    """How a query starts.

    Attributes:
        offsets: Spark's `startingOffsets`; used only without a checkpoint.
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
    names: Names = _SAME,
) -> StartingOffsets:
    """Determine where to begin.

    Args:
        rows: of bronze; None: the table does not exist yet.
        checkpoint: directory of the query.
        held: the earliest offset in Kafka, of every partition that is read.
        start: where to start if there are no earlier offsets.
        on_gap: what to do where offsets have expired.
        used: bronze has contained rows at some time.
        names: translates the names of topics that Spark wrote into its checkpoint.

    Raises:
        TopicChangedError: bronze was fed from another incarnation of a topic.
        DestinationError: the next offsets have expired and `on_gap` says stop; the checkpoint has
            batches but bronze does not exist; or neither shows how far an earlier query read.
    """
    if rows is None and _entries(checkpoint, "commits"):
        raise DestinationError(
            f"{checkpoint} has completed batches, but there is no table bronze: it was deleted, "
            "or its disk is not mounted. Nothing was read. Mount or restore it; or, to fill new "
            "tables from the records still in Kafka, remove the checkpoint"
        )
    known = {} if rows is None else _known(rows)
    _check_topics(known, held)
    if _entries(checkpoint, "offsets"):
        if on_gap == "continue":  # else Spark stops by itself
            _tell_gaps(_committed(checkpoint, names), held)
        return StartingOffsets(start)
    if rows is None or not (known or used):
        return StartingOffsets(start)
    if not known:
        raise DestinationError(
            f"{checkpoint} holds no checkpoint, and bronze is empty although it once had rows: "
            "their last offsets are unknown. Nothing was read. Restore the checkpoint or bronze; "
            "or remove the table bronze, and the query begins as `start` says (events already in "
            "silver are deduplicated by event_id)"
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
    return StartingOffsets(msgspec.json.encode(offsets).decode(), _last(rows))


def _check_topics(
    known: Mapping[TopicIdPartition, int], held: Mapping[TopicIdPartition, int]
) -> None:
    now = {partition.topic: partition.topic_id for partition in held}
    for partition in known:
        topic_id = now.get(partition.topic, partition.topic_id)
        if topic_id != partition.topic_id:
            raise TopicChangedError(
                f"{partition.topic} has the id {topic_id}, bronze was fed from "
                f"{partition.topic_id}: the topic was deleted and recreated, and its offsets "
                "start over. Nothing was read. If the new topic is right, read it into new tables: "
                "set spark.path (or spark.schema) and spark.checkpoints to new locations"
            )


def _gap(
    partition: TopicIdPartition, wanted: int, first: int, on_gap: Literal["stop", "continue"]
) -> None:
    what = (
        f"{partition.topic}-{partition.partition}: offset {wanted} has expired: retention deleted "
        f"{counted(first - wanted, 'offset')} unread"
    )
    if on_gap == "stop":
        raise DestinationError(
            f"{what}. Nothing is read or skipped until an operator decides: to continue after "
            "the gap, set on_gap of this consumer to continue for one start"
        )
    log.error("%s; the query goes on after them, as on_gap says", what)


def _tell_gaps(wanted: Mapping[tuple[str, int], int], held: Mapping[TopicIdPartition, int]) -> None:
    for partition, first in held.items():
        at = wanted.get((partition.topic, partition.partition), first)
        if at < first:
            _gap(partition, at, first, "continue")


def _committed(checkpoint: str, names: Names) -> dict[tuple[str, int], int]:
    """Return the end offsets of Spark's last completed batch, from the last line of its file."""
    done = [int(name) for name in _names(checkpoint, "commits") if name.isdigit()]
    if not done:
        return {}
    text = Path(checkpoint, "offsets", str(max(done))).read_text("utf-8")
    ends = msgspec.json.decode(text.splitlines()[-1], type=dict[str, dict[str, int]])
    return {
        (names.inside(topic), int(partition)): offset
        for topic, partitions in ends.items()
        for partition, offset in partitions.items()
    }


def _known(rows: DataFrame) -> dict[TopicIdPartition, int]:
    """Return the next offset by partition, according to bronze."""
    from pyspark.sql.functions import max as greatest
    from pyspark.sql.functions import max_by

    newest = max_by("topic_id", "ingested_at")
    found = rows.groupBy("topic", "partition").agg(newest, greatest("offset")).collect()
    return {
        TopicIdPartition(topic, topic_id, partition): offset + 1
        for topic, partition, topic_id, offset in found
    }


def _last(rows: DataFrame) -> Last:
    """Return the last batch of the query that wrote last; its number is safe from clock changes."""
    from pyspark.sql.functions import max as greatest

    queries = rows.groupBy("query_id").agg(greatest("ingested_at"), greatest("batch_id")).collect()
    query, _, batch = max(queries, key=lambda found: found[1])
    return Last(query, batch)


def _entries(checkpoint: str, kind: str) -> bool:
    """Return whether the checkpoint has a batch: `offsets` precede it, `commits` follow it."""
    return bool(_names(checkpoint, kind))


def _names(checkpoint: str, kind: str) -> list[str]:
    try:
        found = [file.name for file in Path(checkpoint, kind).iterdir()]
    except FileNotFoundError:
        return []
    return [name for name in found if not name.startswith(".")]
