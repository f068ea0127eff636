"""Tools for testing plugins; pixstream's own tests use them too.

`event`, `record`, `rows` and `batch` make what a plugin reads or receives; `MemoryKafka` is a
broker without a network. `producer_contract` and `consumer_contract` have classes of tests to
inherit from, which every plugin must pass. They need pytest, so they are imported by name.
"""

from __future__ import annotations

from pixstream.kafka.memory import MemoryKafka
from pixstream.testing.batches import batch, partition, record, rows
from pixstream.testing.events import NOON, event

__all__ = ["NOON", "MemoryKafka", "batch", "event", "partition", "record", "rows"]
