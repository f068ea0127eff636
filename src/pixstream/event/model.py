"""The data model: a draft as a source reports it, and the canonical Pix event.

A `Draft` is a format parser's output: personal data in clear, strings as received. It never leaves
the process. `sealing.Sealer` turns it into a `PixEvent`: classified, typed, pseudonymised. The
fields of `PixEvent` have the same names in the JSON in Kafka, in the Delta tables, in `preview` and
in docs/reference/event.md, which is generated from this module.
"""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from pixstream.event.categories import Category

SCHEMA_VERSION = 1


class Status(StrEnum):
    """The stage of the movement, mapped from each source's own terms (see `routing`)."""

    INITIATED = "initiated"
    ACCEPTED = "accepted"
    SETTLED = "settled"
    REJECTED = "rejected"


class Direction(StrEnum):
    """The direction of the money, seen from the institution's own ISPBs."""

    IN = "in"
    OUT = "out"
    INTERNAL = "internal"
    UNKNOWN = "unknown"


class Flag(StrEnum):
    """An irregularity in an event that is kept nevertheless."""

    AMOUNT_ABSENT = "amount_absent"
    AMOUNT_IRREGULAR = "amount_irregular"
    CURRENCY_IRREGULAR = "currency_irregular"
    ID_IRREGULAR = "id_irregular"
    ID_DATE_IRREGULAR = "id_date_irregular"
    ID_ISSUER_IRREGULAR = "id_issuer_irregular"
    TIME_INFERRED = "time_inferred"
    TIME_IRREGULAR = "time_irregular"
    TIME_CONTRADICTS_ID = "time_contradicts_id"
    TIME_ZONE_ASSUMED = "time_zone_assumed"
    TIME_FUTURE = "time_future"
    TIME_PAST = "time_past"
    DOCUMENT_MASKED = "document_masked"
    DOCUMENT_IRREGULAR = "document_irregular"
    KEY_IRREGULAR = "key_irregular"
    CATEGORY_ASSUMED = "category_assumed"
    STATUS_ASSUMED = "status_assumed"
    ORIGINAL_UNKNOWN = "original_unknown"
    SHAPE_IRREGULAR = "shape_irregular"
    TEXT_REPAIRED = "text_repaired"
    UNKNOWN_FIELD = "unknown_field"


class Reason(StrEnum):
    """The reason for a dead letter: the closed list of codes."""

    MALFORMED_JSON = "malformed_json"
    MALFORMED_XML = "malformed_xml"
    EMPTY = "empty"
    TOO_LARGE = "too_large"
    NOT_A_PIX = "not_a_pix"
    CHARGE_NOT_PIX = "charge_not_pix"
    CONFIGURATION_NOT_PIX = "configuration_not_pix"
    ERROR_BODY = "error_body"
    IDENTIFIER_MISSING = "identifier_missing"
    STATUS_UNKNOWN = "status_unknown"
    MESSAGE_UNKNOWN = "message_unknown"
    CONTRADICTORY = "contradictory"
    FIELD_INVALID = "field_invalid"
    UNDECODABLE_EVENT = "undecodable_event"
    SCHEMA_CONTRACT = "schema_contract"
    DESTINATION_REJECTED = "destination_rejected"


class Person(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One side of a draft, in clear, as the source reports it."""

    ispb: str | None = None
    branch: str | None = None
    account: str | None = None
    account_type: str | None = None
    document: str | None = None
    key: str | None = None


class Draft(msgspec.Struct, kw_only=True):
    """A fact as one source reports it: strings unchecked, personal data in clear.

    `message` and `status` use the codes of `routing.TABLE`. `extra` collects every field without an
    attribute here, `texts` names and free text; both are encrypted or dropped.
    """

    message: str
    status: str | None = None
    end_to_end_id: str | None = None
    return_id: str | None = None
    txid: str | None = None
    amount: str | None = None
    currency: str = "BRL"
    event_time: str | None = None
    source_time: str | None = None
    payer: Person = msgspec.field(default_factory=Person)
    payee: Person = msgspec.field(default_factory=Person)
    sender_ispb: str | None = None
    receiver_ispb: str | None = None
    initiation: str | None = None
    purpose: str | None = None
    reason: str | None = None
    channel: str | None = None
    device_id: str | None = None
    device_os: str | None = None
    ip: str | None = None
    source_ref: str | None = None
    flags: list[str] = msgspec.field(default_factory=list)
    texts: dict[str, str] = msgspec.field(default_factory=dict)
    extra: dict[str, Any] = msgspec.field(default_factory=dict)


class Party(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, gc=False):
    """One side of an event: the payer sends the money in this event, the payee gets it."""

    ispb: Annotated[str | None, Meta(description="ISPB of the participant, 8 characters")] = None
    branch: Annotated[str | None, Meta(description="branch (agência) as the source writes it")] = (
        None
    )
    account: Annotated[
        str | None, Meta(description="pseudonym of ISPB, branch and account number")
    ] = None
    document: Annotated[str | None, Meta(description="pseudonym of the CPF or CNPJ")] = None
    document_type: Annotated[str | None, Meta(description="cpf or cnpj")] = None
    account_type: Annotated[
        str | None, Meta(description="ISO 20022 code: CACC, SVGS, TRAN, SLRY, OTHR")
    ] = None
    key: Annotated[
        str | None,
        Meta(description="pseudonym of the Pix key; a CPF or CNPJ key equals that document's"),
    ] = None
    key_type: Annotated[str | None, Meta(description="cpf, cnpj, phone, email, evp or unknown")] = (
        None
    )


class PixEvent(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, gc=False):
    """The canonical event: the JSON value of a record in the event topics.

    A field that a later version adds is nullable, has the default None, and is a string, an integer
    or a boolean (docs/upgrading.md).
    """

    event_id: Annotated[
        str,
        Meta(
            pattern="^[0-9a-f]{32}$",
            description="128-bit hash of category, end_to_end_id or return_id, and status",
        ),
    ]
    category: Annotated[Category, Meta(description=f"one of {', '.join(Category)}")]
    direction: Annotated[
        Direction,
        Meta(description="in, out, internal or unknown, seen from the institution's own ISPBs"),
    ]
    end_to_end_id: Annotated[str | None, Meta(description="EndToEndId of the (original) Pix")]
    return_id: Annotated[str | None, Meta(description="RtrId of a return (devolução)")]
    txid: Annotated[str | None, Meta(description="identifier of the charge (cobrança)")]
    amount_centavos: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        Meta(description="amount in centavos; null with a flag when absent"),
    ]
    currency: Annotated[str, Meta(description="ISO 4217 code, BRL on Pix")]
    event_time: Annotated[
        dt.datetime,
        Meta(tz=True, description="when it happened, UTC; flag time_inferred marks an estimate"),
    ]
    source_time: Annotated[
        Annotated[dt.datetime, Meta(tz=True)] | None,
        Meta(description="when the source wrote its message, UTC"),
    ]
    ingested_at: Annotated[dt.datetime, Meta(tz=True, description="when pixstream read it, UTC")]
    status: Annotated[Status, Meta(description="initiated, accepted, settled or rejected")]
    payer: Annotated[Party, Meta(description="who sends the money in this event")]
    payee: Annotated[Party, Meta(description="who receives the money in this event")]
    initiation: Annotated[
        str | None, Meta(description="SPI form of initiation: MANU, DICT, QRDN, QRES, INIC, …")
    ]
    purpose: Annotated[str | None, Meta(description="SPI purpose: IPAY, GSCB, OTHR, REFU, IPRT")]
    reason: Annotated[
        str | None, Meta(description="code of a rejection or return (AB03, MD06, FR01, …)")
    ]
    channel: Annotated[str | None, Meta(description="channel of the bank's own systems")]
    device_id: Annotated[str | None, Meta(description="pseudonym of the device")]
    device_os: Annotated[str | None, Meta(description="operating system of the device")]
    ip: Annotated[str | None, Meta(description="pseudonym of the network address")]
    source: Annotated[str, Meta(description="name of the producer that read it")]
    source_ref: Annotated[
        str | None,
        Meta(description="where to find it in the source: MsgId, file and offset, page"),
    ]
    flags: Annotated[list[str], Meta(description="what is irregular, as codes")]
    revision: Annotated[
        int, Meta(ge=0, description="0 for the first arrival; n for the n-th that adds or differs")
    ]
    extra: Annotated[
        dict[str, str],
        Meta(description="unknown fields: allowlisted ones in clear, the rest under `sealed`"),
    ]
    schema_version: Annotated[int, Meta(ge=1, description="version of this schema")]

    @property
    def record_key(self) -> bytes:
        """The Kafka key: all events of one Pix, including returns, stay in order in a partition."""
        return (self.end_to_end_id or self.return_id or self.event_id).encode()


encode = msgspec.json.Encoder().encode


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """The complete bytes that could not become a draft, and why (a code of `event.Reason`)."""

    reason: str
    message: str
    raw: bytes
    content_type: str = "application/octet-stream"
