"""A small Kafka in memory, for tests of the code that uses the ports.

It behaves as the loops expect of Kafka: transactions with fencing, markers that occupy offsets,
read_committed, topic ids, groups that revoke partitions before they assign them, static members.
It runs in one thread and never waits.
"""

from pixstream.kafka.memory.client import MemoryClient, MemoryKafka
from pixstream.kafka.memory.inbox import MemoryInbox

__all__ = ["MemoryClient", "MemoryInbox", "MemoryKafka"]
