"""Turns a draft into the canonical event: classified, typed, pseudonymised.

An event is kept if it can be identified; any irregularity becomes a flag.
"""

from __future__ import annotations

import base64
import datetime as dt
import re
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

from pixstream.errors import Refused
from pixstream.event import identifiers, routing, values
from pixstream.event.categories import Category
from pixstream.event.model import SCHEMA_VERSION, Draft, Flag, Party, Person, PixEvent, Reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pixstream.privacy import Pseudonymiser, Vault

MAX_CENTAVOS = 10**18 - 1
"""SPI amounts have 18 digits, which fit a table's 64-bit integer."""

_IDENTIFIER = re.compile(r"[A-Za-z0-9]{1,64}", re.ASCII)
AS_RECEIVED = "as_received"
"""The name in `extra` of texts that the event does not carry as they came, by its fields."""

_CODE = re.compile(r"[A-Za-z0-9_.-]{1,35}", re.ASCII)
_REFERENCE = re.compile(r"[^\x00-\x1f\x7f]{1,1024}")
_BRANCH = re.compile(r"[0-9A-Za-z][0-9A-Za-z.-]{0,9}", re.ASCII)
_LETTERS = re.compile(r"[A-Za-z_]{1,20}", re.ASCII)
_PHONE_DIGITS = 8
_MANY_DIGITS = re.compile(rf"\d{{{_PHONE_DIGITS}}}", re.ASCII)
_DEVICE_OS = re.compile(
    r"(android|ios|ipados|harmonyos|windows|macos|linux|chromeos)( ?\d{1,4}(\.\d{1,3}){0,3})?",
    re.ASCII | re.IGNORECASE,
)
"""Known systems with an optional version: anything else, such as a device name, may be personal."""

_CLEAR_FIELDS: Mapping[str, re.Pattern[str]] = {
    **dict.fromkeys(("initiation", "purpose", "reason", "channel", "txid"), _CODE),
    "device_os": _DEVICE_OS,
    "source_ref": _REFERENCE,
}
_CLEAR_PARTY_FIELDS: Mapping[str, re.Pattern[str]] = {
    "ispb": identifiers.ISPB,
    "branch": _BRANCH,
    "account_type": _LETTERS,
}
"""Fields that stay readable → the form of their values."""

_LONG_NUMBERS = frozenset({"txid", "source_ref", "ispb"})
"""Clear fields that may have eight digits in a row; elsewhere these may be a phone."""

_LONGEST_CLEAR = 1024
_MASK_CHARACTERS = frozenset("*xX•#")
_NO_IDENTITY = "neither EndToEndId nor RtrId identifies a Pix: absent, a placeholder, or a document"


class TimeSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The `time` section: which event times are flagged as implausible."""

    max_future_seconds: Annotated[
        int, Meta(ge=0, description="an event further in the future is flagged time_future")
    ] = 300
    max_past_days: Annotated[
        int, Meta(ge=1, le=36_500, description="an event older than this is flagged time_past")
    ] = 400
    max_from_id_seconds: Annotated[
        int,
        Meta(
            ge=60,
            description="an event further from the minute in its identifier is flagged "
            "time_contradicts_id",
        ),
    ] = 900


class _Findings:
    """What one draft is found to be: flags, and the texts that its event does not carry."""

    def __init__(self, flags: Iterable[str]) -> None:
        self.flags: set[str] = set(flags)
        self.as_received: dict[str, str] = {}

    def keep(self, field: str, text: str, flag: Flag) -> None:
        """Flag a field, and keep its text: it was not understood, or not taken as it came."""
        self.flags.add(flag)
        self.as_received[field] = text


class Sealer:
    """The step that turns drafts into events.

    Args:
        pseudonym: makes the pseudonyms.
        vault: seals texts and unknown fields.
        own_ispbs: the institution's own participants, which determine side and direction.
        free_text: `encrypt` or `drop`.
        allowlist: fields of `extra` kept in clear, by dotted path.
        time: bounds of plausible event times.

    Attributes:
        vault: as given.
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
        self.vault = vault
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
        findings = _Findings(draft.flags)
        end_to_end_id = _identity("end_to_end_id", draft.end_to_end_id, findings)
        return_id = _identity("return_id", draft.return_id, findings)
        identifier = return_id or end_to_end_id
        if identifier is None:
            raise Refused(Reason.IDENTIFIER_MISSING, _NO_IDENTITY)
        route = routing.route(draft, self._own)
        if route.category is Category.ESTORNO and not (
            return_id or draft.purpose in routing.RETURN_PURPOSES
        ):
            raise Refused(Reason.IDENTIFIER_MISSING, "a return without its own identifier (RtrId)")
        findings.flags.update(route.flags)
        if return_id and not end_to_end_id:
            findings.flags.add(Flag.ORIGINAL_UNKNOWN)
        event_id = routing.event_id(route.category, identifier, route.status)
        event_time, source_time = self._times(draft, identifier, now, findings)
        event = PixEvent(
            event_id=event_id,
            category=route.category,
            direction=route.direction,
            end_to_end_id=end_to_end_id,
            return_id=return_id,
            txid=draft.txid,
            amount_centavos=_centavos(draft.amount, findings),
            currency=_currency(draft.currency, findings),
            event_time=event_time,
            source_time=source_time,
            ingested_at=now,
            status=route.status,
            payer=self._party("payer.", draft.payer, findings),
            payee=self._party("payee.", draft.payee, findings),
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
        _hide("", event, _CLEAR_FIELDS, findings)
        _hide("payer.", event.payer, _CLEAR_PARTY_FIELDS, findings)
        _hide("payee.", event.payee, _CLEAR_PARTY_FIELDS, findings)
        extra = draft.extra
        if findings.as_received:
            extra = {**extra, AS_RECEIVED: findings.as_received}
        event.extra = self.seal_extra(extra, draft.texts, event_id)
        event.flags = sorted(map(str, findings.flags))
        return event

    def seal_extra(
        self, extra: dict[str, Any], texts: dict[str, str], event_id: str
    ) -> dict[str, str]:
        """Return allowlisted fields as JSON, the rest and the texts under `sealed` (base64).

        An allowlisted field is sealed too if it is long, or has a CPF or CNPJ in it.
        """
        clear: dict[str, str] = {}
        rest: dict[str, Any] = {}
        for name, value in extra.items():
            if name in self._allowlist:
                text = value if isinstance(value, str) else _json(value).decode()
                if len(text) <= _LONGEST_CLEAR and not identifiers.has_document(text):
                    clear[name] = text
                    continue
            rest[name] = value
        if texts and self._keep_texts:
            rest["texts"] = texts
        if rest:
            sealed = self.vault.seal(_json(rest), event_id.encode())
            clear["sealed"] = base64.b64encode(sealed).decode()
        return clear

    def party(self, person: Person) -> Party:
        """Return one side of an event as `seal` does, without what is irregular about it."""
        return self._party("", person, _Findings(()))

    def open_extra(self, event: PixEvent) -> dict[str, Any]:
        """Decrypt what `seal_extra` sealed."""
        sealed = event.extra.get("sealed")
        if sealed is None:
            return {}
        opened = self.vault.open(base64.b64decode(sealed), event.event_id.encode())
        value: dict[str, Any] = msgspec.json.decode(opened)
        return value

    def _party(self, prefix: str, person: Person, findings: _Findings) -> Party:
        document, document_type = self._document(prefix, person.document, findings)
        key, key_type = self._key(prefix, person.key, findings)
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

    def _document(
        self, prefix: str, text: str | None, findings: _Findings
    ) -> tuple[str | None, str | None]:
        if not text:
            return None, None
        if _MASK_CHARACTERS & set(text):
            # A masked document joins nothing, so it gets no pseudonym.
            findings.keep(f"{prefix}document", text, Flag.DOCUMENT_MASKED)
            return None, None
        normalised = identifiers.normalise_document(text)
        kind = identifiers.document_type(normalised)
        if kind is None or not identifiers.document_valid(normalised):
            findings.keep(f"{prefix}document", text, Flag.DOCUMENT_IRREGULAR)
        return self._pseudonym("document", normalised), kind

    def _key(
        self, prefix: str, text: str | None, findings: _Findings
    ) -> tuple[str | None, str | None]:
        if not text:
            return None, None
        kind, key = identifiers.normalise_key(text)
        if kind == "unknown" or (kind == "phone" and key != text):
            findings.keep(f"{prefix}key", text, Flag.KEY_IRREGULAR)
        return self._pseudonym("document" if kind in {"cpf", "cnpj"} else "key", key), kind

    def _times(
        self, draft: Draft, identifier: str, now: dt.datetime, findings: _Findings
    ) -> tuple[dt.datetime, dt.datetime | None]:
        """Return the event time (the event's, message's, identifier's, or now) and source time."""
        own = _time("event_time", draft.event_time, findings)
        source = _time("source_time", draft.source_time, findings)
        minute = identifiers.id_time(identifier)
        event_time = own or source or minute or now
        if own is None:
            findings.flags.add(Flag.TIME_INFERRED)
        elif minute and abs(own - minute) > dt.timedelta(seconds=self._time.max_from_id_seconds):
            findings.flags.add(Flag.TIME_CONTRADICTS_ID)
        if event_time > now + dt.timedelta(seconds=self._time.max_future_seconds):
            findings.flags.add(Flag.TIME_FUTURE)
        elif event_time < now - dt.timedelta(days=self._time.max_past_days):
            findings.flags.add(Flag.TIME_PAST)
        return event_time, source


def _hide(
    prefix: str, holder: PixEvent | Party, forms: Mapping[str, re.Pattern[str]], findings: _Findings
) -> None:
    """Remove from clear fields a value that has another form, or may identify a person."""
    for name, form in forms.items():
        value = getattr(holder, name)
        if not value or (form.fullmatch(value) and not _may_identify(name, value)):
            continue
        findings.keep(prefix + name, value, Flag.SHAPE_IRREGULAR)
        setattr(holder, name, None)


def _may_identify(name: str, value: str) -> bool:
    """Return whether a code contains a CPF or CNPJ, or digits that may be a phone."""
    if len(value) < _PHONE_DIGITS:
        return False
    if name not in _LONG_NUMBERS and _MANY_DIGITS.search(value):
        return True
    return identifiers.has_document(value)


def _identity(field: str, text: str | None, findings: _Findings) -> str | None:
    """Return an identifier of a Pix; None if the text cannot identify one."""
    if not text:
        return None
    identifier = text.strip()
    if not identifiers.is_identity(identifier):
        findings.keep(field, text, Flag.ID_IRREGULAR)
        return None
    letter = "D" if field == "return_id" else "E"
    if identifier != text:
        findings.keep(field, text, Flag.ID_IRREGULAR)
    if identifier[0] != letter or not identifiers.E2E.fullmatch(identifier):
        findings.flags.add(Flag.ID_IRREGULAR)
    elif identifiers.id_time(identifier) is None:
        findings.flags.add(Flag.ID_DATE_IRREGULAR)
    return identifier


def _centavos(text: str | None, findings: _Findings) -> int | None:
    """Convert an amount in reais to centavos; None with a flag if that cannot be done for sure."""
    if not text:
        findings.flags.add(Flag.AMOUNT_ABSENT)
        return None
    found = values.amount(text)
    if found is None or found.irregular:
        findings.keep("amount", text, Flag.AMOUNT_IRREGULAR)
    return found.centavos if found else None


def _currency(text: str, findings: _Findings) -> str:
    """Return the ISO 4217 code; XXX ("no currency") if the text is not a code."""
    if text == "BRL":
        return text
    code = values.currency(text)
    if code == text:
        findings.flags.add(Flag.CURRENCY_IRREGULAR)
    else:
        findings.keep("currency", text, Flag.CURRENCY_IRREGULAR)
    return code or "XXX"


def _time(field: str, text: str | None, findings: _Findings) -> dt.datetime | None:
    """Return a time in UTC; without a zone it is Brasília's, with a flag."""
    if not text:
        return None
    found = values.time(text)
    if found is None:
        findings.keep(field, text, Flag.TIME_IRREGULAR)
        return None
    if found.irregular:
        findings.keep(field, text, Flag.TIME_IRREGULAR)
    if found.zone_assumed:
        findings.flags.add(Flag.TIME_ZONE_ASSUMED)
    return found.utc


def _json(value: Any) -> bytes:
    return msgspec.json.encode(value)
