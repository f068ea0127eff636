"""The base of consumers and processors: the settings for reading events."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Literal

from msgspec import Meta

from pixstream.event.categories import Category
from pixstream.plugins.component import BatchLimits, Component

_CATEGORIES = tuple(category.plural for category in Category)


@dataclasses.dataclass(kw_only=True)
class Reader(Component):
    """The base class of consumers and processors, with the settings for reading events."""

    categories: Annotated[
        list[str], Meta(description=f"event topics to read: {', '.join(_CATEGORIES)}")
    ] = dataclasses.field(default_factory=lambda: list(_CATEGORIES))
    start: Annotated[
        Literal["earliest", "latest"],
        Meta(description="cold start: where to begin if neither table nor group has an offset"),
    ] = "earliest"
    batch: Annotated[BatchLimits, Meta(description="when a batch closes")] = dataclasses.field(
        default_factory=BatchLimits
    )

    def close(self) -> None:
        """Release all resources; nothing is pending when this is called."""
