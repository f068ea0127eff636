"""What fails in a worker is told without the row that it was about."""

from collections.abc import Iterable, Iterator

import pyarrow as pa
import pytest

from pixstream.errors import DestinationError
from pixstream.spark.workers import RedactedErrors


def test_a_library_s_text_stays_in_the_worker() -> None:
    def fail(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from batches
        pa.array(["12345678909"], pa.int64())

    with pytest.raises(DestinationError, match=r"ArrowInvalid in|ArrowTypeError in") as failed:
        list(RedactedErrors(fail)([]))
    assert "12345678909" not in str(failed.value)
    assert failed.value.__suppress_context__


def test_our_own_errors_come_as_they_are() -> None:
    def fail(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from batches
        raise DestinationError("schema.contract says freeze")

    with pytest.raises(DestinationError, match="says freeze"):
        list(RedactedErrors(fail)([]))
