"""The schema contract: how to treat a newer writer's fields that this version does not know.

The modes are those of dlt's schema contracts. They apply to fields that neither this version nor
the destination knows; a column that the destination already has is filled in any mode.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

Mode: TypeAlias = Literal["evolve", "freeze", "discard_value", "discard_row"]
"""`evolve`: a new column; `freeze`: the consumer stops; `discard_value`: sealed into `extra`, with
the flag `unknown_field`; `discard_row`: the record becomes a dead letter."""

_WORDS = "evolve (a new column), freeze (stop), discard_value (sealed into extra) or discard_row"


class ContractSettings(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The `schema.contract` section: one mode for each group of fields."""

    event: Annotated[
        Mode, Meta(description=f"new fields of an event: {_WORDS} (a dead letter)")
    ] = "evolve"
    party: Annotated[
        Mode, Meta(description=f"new fields of payer and payee: {_WORDS} (a dead letter)")
    ] = "evolve"

    def mode(self, path: str) -> Mode:
        """Return the mode for the field at this dotted path."""
        return self.party if path.startswith(("payer.", "payee.")) else self.event


class SchemaSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The `schema` section: events of several versions in one topic."""

    contract: Annotated[
        ContractSettings,
        Meta(description="how to treat new fields of a schema_version newer than this software's"),
    ] = msgspec.field(default_factory=ContractSettings)
