"""Schema evolution in one batch: which new fields become columns, their types, what is sealed.

A column takes its type from the JSON value: a string, an integer, a boolean; any other value
becomes a string with its JSON. Where the destination already has the column, its type applies.
A value of another type is sealed into `extra` instead: never lost and never an error.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa

from pixstream.columns.schema import EVENT_SCHEMA, PARTIES
from pixstream.errors import DestinationError, Refused
from pixstream.event.model import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pixstream.event.contract import ContractSettings

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}", re.ASCII)
"""How pixstream names its fields. Any other name never becomes a column: it may differ from a
column only in case, or contain characters that the table format forbids."""

_BITS = 64


class NewFields:
    """The new fields in the records of one batch.

    Args:
        contract: how to treat fields that neither this version nor the destination knows.
        columns: returns the destination's columns beyond those of an event, by dotted path; called
            at the first new field. The null type marks a column that accepts no value.
    """

    def __init__(
        self, contract: ContractSettings, columns: Callable[[], Mapping[str, pa.DataType]]
    ) -> None:
        self._contract = contract
        self._columns = columns
        self._types: dict[str, pa.DataType] | None = None
        self._values: dict[str, dict[int, Any]] = {}

    @property
    def found(self) -> bool:
        """Whether any new field has a value."""
        return bool(self._values)

    def hold(self, index: int, new: Mapping[str, Any]) -> bool:
        """Store the new fields of one record, if all already have a column of their type.

        This decides nothing, so it may be called before the record is known to be an event.
        """
        if not new:
            return True
        types = self._asked()
        if any(types.get(path) != _type(value) for path, value in new.items()):
            return False
        for path, value in new.items():
            self._values.setdefault(path, {})[index] = _cell(value, types[path])
        return True

    def take(self, index: int, new: Mapping[str, Any], where: str) -> dict[str, Any]:
        """Store the new fields of one record; return those that must be sealed.

        Args:
            index: of the record in the batch.
            new: values by dotted path, none of them null.
            where: names the record, for an error.

        Raises:
            Refused: `schema_contract`: the contract discards such rows.
            DestinationError: the contract freezes a field; nothing in the batch may be committed.
        """
        if not new:
            return {}
        types = self._asked()
        self._check(new, where)
        sealed: dict[str, Any] = {}
        for path, value in new.items():
            kind = _type(value)
            if path not in types and self._becomes_a_column(path):
                types[path] = kind
            if types.get(path) == kind:
                self._values.setdefault(path, {})[index] = _cell(value, kind)
            else:
                sealed[path] = value
        return sealed

    def added_to(self, table: pa.Table, indices: Sequence[int]) -> pa.Table:
        """Return the table with a column for each new field that has a value.

        Args:
            table: the batch, of `EVENT_SCHEMA`.
            indices: of the records that became its rows, in their order.
        """
        types = self._asked()
        for path, values in sorted(self._values.items()):
            side, _, name = path.rpartition(".")
            column = pa.array([values.get(index) for index in indices], types[path])
            if column.null_count == len(column):
                continue
            table = _with_child(table, side, name, column) if side else _with(table, name, column)
        return table

    def _asked(self) -> dict[str, pa.DataType]:
        """Return types by path: the destination's, and those decided since."""
        if self._types is None:
            self._types = dict(self._columns())
        return self._types

    def _check(self, new: Mapping[str, Any], where: str) -> None:
        """Stop, or refuse the record, if the contract says so."""
        types = self._asked()
        unknown = {path: self._contract.mode(path) for path in new if path not in types}
        frozen = sorted(path for path, mode in unknown.items() if mode == "freeze")
        if frozen:
            named = ", ".join(path for path in frozen if _is_name(path)) or "of an unusual name"
            raise DestinationError(
                f"{where}: a newer writer sends new fields ({named}) and schema.contract says "
                "freeze; this process stops and commits nothing of the batch: upgrade it, or "
                "set schema.contract to evolve, discard_value or discard_row"
            )
        if "discard_row" in unknown.values():
            message = "new fields of a newer schema_version, and schema.contract says discard_row"
            raise Refused(Reason.SCHEMA_CONTRACT, message)

    def _becomes_a_column(self, path: str) -> bool:
        return self._contract.mode(path) == "evolve" and _is_name(path)


def _is_name(path: str) -> bool:
    """Return whether a column, or a child of payer or payee, may have this name."""
    side, _, name = path.rpartition(".")
    return side in {"", *PARTIES} and bool(_NAME.fullmatch(name)) and path not in _TAKEN


_TAKEN = frozenset(EVENT_SCHEMA.names)


def _type(value: Any) -> pa.DataType:
    if isinstance(value, bool):
        return pa.bool_()
    if isinstance(value, int) and -(2 ** (_BITS - 1)) <= value < 2 ** (_BITS - 1):
        return pa.int64()
    return pa.string()


def _cell(value: Any, kind: pa.DataType) -> Any:
    if kind == pa.string() and not isinstance(value, str):
        return msgspec.json.encode(value).decode()
    return value


def _with(table: pa.Table, name: str, column: pa.Array[Any]) -> pa.Table:
    return table.append_column(pa.field(name, column.type), column)


def _with_child(table: pa.Table, side: str, name: str, column: pa.Array[Any]) -> pa.Table:
    place = table.schema.get_field_index(side)
    party: Any = table[side].combine_chunks()
    fields = [*party.type, pa.field(name, column.type)]
    whole = pa.StructArray.from_arrays([*party.flatten(), column], fields=fields)
    return table.set_column(place, table.schema.field(place).with_type(whole.type), whole)
