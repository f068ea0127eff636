"""The lenient reader: keeps a record that the fast decoder refuses, or explains what is wrong.

Versions: a field that a later version adds is nullable with the default None, so an older record is
complete without it. A newer record must have every field that this version knows; its new fields go
to the caller, which knows the contract (`contract`). Unexpected keys in a known version are kept,
with the flag `unknown_field` and their values sealed into `extra`. Everything else is
refused with the path of the field. Messages contain only the names of known fields: unknown keys,
values and msgspec's own text may contain personal data.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, get_type_hints

import msgspec

from pixstream.errors import Refused
from pixstream.event.model import SCHEMA_VERSION, Flag, Party, PixEvent, Reason

SealExtra: TypeAlias = Callable[[dict[str, Any], str], dict[str, str]]
"""`seal_extra(unknown, event_id)`: encrypts unknown fields, like `sealing.Sealer.seal_extra`."""

Take: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]
"""`take(new)`: accepts the new fields of a newer version, by dotted path, none of them null; those
that it returns are sealed."""

MAX_INT = 2**63 - 1
"""The maximum of a table's 64-bit column."""

_ID_LENGTH = 32
"""Checked in addition to the pattern, whose `$` accepts a trailing line break."""

_EVENT = get_type_hints(PixEvent, include_extras=True)
_PARTY = get_type_hints(Party, include_extras=True)
_REQUIRED = {field.name for field in msgspec.structs.fields(PixEvent) if field.required}


def read(value: bytes | None, seal_extra: SealExtra | None, take: Take | None = None) -> PixEvent:
    """Read one record's value strictly, except for unknown keys; convert all times to UTC.

    Args:
        value: the record's value; None is a tombstone.
        seal_extra: encrypts unknown fields; without it they cannot be kept.
        take: receives the new fields of a newer version; without it such a record is refused.

    Raises:
        Refused: `undecodable_event`, with the path of the first invalid field; or raised by `take`.
    """
    document = _document(value)
    version = document.get("schema_version", SCHEMA_VERSION)
    newer = isinstance(version, int) and version > SCHEMA_VERSION
    if not isinstance(version, int) or version < 1 or (newer and take is None):
        raise _refused("schema_version: not supported by this version of pixstream")
    event = PixEvent(**_fields(document, _EVENT, ""))
    if len(event.event_id) != _ID_LENGTH:
        raise _refused("event_id: wrong type or out of range")
    unknown = unknown_of(document)
    if newer and take is not None:
        unknown = take(told(unknown))
    if unknown:
        if seal_extra is None:
            raise _refused("unknown fields, and no key available to encrypt them")
        _keep(event, seal_extra(unknown, event.event_id))
    return event


def unknown_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a record that this version does not know, by dotted path.

    A name that contains a dot is quoted, so that it cannot be mistaken for another path.
    """
    unknown = {_quoted(name): document[name] for name in document.keys() - _EVENT.keys()}
    for side in ("payer", "payee"):
        party = document.get(side)
        if isinstance(party, dict):
            for name in party.keys() - _PARTY.keys():
                unknown[f"{side}.{_quoted(name)}"] = party[name]
    return unknown


def told(unknown: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that have a value: a newer writer sends every field, many of them null."""
    return {path: value for path, value in unknown.items() if value is not None}


def _quoted(name: str) -> str:
    return f'"{name}"' if "." in name else name


def _document(value: bytes | None) -> dict[str, Any]:
    if value is None:
        raise _refused("no value: a tombstone is not an event")
    try:
        document = msgspec.json.decode(value)
    except UnicodeDecodeError:
        raise _refused("not UTF-8") from None
    except (msgspec.DecodeError, RecursionError):
        raise _refused("not JSON") from None
    if not isinstance(document, dict):
        raise _refused("not a JSON object")
    return document


def _fields(document: Mapping[str, Any], known: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Convert the known fields to their types."""
    fields: dict[str, Any] = {}
    for name, kind in known.items():
        path = prefix + name
        if name not in document:
            if known is _EVENT and name in _REQUIRED:
                raise _refused(f"{path}: absent")
            continue
        value = document[name]
        if name in {"payer", "payee"} and known is _EVENT and isinstance(value, dict):
            fields[name] = Party(**_fields(value, _PARTY, f"{path}."))
        else:
            fields[name] = _value(value, kind, path)
    return fields


def _value(value: Any, kind: Any, path: str) -> Any:
    try:
        typed = msgspec.convert(value, kind)
        if isinstance(typed, dt.datetime):
            return typed.astimezone(dt.UTC)
    except (msgspec.ValidationError, OverflowError):
        raise _refused(f"{path}: wrong type or out of range") from None
    if isinstance(typed, int) and not -MAX_INT <= typed <= MAX_INT:
        raise _refused(f"{path}: too large")
    return typed


def _keep(event: PixEvent, sealed: Mapping[str, str]) -> None:
    """Add the sealed unknown fields to `extra`, keeping its entries, and flag the event."""
    for name, text in sealed.items():
        event.extra[name if name not in event.extra else f"unknown_{name}"] = text
    event.flags = sorted({*event.flags, Flag.UNKNOWN_FIELD.value})


def _refused(message: str) -> Refused:
    return Refused(Reason.UNDECODABLE_EVENT, message)
