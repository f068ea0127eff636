"""Every logger is after a test as it was before: `configure` changes those of the whole process."""

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def untouched() -> Iterator[None]:
    """Restore levels and handlers."""
    loggers = [
        logging.getLogger(name)
        for name in ("", "pixstream", "pixstream.kafka", "pixstream.batches")
    ]
    before = [(logger, logger.level, logger.handlers[:]) for logger in loggers]
    yield
    for logger, level, handlers in before:
        for handler in logger.handlers:
            if handler not in handlers:
                handler.close()
        logger.setLevel(level)
        logger.handlers[:] = handlers
