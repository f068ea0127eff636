"""camt.054 of the SPI: the entries booked on a PI account, the basis of every reconciliation.

A notification (Ntfctn) names the direct participant that owns the account. The SPI puts one entry
with one transaction into it; ISO 20022 allows more, and both are read. In a return, Refs/InstrId is
the RtrId.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from pixstream.event.model import Draft, Flag, Reason
from pixstream.formats.spi_pacs import REMITTANCE, amount, identified, person, refusal
from pixstream.formats.xml_fields import XmlFields

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxml.etree import _Element

    from pixstream.event.model import Person, Refusal
    from pixstream.formats.spi_pacs import Header

_NO_REVERSAL = {None, "false", "0"}
_RETURN = "RRTN"
_RESERVES = "CAMT"
_TEXTS = (
    *(f"RltdPties/{role}/{name}" for role in ("Dbtr", "Cdtr") for name in ("Pty/Nm", "Nm")),
    REMITTANCE,
    "RtrInf/AddtlInf",
)


class _Entry(NamedTuple):
    """The data of an entry that its transactions share."""

    owner: str | None
    side: str | None
    total: dict[str, Any]
    settled: str | None
    gives_back: bool
    flags: list[str]


def camt_054(unit: _Element, header: Header) -> Iterator[Draft | Refusal]:
    """Yield the transactions of one notification; refuse entries that settled nothing.

    What a notification or an entry contains beyond a draft's fields goes with its first draft only.
    """
    notice = XmlFields(unit, without=["Ntry"])
    owner = notice.take_shared("Acct/Id/Othr/Id")
    beside = {"Ntfctn": notice.rest()}
    entries = unit.findall("{*}Ntry")
    if not entries:
        yield refusal(unit, Reason.NOT_A_PIX, "Ntfctn: without Ntry")
    for element in entries:
        fields = XmlFields(element, without=["TxDtls"])
        status = fields.take("Sts/Cd", "Sts")
        details = element.findall("{*}NtryDtls/{*}TxDtls")
        reversal = fields.take("RvslInd")
        if reversal not in _NO_REVERSAL:
            message = "Ntry/RvslInd: the reversal of an earlier entry, not a Pix of its own"
            yield refusal(element, Reason.STATUS_UNKNOWN, message)
        elif status not in {None, "BOOK"}:
            message = "Ntry/Sts: not BOOK, so nothing was settled"
            yield refusal(element, Reason.STATUS_UNKNOWN, message)
        elif fields.take("BkTxCd/Domn/Cd") == _RESERVES:
            message = "Ntry/BkTxCd/Domn/Cd: a movement of reserves, not a Pix"
            yield refusal(element, Reason.NOT_A_PIX, message)
        elif not details:
            message = "Ntry: without NtryDtls/TxDtls"
            yield refusal(element, Reason.IDENTIFIER_MISSING, message)
        else:
            entry = _entry(fields, owner, assumed=status is None)
            beside["Ntry"] = fields.rest() | ({"RvslInd": reversal} if reversal else {})
            for detail in details:
                found = _transaction(detail, entry, header, alone=len(details) == 1)
                if isinstance(found, Draft):
                    found.extra = {**{k: v for k, v in beside.items() if v}, **found.extra}
                    beside = {}
                yield found


def _entry(fields: XmlFields, owner: str | None, *, assumed: bool) -> _Entry:
    """Read an entry after its status; `assumed`: it has no status and counts as booked."""
    return _Entry(
        owner=owner,
        side=fields.take_shared("CdtDbtInd"),
        total=amount(fields, "Amt"),
        settled=fields.take_shared("ValDt/DtTm", "BookgDt/DtTm"),
        gives_back=fields.take("BkTxCd/Domn/Fmly/SubFmlyCd") == _RETURN,
        flags=[*fields.flags, *([Flag.STATUS_ASSUMED] if assumed else [])],
    )


def _transaction(
    element: _Element, entry: _Entry, header: Header, *, alone: bool
) -> Draft | Refusal:
    """Read one transaction; `alone`: the entry's amount is the transaction's amount."""
    tx = XmlFields(element)
    if tx.take("RvslInd") not in _NO_REVERSAL:
        message = "TxDtls/RvslInd: the reversal of an earlier entry, not a Pix of its own"
        return refusal(element, Reason.STATUS_UNKNOWN, message)
    side = tx.take("CdtDbtInd") or entry.side
    instruction = tx.take("Refs/InstrId")
    return_id = instruction if instruction and instruction.startswith("D") else None
    reason = tx.take("RtrInf/Rsn/Cd")
    gives_back = entry.gives_back or reason is not None or return_id is not None
    if gives_back and return_id is None:
        # Without the RtrId, the original payment's identifier would make this its settlement.
        message = "TxDtls/Refs/InstrId: a return without its RtrId"
        return refusal(element, Reason.IDENTIFIER_MISSING, message)
    debtor, creditor = (person(tx, role, "RltdPties/", "RltdAgts/") for role in ("Dbtr", "Cdtr"))
    if gives_back and _of_the_original(debtor, creditor, side, entry.owner):
        debtor, creditor = creditor, debtor
    _complete(debtor, creditor, side, entry.owner)
    amounts = [amount(tx, path) for path in ("Amt", "AmtDtls/TxAmt/Amt")]
    if alone:
        amounts.append(entry.total)
    draft = header.draft(
        "spi.camt.054",
        tx,
        status=side,
        end_to_end_id=tx.take("Refs/EndToEndId"),
        return_id=return_id,
        txid=tx.take("Refs/TxId"),
        **next((found for found in amounts if found["amount"]), {}),
        event_time=entry.settled,
        initiation=tx.take("LclInstrm/Prtry"),
        purpose=tx.take("Purp/Cd"),
        reason=reason,
        payer=debtor,
        payee=creditor,
        texts=_TEXTS,
        extra=None if return_id else {"InstrId": instruction},
    )
    draft.flags.extend(entry.flags)
    return identified(draft, element)


def _of_the_original(debtor: Person, creditor: Person, side: str | None, owner: str | None) -> bool:
    """Return whether a return names its parties by their roles in the original payment.

    pacs.004 does so by rule; for camt.054 no rule is published. If the owner of the account is one
    of the two agents, the booked side decides; otherwise it is read like pacs.004.
    """
    if owner is None or debtor.ispb == creditor.ispb:
        return True
    if debtor.ispb == owner:
        return side == "CRDT"
    return creditor.ispb != owner or side == "DBIT"


def _complete(payer: Person, payee: Person, side: str | None, owner: str | None) -> None:
    """Fill a missing agent: both are optional, and the account's owner is the booked one."""
    if side == "DBIT":
        payer.ispb = payer.ispb or owner
    elif side == "CRDT":
        payee.ispb = payee.ispb or owner
