"""One record read with patience: what the fast decoder refuses is either kept or explained.

Versions: a field that a later version adds may be null and has the default None, so an older record
is whole without it. A newer record must have every field that this version knows; what more it has
goes to the caller, who knows the contract (`contract`). The unexpected keys of a known version are
kept: flag `unknown_field`, their values sealed into `extra` (Law 9). Everything else is refused
with the path of the field. The message is made of the names of known fields only: unknown keys,
values and msgspec's own text may hold personal data (Law 4).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, get_type_hints

import msgspec

from pixstream.errors import Refused
from pixstream.event.model import SCHEMA_VERSION, Flag, Party, PixEvent, Reason

SealExtra: TypeAlias = Callable[[dict[str, Any], str], dict[str, str]]
"""`seal_extra(unknown, event_id)`: encrypts unknown fields, as `sealing.Sealer.seal_extra`."""

Take: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]
"""`take(new)`: takes over the new fields of a newer version, by dotted path, none of them null;
what it returns of them is sealed."""

MAX_INT = 2**63 - 1
"""What a 64-bit column of a table holds."""

_ID_LENGTH = 32
"""Checked beside the pattern, whose `$` lets a line break at the end pass."""

_EVENT = get_type_hints(PixEvent, include_extras=True)
_PARTY = get_type_hints(Party, include_extras=True)
_REQUIRED = {field.name for field in msgspec.structs.fields(PixEvent) if field.required}


def read(value: bytes | None, seal_extra: SealExtra | None, take: Take | None = None) -> PixEvent:
    """Read one record's value strictly, unknown keys apart; every time comes out in UTC.

    Args:
        value: the record's value; None is a tombstone.
        seal_extra: encrypts unknown fields; without it they cannot be kept.
        take: gets what is new in a newer version; without it such a record is refused.

    Raises:
        Refused: `undecodable_event`, with the path of the first field that is wrong; and whatever
            `take` refuses.
    """
    document = _document(value)
    version = document.get("schema_version", SCHEMA_VERSION)
    newer = isinstance(version, int) and version > SCHEMA_VERSION
    if not isinstance(version, int) or version < 1 or (newer and take is None):
        raise _refused("schema_version: not supported by this version of pixstream")
    event = PixEvent(**_fields(document, _EVENT, ""))
    if len(event.event_id) != _ID_LENGTH:
        raise _refused("event_id: of a wrong type or out of its bounds")
    unknown = unknown_of(document)
    if newer and take is not None:
        unknown = take(told(unknown))
    if unknown:
        if seal_extra is None:
            raise _refused("unknown fields, and no key at hand to encrypt them with")
        _keep(event, seal_extra(unknown, event.event_id))
    return event


def unknown_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a record that this version does not know, by dotted path.

    A name with a dot of its own is quoted, so that it is nobody else's path.
    """
    unknown = {_quoted(name): document[name] for name in document.keys() - _EVENT.keys()}
    for side in ("payer", "payee"):
        party = document.get(side)
        if isinstance(party, dict):
            for name in party.keys() - _PARTY.keys():
                unknown[f"{side}.{_quoted(name)}"] = party[name]
    return unknown


def told(unknown: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the fields that have a value: a newer writer names each, null tells nothing."""
    return {path: value for path, value in unknown.items() if value is not None}


def _quoted(name: str) -> str:
    return f'"{name}"' if "." in name else name


def _document(value: bytes | None) -> dict[str, Any]:
    if value is None:
        raise _refused("no value: a tombstone is no event")
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
    """The known fields, typed."""
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
        raise _refused(f"{path}: of a wrong type or out of its bounds") from None
    if isinstance(typed, int) and not -MAX_INT <= typed <= MAX_INT:
        raise _refused(f"{path}: too large")
    return typed


def _keep(event: PixEvent, sealed: Mapping[str, str]) -> None:
    """Put the sealed unknown fields beside what `extra` holds already, and flag the event."""
    for name, text in sealed.items():
        event.extra[name if name not in event.extra else f"unknown_{name}"] = text
    event.flags = sorted({*event.flags, Flag.UNKNOWN_FIELD.value})


def _refused(message: str) -> Refused:
    return Refused(Reason.UNDECODABLE_EVENT, message)
