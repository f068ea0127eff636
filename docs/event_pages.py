"""docs/reference/event.md and routing.md: generated from `event.PixEvent` and `routing.TABLE`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import msgspec.inspect as mi

from pixstream.columns.schema import EVENT_SCHEMA
from pixstream.event import routing
from pixstream.event.model import Flag, Party, PixEvent, Reason

if TYPE_CHECKING:
    import pyarrow as pa

FLAGS = {
    Flag.AMOUNT_ABSENT: "the message has no amount (status messages never have one)",
    Flag.AMOUNT_IRREGULAR: "the amount is not written as specified; null if unreadable",
    Flag.CURRENCY_IRREGULAR: "the currency is not BRL; XXX if it is not a currency code",
    Flag.ID_IRREGULAR: "an identifier is not of the SPI's pattern; null if it is a placeholder",
    Flag.ID_DATE_IRREGULAR: "the date inside an identifier does not exist, or is before Pix did",
    Flag.ID_ISSUER_IRREGULAR: "the ISPB inside the EndToEndId is not the payer's",
    Flag.TIME_INFERRED: "no event time: the message's, else the identifier's, else the reception's",
    Flag.TIME_IRREGULAR: "a time that is not RFC 3339: a number since 1970 is read, a date alone, "
    "another form or a placeholder (0001-01-01, 1970-01-01, 9999-12-31) is not",
    Flag.TIME_CONTRADICTS_ID: "over time.max_from_id_seconds from the minute in the identifier",
    Flag.TIME_ZONE_ASSUMED: "a time without a zone, read as Brasília time (UTC-3)",
    Flag.TIME_FUTURE: "more than time.max_future_seconds in the future",
    Flag.TIME_PAST: "older than time.max_past_days",
    Flag.DOCUMENT_MASKED: "the source masks the CPF or CNPJ: no pseudonym",
    Flag.DOCUMENT_IRREGULAR: "not a CPF or CNPJ by form or check digits; still pseudonymised",
    Flag.KEY_IRREGULAR: "not a known form of Pix key, or a phone not in E.164; still pseudonymised",
    Flag.CATEGORY_ASSUMED: "the message does not show whose side it is about; taken as pagamento",
    Flag.STATUS_ASSUMED: "the message has no status; the usual one is assumed",
    Flag.ORIGINAL_UNKNOWN: "a return without a reference to its original Pix",
    Flag.SHAPE_IRREGULAR: "a field whose JSON type or form is not as specified",
    Flag.TEXT_REPAIRED: "the message has bytes that are not UTF-8; they are read as Windows-1252",
    Flag.UNKNOWN_FIELD: "a record of a newer schema: its new fields are in `extra`",
}


EVENT_INTRODUCTION = """\
Generated from `pixstream.event.model` by `docs/generate.py`. Kafka's JSON, the Delta tables and
`pixstream preview` all use these names."""

ROUTING_INTRODUCTION = """\
Generated from `pixstream.event.routing.TABLE` by `docs/generate.py`. `event_id` is a 128-bit hash
of the category, the RtrId (of a return) or EndToEndId, and the canonical status."""

ROUTING_RULES = f"""\
A message with an RtrId, or with purpose {" or ".join(sorted(routing.RETURN_PURPOSES))}, is an
`estorno`, whatever its row says.

**By side** means the first of these that decides:

1. the agents, if exactly one of them is one of your own ISPBs;
2. the message's direction: a pacs.008 from the SPI reaches the payee's participant, one to the SPI
   comes from the payer's; an ACSP comes from the payee's;
3. the participant whose ISPB is in the EndToEndId, compared with the one that sent or received the
   message.

If none decides, the event is a `pagamento` with the flag `category_assumed`.
"""


def event() -> str:
    """Return the page of the canonical event."""
    lines = [
        "# The canonical event",
        "",
        EVENT_INTRODUCTION,
        "",
        *_fields(PixEvent, EVENT_SCHEMA),
        "",
        "## payer and payee",
        "",
        *_fields(Party, EVENT_SCHEMA.field("payer").type),
        "",
        "## Columns that only the tables have",
        "",
        "| Column | Type | Meaning |",
        "|---|---|---|",
        *(
            f"| `{name}` | {EVENT_SCHEMA.field(name).type} | {meaning} |"
            for name, meaning in (
                ("event_date", "UTC date of `event_time`; the partition column"),
                ("_topic", "Kafka topic of the record"),
                ("_partition", "its partition"),
                ("_offset", "its offset"),
                ("_kafka_timestamp", "its timestamp in Kafka"),
                ("_ingested_at", "when the consumer decoded it"),
            )
        ),
        "",
        "## Flags",
        "",
        "| Flag | Meaning |",
        "|---|---|",
        *(f"| `{flag}` | {FLAGS[flag]} |" for flag in Flag),
        "",
        "## Reason codes of dead letters",
        "",
        *(f"- `{reason}`" for reason in Reason),
        "",
    ]
    return "\n".join(lines)


def routes() -> str:
    """Return the page of the routing table."""
    lines = [
        "# How messages and statuses map to categories",
        "",
        ROUTING_INTRODUCTION,
        "",
        "| Message | Its status | Category | Canonical status |",
        "|---|---|---|---|",
    ]
    for rule in routing.TABLE:
        status = f"`{rule.status}`" if rule.status else "any or none"
        category = f"`{rule.category}`" if rule.category else "by side"
        lines.append(f"| `{rule.message}` | {status} | {category} | `{rule.canonical}` |")
    lines += [
        "",
        ROUTING_RULES,
    ]
    return "\n".join(lines)


def _fields(kind: type, schema: pa.Schema | pa.StructType) -> list[str]:
    lines = ["| Field | In the tables | Meaning |", "|---|---|---|"]
    for field in msgspec.structs.fields(kind):
        described = mi.type_info(field.type)
        meaning = ""
        if isinstance(described, mi.Metadata) and described.extra_json_schema:
            meaning = described.extra_json_schema.get("description", "")
        column = schema.field(field.name).type
        shown = "struct, see below" if str(column).startswith("struct") else str(column)
        lines.append(f"| `{field.name}` | {shown} | {meaning} |")
    return lines
