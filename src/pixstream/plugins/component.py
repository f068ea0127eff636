"""What every plugin shares: the part of a section that the framework itself reads."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated, Protocol

import msgspec
from msgspec import Meta

if TYPE_CHECKING:
    from collections.abc import Mapping


class Loop(Protocol):
    """What a process of a component does until it is told to stop.

    Attributes:
        state: starting, ready, waiting, breaker_open or breaker_half_open.
        counts: since the start; see the loop's own list.
    """

    @property
    def state(self) -> str:
        """As it is now."""

    @property
    def counts(self) -> Mapping[str, int]:
        """Since the start."""

    def run(self) -> None:
        """Work until the end.

        Raises:
            PixstreamError: what waiting does not cure.
        """


@dataclasses.dataclass(kw_only=True)
class Component:
    """What all kinds share: the part of a section that the framework itself reads."""

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
