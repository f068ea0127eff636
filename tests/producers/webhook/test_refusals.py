import logging

import pytest

from pixstream.http_serving.tally import WORD_SECONDS
from pixstream.metrics import Counts
from pixstream.producers.webhook.refusals import (
    BUSY,
    METRICS,
    TOKEN,
    TOO_LARGE,
    Refusals,
)


def test_each_reason_is_counted_and_told_at_once_and_then_now_and_then(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = 0.0
    refusals = Refusals(Counts(*METRICS), lambda: now)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            refusals.add(TOKEN)
        refusals.add(TOO_LARGE)
        now = WORD_SECONDS
        refusals.add(TOKEN)
        refusals.add(BUSY, "no room")
    words = [record.getMessage().partition(";")[0] for record in caplog.records]
    assert words == [
        "1 body refused: token missing or wrong",
        "1 body refused: longer than max_body_bytes",
        "3 bodies refused: token missing or wrong",
        "1 body refused: no room",
    ]
    assert refusals.counts == {
        "refused_busy": 1,
        "refused_away": 0,
        "refused_path": 0,
        "refused_token": 4,
        "refused_too_large": 1,
        "refused_encoding": 0,
    }
