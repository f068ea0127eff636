"""What consumers and processors share: the part of a section about reading events."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Literal

from msgspec import Meta

from pixstream.plugins.component import BatchLimits, Component


@dataclasses.dataclass(kw_only=True)
class Reader(Component):
    """What consumers and processors share: the part of a section about reading events."""

    categories: Annotated[
        list[str], Meta(description="which topics of events: pagamentos, recebimentos, estornos")
    ] = dataclasses.field(default_factory=lambda: ["pagamentos", "recebimentos", "estornos"])
    start: Annotated[
        Literal["earliest", "latest"],
        Meta(
            description="cold start: where to begin while neither table nor group knows an offset"
        ),
    ] = "earliest"
    batch: Annotated[BatchLimits, Meta(description="when a batch closes")] = dataclasses.field(
        default_factory=BatchLimits
    )

    def close(self) -> None:
        """Release what it holds; nothing is pending when this is called."""
