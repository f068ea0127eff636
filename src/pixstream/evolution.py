"""One record read with patience: what the fast decoder refuses is either kept or explained.

A newer writer's unknown keys are kept: flag `unknown_field`, their values sealed into `extra`
(Law 9). Everything else is refused with the path of the field. The message is made of the names
of known fields only: unknown keys, values and msgspec's own text may hold personal data (Law 4).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, get_type_hints

import msgspec

from pixstream.errors import Refused
from pixstream.event import SCHEMA_VERSION, Flag, Party, PixEvent, Reason

SealExtra: TypeAlias = Callable[[dict[str, Any], str], dict[str, str]]
"""`seal_extra(unknown, event_id)`: encrypts unknown fields, as `canonical.Sealer.seal_extra`."""

MAX_INT = 2**63 - 1
"""What a 64-bit column of a table holds."""

_ID_LENGTH = 32
"""Checked beside the pattern, whose `$` lets a line break at the end pass."""

_EVENT = get_type_hints(PixEvent, include_extras=True)
_PARTY = get_type_hints(Party, include_extras=True)


def read(value: bytes | None, seal_extra: SealExtra | None) -> PixEvent:
    """Read one record's value strictly, unknown keys apart; every time comes out in UTC.

    Args:
        value: the record's value; None is a tombstone.
        seal_extra: encrypts unknown fields; without it they cannot be kept.

    Raises:
        Refused: `undecodable_event`, with the path of the first field that is wrong.
    """
    document = _document(value)
    if document.get("schema_version", SCHEMA_VERSION) != SCHEMA_VERSION:
        raise _refused("schema_version: not supported by this version of pixstream")
    unknown: dict[str, Any] = {}
    fields = _fields(document, _EVENT, "", unknown)
    event = PixEvent(**fields)
    if len(event.event_id) != _ID_LENGTH:
        raise _refused("event_id: of a wrong type or out of its bounds")
    if unknown:
        if seal_extra is None:
            raise _refused("unknown fields, and no key at hand to encrypt them with")
        _keep(event, seal_extra(unknown, event.event_id))
    return event


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


def _fields(
    document: Mapping[str, Any], known: Mapping[str, Any], prefix: str, unknown: dict[str, Any]
) -> dict[str, Any]:
    """The known fields, typed; the others go to `unknown` under their dotted path."""
    unknown.update({prefix + name: value for name, value in document.items() if name not in known})
    fields: dict[str, Any] = {}
    for name, kind in known.items():
        path = prefix + name
        if name not in document:
            if known is _EVENT:
                raise _refused(f"{path}: absent")
            continue
        value = document[name]
        if name in {"payer", "payee"} and known is _EVENT and isinstance(value, dict):
            fields[name] = Party(**_fields(value, _PARTY, f"{path}.", unknown))
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
    if isinstance(typed, int) and typed > MAX_INT:
        raise _refused(f"{path}: too large")
    return typed


def _keep(event: PixEvent, sealed: Mapping[str, str]) -> None:
    """Put the sealed unknown fields beside what `extra` holds already, and flag the event."""
    for name, text in sealed.items():
        event.extra[name if name not in event.extra else f"unknown_{name}"] = text
    event.flags = sorted({*event.flags, Flag.UNKNOWN_FIELD.value})


def _refused(message: str) -> Refused:
    return Refused(Reason.UNDECODABLE_EVENT, message)
