"""Turns a draft into the canonical event: classified, typed, pseudonymised (Laws 3, 4, 8, 10).

An event is kept if it can be identified; any irregularity becomes a flag.
"""

from __future__ import annotations

import base64
import datetime as dt
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

from pixstream.errors import Refused
from pixstream.event import identifiers, routing
from pixstream.event.model import SCHEMA_VERSION, Draft, Flag, Party, Person, PixEvent, Reason

if TYPE_CHECKING:
    from pixstream.privacy import Pseudonymiser, Vault

MAX_CENTAVOS = 10**18 - 1
"""SPI amounts have 18 digits, which fit a table's 64-bit integer."""

_IDENTIFIER = re.compile(r"[A-Za-z0-9]{1,64}", re.ASCII)
BRASILIA = dt.timezone(dt.timedelta(hours=-3))
"""Brasília's UTC offset, without the zone database: no daylight saving time since 2019."""

_AMOUNT = re.compile(r"\d{1,18}(\.\d{1,2})?", re.ASCII)
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,35}", re.ASCII)
_DEVICE_OS = re.compile(
    r"(android|ios|ipados|harmonyos|windows|macos|linux|chromeos)( ?\d{1,4}(\.\d{1,3}){0,3})?",
    re.ASCII | re.IGNORECASE,
)
"""Known systems with an optional version: anything else, such as a device name, may be personal."""

_CODE_FIELDS = ("initiation", "purpose", "reason", "channel", "device_os", "txid")
_PARTY_CODE_FIELDS = ("ispb", "branch", "account_type")
_MASK_CHARACTERS = frozenset("*xX•#")


class TimeSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The `time` section: which event times are flagged as implausible."""

    max_future_seconds: Annotated[
        int, Meta(ge=0, description="an event further in the future is flagged time_future")
    ] = 300
    max_past_days: Annotated[
        int, Meta(ge=1, le=36_500, description="an event older than this is flagged time_past")
    ] = 400


class Sealer:
    """The step that turns drafts into events.

    Args:
        pseudonym: makes the pseudonyms.
        vault: seals texts and unknown fields.
        own_ispbs: the institution's own participants, which determine side and direction.
        free_text: `encrypt` or `drop`.
        allowlist: fields of `extra` kept in clear, by dotted path.
        time: bounds of plausible event times.
    """

    def __init__(
        self,
        pseudonym: Pseudonymiser,
        vault: Vault,
        *,
        own_ispbs: frozenset[str] = frozenset(),
        free_text: str = "encrypt",
        allowlist: frozenset[str] = frozenset(),
        time: TimeSettings | None = None,
    ) -> None:
        self._pseudonym = pseudonym
        self._vault = vault
        self._own = own_ispbs
        self._keep_texts = free_text == "encrypt"
        self._allowlist = allowlist
        self._time = time or TimeSettings()

    def seal(self, draft: Draft, *, source: str, now: dt.datetime) -> PixEvent:
        """Turn a draft into the canonical event.

        Args:
            draft: as a format parser returned it; not modified.
            source: name of the producer.
            now: time of reading, timezone-aware.

        Raises:
            Refused: no identifier, or an unknown message or status.
        """
        identifier = draft.return_id or draft.end_to_end_id
        if not identifier:
            raise Refused(Reason.IDENTIFIER_MISSING, "neither EndToEndId nor RtrId")
        for name, value in (("endToEndId", draft.end_to_end_id), ("rtrId", draft.return_id)):
            if value and (not _IDENTIFIER.fullmatch(value) or identifiers.document_valid(value)):
                raise Refused(Reason.FIELD_INVALID, f"{name}: not a Pix identifier")
        route = routing.route(draft, self._own)
        flags = [*draft.flags, *route.flags, *_id_flags(draft)]
        event_id = routing.event_id(route.category, identifier, route.status)
        event_time, source_time = self._times(draft, identifier, now, flags)
        direction = routing.direction(draft, self._own)
        event = PixEvent(
            event_id=event_id,
            category=route.category,
            direction=direction,
            end_to_end_id=draft.end_to_end_id,
            return_id=draft.return_id,
            txid=draft.txid,
            amount_centavos=_centavos(draft.amount, flags),
            currency=_currency(draft.currency, flags),
            event_time=event_time,
            source_time=source_time,
            ingested_at=now,
            status=route.status,
            payer=self._party(draft.payer, flags),
            payee=self._party(draft.payee, flags),
            initiation=draft.initiation,
            purpose=draft.purpose,
            reason=draft.reason,
            channel=draft.channel,
            device_id=self._pseudonym("device", draft.device_id) if draft.device_id else None,
            device_os=draft.device_os,
            ip=self._pseudonym("ip", draft.ip) if draft.ip else None,
            source=source,
            source_ref=draft.source_ref,
            flags=[],
            revision=0,
            extra={},
            schema_version=SCHEMA_VERSION,
        )
        hidden = self._codes_only(event)
        if hidden:
            flags.append(Flag.SHAPE_IRREGULAR)
        event.extra = self.seal_extra({**draft.extra, **hidden}, draft.texts, event_id)
        event.flags = sorted({str(flag) for flag in flags})
        return event

    def seal_extra(
        self, extra: dict[str, Any], texts: dict[str, str], event_id: str
    ) -> dict[str, str]:
        """Return allowlisted fields as JSON, the rest and the texts under `sealed` (base64)."""
        clear: dict[str, str] = {}
        rest: dict[str, Any] = {}
        for name, value in extra.items():
            if name in self._allowlist:
                clear[name] = value if isinstance(value, str) else _json(value).decode()
            else:
                rest[name] = value
        if texts and self._keep_texts:
            rest["texts"] = texts
        if rest:
            sealed = self._vault.seal(_json(rest), event_id.encode())
            clear["sealed"] = base64.b64encode(sealed).decode()
        return clear

    def open_extra(self, event: PixEvent) -> dict[str, Any]:
        """Decrypt what `seal_extra` sealed."""
        sealed = event.extra.get("sealed")
        if sealed is None:
            return {}
        opened = self._vault.open(base64.b64decode(sealed), event.event_id.encode())
        value: dict[str, Any] = msgspec.json.decode(opened)
        return value

    def _party(self, person: Person, flags: list[Any]) -> Party:
        document, document_type = self._document(person.document, flags)
        key, key_type = self._key(person.key, flags)
        return Party(
            ispb=person.ispb,
            branch=person.branch,
            account=self._pseudonym(
                "account",
                f"{person.ispb or ''}|{(person.branch or '').lstrip('0')}|"
                f"{person.account.lstrip('0')}",
            )
            if person.account
            else None,
            document=document,
            document_type=document_type,
            account_type=person.account_type,
            key=key,
            key_type=key_type,
        )

    def _document(self, text: str | None, flags: list[Any]) -> tuple[str | None, str | None]:
        if not text:
            return None, None
        normalised = identifiers.normalise_document(text)
        if _MASK_CHARACTERS & set(text):
            # A masked document joins nothing and cannot be restored: flag it, do not hash it.
            flags.append(Flag.DOCUMENT_MASKED)
            return None, None
        kind = identifiers.document_type(normalised)
        if kind is None or not identifiers.document_valid(normalised):
            flags.append(Flag.DOCUMENT_IRREGULAR)
        return self._pseudonym("document", normalised), kind

    def _key(self, key: str | None, flags: list[Any]) -> tuple[str | None, str | None]:
        if not key:
            return None, None
        kind = identifiers.key_type(key)
        if kind in {"cpf", "cnpj"}:
            return self._pseudonym("document", identifiers.normalise_document(key)), kind
        if kind == "unknown":
            flags.append(Flag.KEY_IRREGULAR)
        value = key if kind == "phone" else key.lower()
        return self._pseudonym("key", value), kind

    def _times(
        self, draft: Draft, identifier: str, now: dt.datetime, flags: list[Any]
    ) -> tuple[dt.datetime, dt.datetime | None]:
        """Return the event time (the event's, message's, identifier's, or now) and source time."""
        own, source = _time(draft.event_time, flags), _time(draft.source_time, flags)
        event_time = own or source or identifiers.id_time(identifier) or now
        if own is None:
            flags.append(Flag.TIME_INFERRED)
        if event_time > now + dt.timedelta(seconds=self._time.max_future_seconds):
            flags.append(Flag.TIME_FUTURE)
        elif event_time < now - dt.timedelta(days=self._time.max_past_days):
            flags.append(Flag.TIME_PAST)
        return event_time, source

    def _codes_only(self, event: PixEvent) -> dict[str, str]:
        """Remove from the clear fields any value that is not a code: free text, or a document."""
        hidden: dict[str, str] = {}
        places = [("", event, _CODE_FIELDS), ("payer.", event.payer, _PARTY_CODE_FIELDS)]
        places.append(("payee.", event.payee, _PARTY_CODE_FIELDS))
        for prefix, holder, names in places:
            for name in names:
                value = getattr(holder, name)
                form = _DEVICE_OS if name == "device_os" else _CODE
                if value and (not form.fullmatch(value) or identifiers.document_valid(value)):
                    hidden[prefix + name] = value
                    setattr(holder, name, None)
        return hidden


def _id_flags(draft: Draft) -> list[Flag]:
    flags = []
    for letter, identifier in (("E", draft.end_to_end_id), ("D", draft.return_id)):
        if identifier is None:
            continue
        if identifier[:1] != letter or not identifiers.E2E.fullmatch(identifier):
            flags.append(Flag.ID_IRREGULAR)
        elif identifiers.id_time(identifier) is None:
            flags.append(Flag.ID_DATE_IRREGULAR)
    if draft.return_id and not draft.end_to_end_id:
        flags.append(Flag.ORIGINAL_UNKNOWN)
    return flags


def _centavos(text: str | None, flags: list[Any]) -> int | None:
    """Convert an amount in reais ("12.34") to centavos; None and a flag if it is irregular."""
    if text is None:
        flags.append(Flag.AMOUNT_ABSENT)
        return None
    if not _AMOUNT.fullmatch(text):
        flags.append(Flag.AMOUNT_IRREGULAR)
    try:
        centavos = Decimal(text) * 100
    except ArithmeticError:
        return None
    if not centavos.is_finite() or centavos != centavos.to_integral_value():
        return None
    return int(centavos) if 0 <= centavos <= MAX_CENTAVOS else None


def _currency(text: str, flags: list[Any]) -> str:
    """Return the ISO 4217 code; XXX ("no currency") if the text is not a code."""
    if text != "BRL":
        flags.append(Flag.CURRENCY_IRREGULAR)
    return text if re.fullmatch("[A-Z]{3}", text) else "XXX"


def _time(text: str | None, flags: list[Any]) -> dt.datetime | None:
    """Parse an RFC 3339 time into UTC; without a zone, assume Brasília's offset and set a flag."""
    if not text:
        return None
    try:
        value = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    if value.tzinfo is None:
        flags.append(Flag.TIME_ZONE_ASSUMED)
        value = value.replace(tzinfo=BRASILIA)
    try:
        return value.astimezone(dt.UTC)
    except OverflowError:
        return None


def _json(value: Any) -> bytes:
    return msgspec.json.encode(value)
