"""What every plugin shares: the part of a section that the framework itself reads."""

from __future__ import annotations

import dataclasses
from typing import (
    Annotated,
    ClassVar,
    Protocol,
)

import msgspec
from msgspec import Meta

from pixstream.metrics import Counts, Metric


class Loop(Protocol):
    """What a process of a component does until it is told to stop.

    Attributes:
        state: starting, ready, waiting, breaker_open or breaker_half_open.
        counts: since the start.
    """

    @property
    def state(self) -> str:
        """As it is now."""

    @property
    def counts(self) -> Counts:
        """Since the start."""

    def run(self) -> None:
        """Work until the end.

        Raises:
            PixstreamError: what waiting does not cure.
        """


@dataclasses.dataclass(kw_only=True)
class Component:
    """What all kinds share: the part of a section that the framework itself reads.

    Attributes:
        metrics: what the plugin counts beyond what the framework counts for it; see
            `pixstream.metrics`. Nothing else needs to know of them.
        counts: their values, which the plugin keeps: `self.counts.add(UPSERTS, 3)`.
    """

    metrics: ClassVar[tuple[Metric, ...]] = ()

    type: Annotated[
        str, Meta(description="module of producers/, consumers/ or processors/, or entry point")
    ]
    enabled: Annotated[bool, Meta(description="false: `pixstream run` leaves it out")] = True
    replicas: Annotated[
        Annotated[int, Meta(ge=1, le=64)], Meta(description="processes of this component")
    ] = 1

    def __post_init__(self) -> None:
        """Give the framework's own attributes their place; they are no settings."""
        self.name: str = self.type
        self.replica: int = 0
        self.counts = Counts(*self.metrics)

    def check(self) -> str:
        """Try the other side without reading or writing an event; say what was found.

        Raises:
            PixstreamError: what is wrong and what to do.
        """
        return "nothing to try"


class BatchLimits(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A batch closes at the first of these limits."""

    rows: Annotated[int, Meta(ge=1, le=1_000_000, description="records")] = 50_000
    bytes: Annotated[int, Meta(ge=1024, description="bytes of keys and values")] = 64 * 2**20
    seconds: Annotated[float, Meta(gt=0, le=3600, description="age of its first record")] = 5.0
