"""The partition of a key: Kafka's murmur2, which Java's producer and both our libraries apply.

confluent-kafka is told to (`partitioner: murmur2_random`), kafka-python does by default. The number
of partitions is part of it: where a topic grew, older records of a key may be in another partition.
"""

from __future__ import annotations

from typing import Final

_SEED: Final = 0x9747B28C
_MIX: Final = 0x5BD1E995
_WORD: Final = 4
_32_BITS: Final = 0xFFFFFFFF
_POSITIVE: Final = 0x7FFFFFFF


def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition of a record's key in a topic of this many partitions."""
    return (murmur2(key) & _POSITIVE) % partitions


def partitions_ever(key: bytes, partitions: int) -> list[int]:
    """Return where the key's records may be, now first, if the topic once had fewer partitions."""
    return list(dict.fromkeys(partition_of(key, n) for n in range(partitions, 0, -1)))


def murmur2(key: bytes) -> int:
    """Return Kafka's 32-bit hash of a key, unsigned (MurmurHash2 with Kafka's own seed)."""
    mixed = _SEED ^ len(key)
    whole = len(key) - len(key) % _WORD
    for start in range(0, whole, _WORD):
        word = int.from_bytes(key[start : start + _WORD], "little") * _MIX & _32_BITS
        word = (word ^ word >> 24) * _MIX & _32_BITS
        mixed = mixed * _MIX & _32_BITS ^ word
    if rest := key[whole:]:
        mixed = (mixed ^ int.from_bytes(rest, "little")) * _MIX & _32_BITS
    mixed = (mixed ^ mixed >> 13) * _MIX & _32_BITS
    return mixed ^ mixed >> 15
