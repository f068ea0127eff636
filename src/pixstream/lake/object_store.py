"""The settings of object stores: what deltalake is given beside the user's, and Arrow for S3.

deltalake writes the log; data files go through a file system of Arrow. For S3 that is Arrow's own:
deltalake's lets no other thread run until the store has answered, and Arrow's threads abort the
process now and then when the interpreter ends over it.
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
"""Where the user says nothing: deltalake would try for three minutes, longer than Kafka may be kept
waiting; the framework tries again by itself, with the partitions paused."""

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
"""deltalake's names, without `aws_`, of what Arrow knows by another."""

_SWITCHES = {
    "skip_signature": "anonymous",
    "virtual_hosted_style_request": "force_virtual_addressing",
}

_OF_NO_MATTER = {
    *LIMITS,
    *("allow_http", "conditional_put", "copy_if_not_exists", "pool_idle_timeout"),
    *("pool_max_idle_per_host", "user_agent", "s3_allow_unsafe_rename", "unsigned_payload"),
}
"""Settings that say nothing about where a data file lies and who may write it."""


def complete(options: Mapping[str, str]) -> dict[str, str]:
    """The user's settings, and the `LIMITS` that they leave open."""
    given = {name.lower() for name in options}
    return {name: value for name, value in LIMITS.items() if name not in given} | dict(options)


def arrow_s3(uri: str, options: Mapping[str, str]) -> fs.FileSystem | None:
    """Arrow's file system of an S3 prefix, by the settings of deltalake.

    Returns:
        None for another store, and where a setting has no counterpart in Arrow (server-side
        encryption, a role, a proxy, …): it must not be left out silently.
    """
    parts = urlsplit(uri)
    known = {_bare(name): value for name, value in options.items()}
    if parts.scheme not in {"s3", "s3a"} or not known.keys() <= {*_S3, *_SWITCHES, *_OF_NO_MATTER}:
        return None
    # Arrow takes no endpoint from the environment, and would write to another store than deltalake.
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
    """A setting's name without case and prefix, which deltalake does not mind either."""
    return name.lower().removeprefix("aws_")


def _arrow_words(known: Mapping[str, str]) -> dict[str, Any]:
    settings: dict[str, Any] = {_S3[name]: known[name] for name in known if name in _S3}
    return settings | {_SWITCHES[n]: known[n].lower() == "true" for n in known if n in _SWITCHES}


def _seconds(duration: str) -> float:
    """A duration in deltalake's words, as far as Arrow can be told of it."""
    found = _DURATION.fullmatch(duration.strip())
    if not found:
        raise DestinationError(
            f"storage_options: {duration!r} is no duration; write one number and ms, s or m, as 20s"
        )
    return int(found[1]) * _SECONDS[found[2]]
