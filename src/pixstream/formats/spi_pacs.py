"""The pacs messages of the SPI: payment orders, statuses and returns, one transaction at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from lxml import etree

from pixstream.event.identifiers import is_identity
from pixstream.event.model import Draft, Person, Reason, Refusal
from pixstream.formats.xml_fields import XmlFields, local_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lxml.etree import _Element

CONTENT_TYPE = "application/xml"

MEMBER = "FinInstnId/ClrSysMmbId/MmbId"
"""The path from an agent to its ISPB."""

REMITTANCE = "RmtInf/Ustrd"
"""The payer's message to the payee."""


class Header(NamedTuple):
    """The data of the envelope that all its transactions share.

    `beside` is what has no field in a draft; the first draft of the message gets it.
    """

    source_ref: str | None
    source_time: str | None
    sender: str | None
    receiver: str | None
    flags: list[str]
    beside: Mapping[str, Any]

    def draft(
        self,
        message: str,
        fields: XmlFields,
        *,
        texts: Sequence[str],
        extra: Mapping[str, Any] | None = None,
        **known: Any,
    ) -> Draft:
        """Return a draft that includes the header's fields.

        Args:
            message: its name in `routing.TABLE`.
            fields: the fields of the transaction; what was not taken goes to `extra`.
            texts: paths of free text; each becomes one of the draft's `texts`, by its path.
            extra: additional fields from elsewhere.
            known: the draft's own fields.
        """
        written = {path: "\n".join(fields.take_all(path)) for path in texts}
        return Draft(
            message=message,
            source_ref=self.source_ref,
            source_time=self.source_time,
            sender_ispb=self.sender,
            receiver_ispb=self.receiver,
            texts={path: text for path, text in written.items() if text},
            extra={
                name: value for name, value in {**(extra or {}), **fields.rest()}.items() if value
            },
            flags=[*self.flags, *fields.flags],
            **known,
        )


def pacs_008(unit: _Element, header: Header) -> Iterator[Draft]:
    """Read a payment order, not settled by itself; the debtor pays, even if Purp marks a return."""
    fields = XmlFields(unit)
    yield header.draft(
        "spi.pacs.008",
        fields,
        end_to_end_id=fields.take("PmtId/EndToEndId"),
        txid=fields.take("PmtId/TxId"),
        **amount(fields, "IntrBkSttlmAmt"),
        event_time=fields.take("AccptncDtTm"),
        initiation=fields.take("MndtRltdInf/Tp/LclInstrm/Prtry", "PmtTpInf/LclInstrm/Prtry"),
        purpose=fields.take("Purp/Cd"),
        payer=person(fields, "Dbtr"),
        payee=person(fields, "Cdtr"),
        texts=["Dbtr/Nm", "Cdtr/Nm", REMITTANCE],
    )


def pacs_002(unit: _Element, header: Header) -> Iterator[Draft]:
    """Read a status; in the answer to a return, its OrgnlInstrId is the RtrId (D…)."""
    fields = XmlFields(unit)
    answered, end_to_end_id = fields.take("OrgnlInstrId"), fields.take("OrgnlEndToEndId")
    return_id = answered if answered and answered.startswith("D") else None
    if end_to_end_id is None and return_id is None:
        end_to_end_id = answered
    reasons = fields.take_all("StsRsnInf/Rsn/Cd")
    further: dict[str, Any] = {"StsRsnInf": {"Rsn": reasons[1:]}} if reasons[1:] else {}
    if answered not in {None, return_id, end_to_end_id}:
        further["OrgnlInstrId"] = answered
    yield header.draft(
        "spi.pacs.002",
        fields,
        status=fields.take("TxSts"),
        end_to_end_id=end_to_end_id,
        return_id=return_id,
        event_time=fields.take("FctvIntrBkSttlmDt/DtTm"),
        reason=reasons[0] if reasons else None,
        texts=["StsRsnInf/AddtlInf"],
        extra=further,
    )


def pacs_004(unit: _Element, header: Header) -> Iterator[Draft]:
    """Read a return order. OrgnlTxRef has the original payment's roles: its creditor returns it."""
    fields = XmlFields(unit)
    original = "OrgnlTxRef/"
    yield header.draft(
        "spi.pacs.004",
        fields,
        end_to_end_id=fields.take("OrgnlEndToEndId"),
        return_id=fields.take("RtrId"),
        **amount(fields, "RtrdIntrBkSttlmAmt"),
        reason=fields.take("RtrRsnInf/Rsn/Cd"),
        payer=person(fields, "Cdtr", original, original),
        payee=person(fields, "Dbtr", original, original),
        texts=[
            *(original + path for path in ("Dbtr/Nm", "Cdtr/Nm", REMITTANCE)),
            "RtrRsnInf/AddtlInf",
        ],
    )


def amount(fields: XmlFields, path: str) -> dict[str, Any]:
    """Return a draft's `amount` and `currency` from an element with a Ccy attribute."""
    currency = fields.take(f"{path}/@Ccy")
    return {"amount": fields.take(path), "currency": currency or "BRL"}


def person(fields: XmlFields, role: str, parties: str = "", agents: str = "") -> Person:
    """Read one side of a transaction.

    Args:
        fields: the fields of the transaction.
        role: Dbtr or Cdtr.
        parties: path before the party and its account, with its slash.
        agents: path before the agent, with its slash.
    """
    party, account = f"{parties}{role}", f"{parties}{role}Acct"
    identities = ("Id/PrvtId/Othr/Id", "Id/OrgId/Othr/Id")
    return Person(
        ispb=fields.take(f"{agents}{role}Agt/{MEMBER}"),
        branch=fields.take(f"{account}/Id/Othr/Issr"),
        account=fields.take(f"{account}/Id/Othr/Id"),
        account_type=fields.take(f"{account}/Tp/Cd"),
        document=fields.take(
            *(f"{party}/{path}" for path in identities),
            *(f"{party}/Pty/{path}" for path in identities),
        ),
        key=fields.take(f"{account}/Prxy/Id"),
    )


def identified(draft: Draft, element: _Element) -> Draft | Refusal:
    """Return the draft, or a refusal of its element if nothing in it identifies a Pix."""
    found = [text for text in (draft.end_to_end_id, draft.return_id) if text]
    if any(map(is_identity, found)):
        return draft
    what = "EndToEndId is a placeholder or a document" if found else "neither EndToEndId nor RtrId"
    message = f"{local_name(element)}: {what}"
    return refusal(element, Reason.IDENTIFIER_MISSING, message)


def refusal(element: _Element, reason: Reason, message: str) -> Refusal:
    """Return a refusal of one element, serialised as UTF-8."""
    raw: bytes = etree.tostring(element, encoding="utf-8", with_tail=False)
    return Refusal(reason=reason, message=message, raw=raw, content_type=CONTENT_TYPE)
