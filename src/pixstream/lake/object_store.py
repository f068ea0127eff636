"""Settings of object stores: defaults for deltalake, and their translation for Arrow's S3.

deltalake writes the log; data files go through an Arrow file system. For S3 that is Arrow's own:
deltalake's blocks all other threads until the store has answered, and Arrow's threads sometimes
abort the process if the interpreter exits while they use it.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pyarrow import fs

from pixstream.errors import DestinationError

if TYPE_CHECKING:
    from collections.abc import Mapping

LIMITS = {
    "connect_timeout": "5s",
    "timeout": "20s",
    "max_retries": "2",
    "retry_timeout": "30s",
}
"""Defaults: deltalake alone would retry for three minutes, longer than the Kafka client may go
without a poll; the framework retries on its own, with the partitions paused."""

_DURATION = re.compile(r"(\d+) ?(ms|s|m)")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60}

_S3 = {
    "access_key_id": "access_key",
    "secret_access_key": "secret_key",
    "session_token": "session_token",
    "token": "session_token",
    "region": "region",
    "default_region": "region",
    "endpoint": "endpoint_override",
    "endpoint_url": "endpoint_override",
    "endpoint_url_s3": "endpoint_override",
}
"""deltalake's names, without `aws_`, and Arrow's names for the same settings."""

_SWITCHES = {
    "skip_signature": "anonymous",
    "virtual_hosted_style_request": "force_virtual_addressing",
}

_OF_NO_MATTER = {
    *LIMITS,
    *("allow_http", "conditional_put", "copy_if_not_exists", "pool_idle_timeout"),
    *("pool_max_idle_per_host", "user_agent", "s3_allow_unsafe_rename", "unsigned_payload"),
}
"""Settings that do not affect where a data file is written or with which credentials."""


def complete(options: Mapping[str, str]) -> dict[str, str]:
    """Return the user's settings, completed with the defaults in `LIMITS`."""
    given = {name.lower() for name in options}
    return {name: value for name, value in LIMITS.items() if name not in given} | dict(options)


def arrow_s3(uri: str, options: Mapping[str, str]) -> fs.FileSystem | None:
    """Return Arrow's file system for an S3 prefix, from deltalake's settings.

    Returns:
        None for another store, and where a setting has no counterpart in Arrow (server-side
        encryption, a role, a proxy, …), because it must not be ignored silently.
    """
    parts = urlsplit(uri)
    known = {_bare(name): value for name, value in options.items()}
    if parts.scheme not in {"s3", "s3a"} or not known.keys() <= {*_S3, *_SWITCHES, *_OF_NO_MATTER}:
        return None
    # Arrow ignores an endpoint in the environment and would write to another store than deltalake.
    around = {_bare(name): value for name, value in os.environ.items() if name.startswith("AWS_")}
    settings = _arrow_words(around) | _arrow_words(known)
    limits = LIMITS | known
    store = fs.S3FileSystem(
        **settings,
        connect_timeout=_seconds(limits["connect_timeout"]),
        request_timeout=_seconds(limits["timeout"]),
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=1 + int(limits["max_retries"])),
        allow_delayed_open=True,  # a small file is one request, not three
    )
    return fs.SubTreeFileSystem(f"{parts.netloc}{parts.path}", store)


def _bare(name: str) -> str:
    """Return a setting's name in lower case without its prefix; deltalake ignores both as well."""
    return name.lower().removeprefix("aws_")


def _arrow_words(known: Mapping[str, str]) -> dict[str, Any]:
    settings: dict[str, Any] = {_S3[name]: known[name] for name in known if name in _S3}
    return settings | {_SWITCHES[n]: known[n].lower() == "true" for n in known if n in _SWITCHES}


def _seconds(duration: str) -> float:
    """Parse a duration in deltalake's notation, in the units that Arrow supports."""
    found = _DURATION.fullmatch(duration.strip())
    if not found:
        raise DestinationError(
            f"storage_options: {duration!r} is not a duration; write a number and ms, s or m: 20s"
        )
    return int(found[1]) * _SECONDS[found[2]]
