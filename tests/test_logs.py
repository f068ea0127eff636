import json
import logging
from collections.abc import Iterator

import pytest

from pixstream.logs import RARELY_SECONDS, EcsFormatter, Rarely


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """Messages as a process of pixstream would write them; the clock stands at their number."""
    written: list[str] = []

    class Written(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            written.append(json.loads(self.format(record))["message"])

    handler = Written()
    handler.setFormatter(EcsFormatter("webhook-0"))
    handler.addFilter(Rarely(lambda: NOW[0]))
    logging.getLogger().addHandler(handler)
    yield written
    logging.getLogger().removeHandler(handler)


NOW = [0.0]


def warn(name: str, text: str = "Invalid HTTP request received.") -> None:
    logging.getLogger(name).warning(text)


def test_a_library_says_the_same_at_most_every_few_seconds(lines: list[str]) -> None:
    for number in range(2_000):
        warn("uvicorn.error", f"whatever the client wrote {number}")
    logging.getLogger("asyncio").error("socket.accept() out of system resource")
    assert lines == ["whatever the client wrote 0", "socket.accept() out of system resource"]
    NOW[0] += RARELY_SECONDS
    warn("uvicorn.error")
    NOW[0] += RARELY_SECONDS
    warn("uvicorn.error")
    assert lines[2:] == [
        "Invalid HTTP request received. (1999 more before)",
        "Invalid HTTP request received.",
    ]


def test_pixstream_s_own_lines_all_pass(lines: list[str]) -> None:
    for _ in range(3):
        warn("pixstream.loops", "again")
    assert lines == ["again"] * 3
