"""Runs our code in Spark's Python workers, and reports failures without the data in the rows."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

from pixstream.errors import DestinationError, PixstreamError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import pyarrow as pa

    Work = Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]


class RedactedErrors:
    """A wrapper for `mapInArrow` functions: Spark logs the full text of what a worker raises.

    Args:
        work: raises anything.
    """

    def __init__(self, work: Work) -> None:
        self._work = work

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Do the work.

        Raises:
            DestinationError: the type of the error and its position in our code; a library's own
                text may quote a value.
            PixstreamError: one of ours, unchanged.
        """
        try:
            yield from self._work(batches)
        except PixstreamError:
            raise
        except Exception as error:  # noqa: BLE001  whatever it is, its text stays here
            raise DestinationError(
                f"a Python worker of Spark failed: {kind_and_place(error)}"
            ) from None


def kind_and_place(error: Exception) -> str:
    """Return an error's type and its position in our code, without its text."""
    ours = [f for f in traceback.extract_tb(error.__traceback__) if "pixstream" in f.filename]
    where = f"{ours[-1].name}, line {ours[-1].lineno}" if ours else "a library"
    condition = getattr(error, "getCondition", lambda: None)()
    return f"{type(error).__name__}{f' {condition}' if condition else ''} in {where}"
