"""Names of fields in other capitals: `rtrid`, `TxId` are read as the documented `rtrId`, `txid`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Spelling:
    """The documented names of a format; every other name stays as it is.

    Args:
        names: those of an object's fields.
        inner: name → the spelling of the object under it. Without it, objects at any depth have the
            same names.
    """

    def __init__(self, names: Iterable[str], inner: Mapping[str, Spelling] | None = None) -> None:
        self._names = frozenset(names)
        self._inner = inner
        self._by_letters = {name.lower(): name for name in sorted(self._names)}

    def corrected(self, value: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return an object with the documented names, its inner objects too.

        It is the same object if nothing changes. A name stays if the object has the documented one
        as well. Lists are not searched.
        """
        unknown = value.keys() - self._names
        names = {
            name: known
            for name in unknown
            if (known := self._by_letters.get(name.lower())) is not None and known not in value
        }
        inner: dict[str, Mapping[str, Any]] = {}
        for name, part in value.items():
            if isinstance(part, dict) and (spelling := self._under(names.get(name, name))):
                better = spelling.corrected(part)
                if better is not part:
                    inner[name] = better
        if not names and not inner:
            return value
        return {names.get(name, name): inner.get(name, part) for name, part in value.items()}

    def _under(self, name: str) -> Spelling | None:
        return self if self._inner is None else self._inner.get(name)
