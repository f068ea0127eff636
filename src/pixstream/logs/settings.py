"""The `logging` section."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

Level: TypeAlias = Literal["DEBUG", "INFO", "WARNING", "ERROR"]

COMPONENT = "{component}"
"""Stands in `logging.file` for the component and its replica."""


class RotationSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """When a log file is renamed, and how many renamed ones are kept."""

    max_bytes: Annotated[
        int, Meta(ge=0, description="a file that would become longer is renamed; 0: any length")
    ] = 100_000_000
    every: Annotated[
        Literal["never", "hour", "day"],
        Meta(description="a file is renamed at the first line of each hour or day, UTC"),
    ] = "never"
    keep: Annotated[
        int,
        Meta(
            ge=0,
            description="renamed files that stay; the oldest is deleted, whether it was shipped or "
            "not; 0: all stay",
        ),
    ] = 10


class RateLimitSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """How many warnings and errors one place in the code may write."""

    lines: Annotated[
        int,
        Meta(
            ge=1,
            description="most warnings and errors from one place in the code, and for one reason, "
            "in `seconds`; what is left out is counted. Other libraries may write one",
        ),
    ] = 20
    seconds: Annotated[float, Meta(gt=0, description="over which lines are counted, s")] = 10.0


class LoggingSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The `logging` section."""

    level: Annotated[Level, Meta(description="lowest level written")] = "INFO"
    levels: Annotated[
        dict[str, Level],
        Meta(
            description="other levels, by the name of a component (webhook, supervisor) or of a "
            "logger (pixstream.batches, pixstream.kafka)"
        ),
    ] = msgspec.field(default_factory=dict)
    file: Annotated[
        str | None,
        Meta(
            description="file to append log lines to; with {component} in its name, each process "
            "has its own; null: standard error"
        ),
    ] = None
    format: Annotated[
        Literal["auto", "ecs", "text"],
        Meta(
            description="ecs: a JSON object per line; text: a line for people, without those of "
            "batches unless levels names pixstream.batches; auto: text in a terminal, otherwise ecs"
        ),
    ] = "auto"
    rotation: Annotated[RotationSettings, Meta(description="renaming of the file")] = msgspec.field(
        default_factory=RotationSettings
    )
    rate_limit: Annotated[RateLimitSettings, Meta(description="limit of repeated lines")] = (
        msgspec.field(default_factory=RateLimitSettings)
    )
    sample: Annotated[
        int,
        Meta(
            ge=0,
            description="one payment in so many has a line at every stage, chosen by its "
            "EndToEndId, and so has each whose sender asks for it (traceparent, sampled); 0: none",
        ),
    ] = 1000
