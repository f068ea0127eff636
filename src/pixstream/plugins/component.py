"""The base of all plugins: the settings that the framework itself reads."""

from __future__ import annotations

import dataclasses
from typing import (
    TYPE_CHECKING,
    Annotated,
    ClassVar,
    Protocol,
    runtime_checkable,
)

import msgspec
from msgspec import Meta

from pixstream.metrics import Counts, Metric

if TYPE_CHECKING:
    from collections.abc import Iterator


class Loop(Protocol):
    """The work of a component's process, until it is asked to stop.

    Attributes:
        state: starting, ready, waiting, breaker_open or breaker_half_open.
        counts: the values of its metrics since the start.
    """

    @property
    def state(self) -> str:
        """The present state."""

    @property
    def counts(self) -> Counts:
        """The values of its metrics since the start."""

    def run(self) -> None:
        """Work until the end.

        Raises:
            PixstreamError: waiting does not cure the failure.
        """


@dataclasses.dataclass(kw_only=True)
class Component:
    """The base class of all plugins, with the settings that the framework itself reads.

    Attributes:
        metrics: the metrics that the plugin counts itself, beyond those of the framework; see
            `pixstream.metrics`. They need no other declaration.
        counts: their values, which the plugin updates: `self.counts.add(UPSERTS, 3)`.
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
        """Set the framework's own attributes, which are not settings."""
        self.name: str = self.type
        self.replica: int = 0
        self.counts = Counts(*self.metrics)

    def check(self) -> str:
        """Check the source or destination without reading or writing an event; return the finding.

        Raises:
            PixstreamError: the check failed; the message says what is wrong and what to do.
        """
        return "nothing to check"


@runtime_checkable
class Warns(Protocol):
    """A plugin that can find what works now but should not stay so."""

    def warnings(self) -> Iterator[str]:
        """Yield it, a line each, for `pixstream check`; never raise."""


class BatchLimits(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A batch closes at the first of these limits."""

    rows: Annotated[int, Meta(ge=1, le=1_000_000, description="records")] = 50_000
    bytes: Annotated[int, Meta(ge=1024, description="bytes of keys and values")] = 64 * 2**20
    seconds: Annotated[float, Meta(gt=0, le=3600, description="age of its first record")] = 5.0
