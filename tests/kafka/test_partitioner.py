"""The partition of a key, as Kafka's own client computes it."""

import secrets
from importlib import import_module

import pytest

from pixstream.kafka.partitioner import murmur2, partition_of, partitions_ever


@pytest.mark.parametrize(
    ("key", "signed"),
    [  # from the tests of Kafka's Java client
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_the_hash_is_kafkas(key: bytes, signed: int) -> None:
    assert murmur2(key) == signed & 0xFFFFFFFF


def test_the_hash_is_that_of_the_library() -> None:
    import_module("pixstream.kafka.kafka_python.client")  # it hides a warning of the library
    of_kafka_python = import_module("kafka.partitioner.default").murmur2
    for length in range(70):
        key = secrets.token_bytes(length)
        assert murmur2(key) == of_kafka_python(key) & 0xFFFFFFFF, key


def test_a_key_that_was_there_before_the_topic_grew_is_looked_for_where_it_was() -> None:
    for key in (b"one", b"two", b"three"):
        found = partitions_ever(key, 6)
        assert found[0] == partition_of(key, 6)
        assert set(found) == {partition_of(key, n) for n in range(1, 7)}
        assert len(found) == len(set(found))
