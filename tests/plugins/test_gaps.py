import logging

import pytest

from pixstream.errors import PixstreamError
from pixstream.plugins import gaps


def test_a_gap_is_skipped_with_an_error_in_the_log_that_names_its_bounds(
    caplog: pytest.LogCaptureFixture,
) -> None:
    gaps.met("bank, stream main", "Pix from 1 to 2", "continue", "it goes on from 2")
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    for word in ("bank, stream main", "Pix from 1 to 2", "on_gap: continue", "goes on from 2"):
        assert word in record.getMessage()


def test_a_gap_stops_with_an_instruction() -> None:
    with pytest.raises(PixstreamError, match="set on_gap: continue; then it goes on from 2"):
        gaps.met("bank, stream main", "Pix from 1 to 2", "stop", "it goes on from 2")
