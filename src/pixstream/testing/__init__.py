"""What the author of a plugin tests it with, and pixstream's own tests too.

`event`, `record`, `rows` and `batch` make what a plugin reads or is given; `MemoryKafka` is a
broker without a network. `producer_contract` and `consumer_contract` hold the promises of every
plugin as classes of tests to inherit from; they need pytest, so they are imported by name.
"""

from __future__ import annotations

from pixstream.kafka.memory import MemoryKafka
from pixstream.testing.batches import batch, partition, record, rows
from pixstream.testing.events import NOON, event

__all__ = ["NOON", "MemoryKafka", "batch", "event", "partition", "record", "rows"]
