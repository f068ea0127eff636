"""SPI messages (ISO 20022 XML): pacs.008, pacs.002, pacs.004 and camt.054 of any version.

Messages are recognised by local names, because several versions of the catalogue are in use, each
with its own namespace. A file contains one message with any number of transactions; each
transaction becomes a draft. The file is read twice: once to its end, so that a half-written file is
refused as a whole, then transaction by transaction, each freed before the next. Sources: SPI
catalogue 5.13.1, the schemas of pacs.008 1.16 and pacs.002 1.17; for camt.054 ISO 20022 as the SPI
uses it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias

from pixstream.errors import Refused
from pixstream.event.model import Draft, Flag, Reason, Refusal
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
from pixstream.formats.xml_fields import XmlFields, elements, local_name, skeleton

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

_PARTY = "FIId/FinInstnId"
_PLAIN_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{0,34}", re.ASCII)
_BLANK = b" \t\r\n"
_BOM = b"\xef\xbb\xbf"


def parse(raw: bytes) -> Iterator[Draft | Refusal]:
    """Yield a draft or refusal per transaction of a file, or one refusal of the whole file.

    Never raises. Whitespace before the XML declaration is accepted. The raw bytes of a
    transaction's refusal are its element, serialised as UTF-8; see `refusals.MAX_REFUSALS`.
    """
    try:
        message, header = _open(raw)
    except Refused as refused:
        yield Refusal(
            reason=refused.reason, message=refused.message, raw=raw, content_type=CONTENT_TYPE
        )
        return
    refusals = Refusals(raw, CONTENT_TYPE)
    for content in _contents(raw, message, header):
        if isinstance(content, Refusal):
            yield from refusals.bounded(content)
        else:
            yield content
    yield from refusals.rest()


def _contents(raw: bytes, message: str, header: Header) -> Iterator[Draft | Refusal]:
    """Yield what each transaction of a well-formed file is."""
    unit_name, read = READERS[message]
    for unit in elements(raw.lstrip(_BLANK), unit_name):
        parent = unit.getparent()
        if parent is None or local_name(parent) != message:
            continue  # an element of the same name inside a transaction, read with it
        for content in read(unit, header):
            yield identified(content, unit) if isinstance(content, Draft) else content
        unit.clear()


def _open(raw: bytes) -> tuple[str, Header]:
    """Check that the whole file is readable; return the message's local name and its header."""
    if not raw.removeprefix(_BOM).strip(_BLANK):
        raise Refused(Reason.EMPTY, "the file is empty")
    root = skeleton(raw.lstrip(_BLANK), {unit_name for unit_name, _ in READERS.values()})
    documents = [root] if local_name(root) == "Document" else root.findall("{*}Document")
    messages = [child for document in documents for child in document] or [root]
    if len(messages) > 1:
        raise Refused(Reason.MESSAGE_UNKNOWN, "Document: more than one message in the file")
    name = local_name(messages[0])
    if name not in READERS:
        shown = name if _PLAIN_NAME.fullmatch(name) else "an element that the SPI does not know"
        raise Refused(Reason.MESSAGE_UNKNOWN, f"{shown} is not a message about individual Pix")
    unit_name, _ = READERS[name]
    units = len(messages[0].findall(f"{{*}}{unit_name}"))
    if not units:
        raise Refused(Reason.NOT_A_PIX, f"{name}: without {unit_name}")
    return name, _header(root.find("{*}AppHdr"), messages[0], unit_name, units)


def _header(application: _Element | None, message: _Element, unit_name: str, units: int) -> Header:
    # Sgntr signs the transport of the message; it has no data of a transaction.
    app, grp = XmlFields(application, without=["Sgntr"]), XmlFields(message.find("{*}GrpHdr"))
    announced = grp.take("NbOfTxs")
    return Header(
        source_ref=grp.take("MsgId") or app.take("BizMsgIdr"),
        source_time=grp.take("CreDtTm") or app.take("CreDt"),
        sender=app.take(f"Fr/{_PARTY}/Othr/Id", f"Fr/{_PARTY}/ClrSysMmbId/MmbId")
        or grp.take(f"InstgAgt/{MEMBER}"),
        receiver=app.take(f"To/{_PARTY}/Othr/Id", f"To/{_PARTY}/ClrSysMmbId/MmbId")
        or grp.take(f"InstdAgt/{MEMBER}"),
        flags=[Flag.SHAPE_IRREGULAR] if announced not in {None, str(units)} else [],
        extra={
            "AppHdr": app.rest(),
            "GrpHdr": grp.rest(),
            local_name(message): XmlFields(message, without=["GrpHdr", unit_name]).rest(),
        },
    )
