"""Logging: ECS JSON (Elastic Common Schema 8) for programs, text for people; no personal data.

A message never contains a payload, a field's value, or another library's text about either.
pixstream logs the names of components, streams and topics, and offsets and reasons. A CPF or CNPJ
in one of these, as in the name of a file, is masked. The other fields of a line are those in
`fields`, and no others.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from pixstream.logs.files import LineFile
from pixstream.logs.formats import EcsFormatter, PlainFormatter, TextFormatter
from pixstream.logs.limit import Limit, Limited
from pixstream.logs.settings import COMPONENT, LoggingSettings
from pixstream.logs.texts import message, printable

__all__ = [
    "EcsFormatter",
    "Limit",
    "LoggingSettings",
    "TextFormatter",
    "configure",
    "for_people",
    "message",
    "printable",
]

OURS = "pixstream"
"""The logger above all of pixstream's own, and the prefix of their names."""

BATCHES = f"{OURS}.batches"
"""The logger of the lines of batches, for programs: a terminal would show nothing else."""


def configure(settings: LoggingSettings, component: str, replica: int | None = None) -> Limit:
    """Send every log line of this process to the configured destination.

    Args:
        settings: the section `logging`.
        component: the name of the component, or `supervisor`.
        replica: its number; None: there is only one.

    Returns:
        the rate limit, with the counts of what is not written.

    Raises:
        ConfigError: the file cannot be written.
    """
    label = component if replica is None else f"{component}-{replica}"
    limit = Limit(settings.rate_limit)
    target: logging.Handler
    if settings.file:
        path = Path(settings.file.replace(COMPONENT, label))
        target = LineFile(path, settings.rotation, limit.counts)
    else:
        target = logging.StreamHandler(sys.stderr)
    for_a_person = settings.format == "text" or (
        settings.format == "auto" and not settings.file and sys.stderr.isatty()
    )
    target.setFormatter((TextFormatter if for_a_person else EcsFormatter)(label))
    root = logging.getLogger()
    root.handlers[:] = [Limited(target, limit)]
    root.setLevel(logging.WARNING)
    logging.getLogger(OURS).setLevel(settings.levels.get(component, settings.level))
    logging.getLogger(BATCHES).setLevel(logging.WARNING if for_a_person else logging.NOTSET)
    for name, level in settings.levels.items():
        if name.startswith(f"{OURS}."):
            logging.getLogger(name).setLevel(level)
    return limit


def for_people() -> None:
    """Write plain log lines to standard error, for interactive commands."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(PlainFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
