"""SPI messages (ISO 20022 XML): pacs.008, pacs.002, pacs.004 and camt.054 of any version.

Messages are recognised by local names, because several versions of the catalogue are in use, each
with its own namespace. A file contains one message with any number of transactions; each
transaction becomes a draft. The file is read twice: once to its end, so that a half-written file is
refused as a whole, then transaction by transaction, each freed before the next. A multipart answer
of the ICOM, saved as it came, contains several messages. Sources: SPI catalogue 5.13.1, the schemas
of pacs.008 1.16 and pacs.002 1.17; for camt.054 ISO 20022 as the SPI uses it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias

from pixstream.errors import Refused
from pixstream.event.model import Draft, Flag, Reason, Refusal
from pixstream.formats import multipart
from pixstream.formats.refusals import Refusals
from pixstream.formats.spi_camt import camt_054
from pixstream.formats.spi_pacs import (
    CONTENT_TYPE,
    MEMBER,
    Header,
    identified,
    pacs_002,
    pacs_004,
    pacs_008,
)
from pixstream.formats.xml_fields import XmlFields, elements, local_name, repaired, skeleton

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from lxml.etree import _Element

    Read: TypeAlias = Callable[[_Element, Header], Iterator[Draft | Refusal]]

READERS: Mapping[str, tuple[str, Read]] = {
    "FIToFICstmrCdtTrf": ("CdtTrfTxInf", pacs_008),
    "FIToFIPmtStsRpt": ("TxInfAndSts", pacs_002),
    "PmtRtr": ("TxInf", pacs_004),
    "BkToCstmrDbtCdtNtfctn": ("Ntfctn", camt_054),
}
"""Local name of a message → its repeated element, and the function that reads one of them."""

_REJECTION = "admi.002"
_CODE = re.compile(r"[A-Za-z0-9]{1,4}", re.ASCII)
_PARTY = "FIId/FinInstnId"
_PLAIN_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{0,34}", re.ASCII)
_COMPRESSED = {b"PK\x03\x04": "a ZIP archive", b"\x1f\x8b": "gzip"}
_BLANK = b" \t\r\n"
_BOM = b"\xef\xbb\xbf"


def parse(raw: bytes) -> Iterator[Draft | Refusal]:
    """Yield a draft or refusal per transaction of a file, or one refusal of a whole message.

    Never raises. A byte order mark and whitespace before the XML declaration are accepted. The raw
    bytes of a transaction's refusal are its element, serialised as UTF-8; see
    `refusals.MAX_REFUSALS`. What the header of a message contains beyond a draft's own fields goes
    with its first draft only: a large header would be copied into each of 100,000 transactions.
    """
    refusals = Refusals(raw, CONTENT_TYPE)
    for content in _messages(raw):
        if isinstance(content, Refusal):
            yield from refusals.bounded(content)
        else:
            yield content
    yield from refusals.rest()


def _messages(raw: bytes) -> Iterator[Draft | Refusal]:
    """Yield the contents of a file that is one message, or a multipart body of several."""
    start = _without_lead(raw)
    if not multipart.is_multipart(start):
        yield from _message(start, raw)
        return
    try:
        for content, trouble in multipart.parts(start):
            if trouble is None:
                yield from _message(_without_lead(content), content)
            else:
                yield _refusal(Refused(Reason.MALFORMED_XML, trouble), content)
    except Refused as refused:
        yield _refusal(refused, raw)


def _message(text: bytes, raw: bytes) -> Iterator[Draft | Refusal]:
    """Yield what each transaction of a message is; `raw`: its bytes as they came."""
    text, changed = repaired(text)
    try:
        message, header = _open(text)
    except Refused as refused:
        yield _refusal(refused, raw)
        return
    if changed:
        header = header._replace(flags=[*header.flags, Flag.TEXT_REPAIRED])
    unit_name, read = READERS[message]
    beside = {name: value for name, value in header.beside.items() if value}
    for unit in elements(text, unit_name):
        parent = unit.getparent()
        if parent is None or local_name(parent) != message:
            continue  # an element of the same name inside a transaction, read with it
        for content in read(unit, header):
            found = identified(content, unit) if isinstance(content, Draft) else content
            if beside and isinstance(found, Draft):
                found.extra = {**beside, **found.extra}
                beside = {}
            yield found
        unit.clear()


def _refusal(refused: Refused, raw: bytes) -> Refusal:
    return Refusal(
        reason=refused.reason, message=refused.message, raw=raw, content_type=CONTENT_TYPE
    )


def _without_lead(raw: bytes) -> bytes:
    """Return the bytes without the whitespace and the byte order mark in front of them."""
    return raw.lstrip(_BLANK).removeprefix(_BOM).lstrip(_BLANK)


def _open(text: bytes) -> tuple[str, Header]:
    """Check that the whole message is readable; return its local name and its header."""
    if not text.strip(_BLANK):
        raise Refused(Reason.EMPTY, "the file is empty")
    for magic, kind in _COMPRESSED.items():
        if text.startswith(magic):
            raise Refused(Reason.MALFORMED_XML, f"{kind}, not XML: unpack it")
    root = skeleton(text, {unit_name for unit_name, _ in READERS.values()})
    documents = [root] if local_name(root) == "Document" else root.findall("{*}Document")
    messages = [child for document in documents for child in document] or [root]
    if len(messages) > 1:
        raise Refused(Reason.MESSAGE_UNKNOWN, "Document: more than one message in the file")
    name = local_name(messages[0])
    if name.startswith(_REJECTION):
        raise _rejection(messages[0])
    if name not in READERS:
        shown = name if _PLAIN_NAME.fullmatch(name) else "an element that the SPI does not know"
        raise Refused(Reason.MESSAGE_UNKNOWN, f"{shown} is not a message about individual Pix")
    unit_name, _ = READERS[name]
    units = len(messages[0].findall(f"{{*}}{unit_name}"))
    if not units:
        raise Refused(Reason.NOT_A_PIX, f"{name}: without {unit_name}")
    return name, _header(root.find("{*}AppHdr"), messages[0], unit_name, units)


def _rejection(message: _Element) -> Refused:
    """Return the refusal of the SPI's own error message, with its reason if that is a code."""
    reason = XmlFields(message.find("{*}Rsn")).take("RjctgPtyRsn")
    code = f", RjctgPtyRsn {reason}" if reason and _CODE.fullmatch(reason) else ""
    return Refused(
        Reason.ERROR_BODY, f"{_REJECTION}: the SPI rejected a whole message{code}; not a Pix"
    )


def _header(application: _Element | None, message: _Element, unit_name: str, units: int) -> Header:
    # Sgntr signs the transport of the message; it has no data of a transaction.
    app, grp = XmlFields(application, without=["Sgntr"]), XmlFields(message.find("{*}GrpHdr"))
    announced = grp.take("NbOfTxs")
    return Header(
        source_ref=grp.take_shared("MsgId") or app.take_shared("BizMsgIdr"),
        source_time=grp.take_shared("CreDtTm") or app.take_shared("CreDt"),
        sender=app.take_shared(f"Fr/{_PARTY}/Othr/Id", f"Fr/{_PARTY}/ClrSysMmbId/MmbId")
        or grp.take_shared(f"InstgAgt/{MEMBER}"),
        receiver=app.take_shared(f"To/{_PARTY}/Othr/Id", f"To/{_PARTY}/ClrSysMmbId/MmbId")
        or grp.take_shared(f"InstdAgt/{MEMBER}"),
        flags=[Flag.SHAPE_IRREGULAR] if announced not in {None, str(units)} else [],
        beside={
            "AppHdr": app.rest(),
            "GrpHdr": grp.rest(),
            local_name(message): XmlFields(message, without=["GrpHdr", unit_name]).rest(),
        },
    )
