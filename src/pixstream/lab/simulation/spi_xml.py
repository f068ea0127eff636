"""The transactions of SPI messages as XML texts, one function per message.

Structure, order and names of elements follow the message catalogue 5.13.1.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from pixstream.lab.simulation.pieces import moment, money

if TYPE_CHECKING:
    import datetime as dt

    from pixstream.lab.simulation.transfers import Return, Transfer
    from pixstream.lab.simulation.world import Holder


def pacs008(transfer: Transfer) -> str:
    """Return a CdtTrfTxInf: the order of a payment."""
    txid = f"<TxId>{transfer.txid}</TxId>" if transfer.txid else ""
    return f"""
      <CdtTrfTxInf>
        <PmtId><EndToEndId>{transfer.e2e}</EndToEndId>{txid}</PmtId>
        <IntrBkSttlmAmt Ccy="BRL">{money(transfer.centavos)}</IntrBkSttlmAmt>
        <AccptncDtTm>{moment(transfer.when)}</AccptncDtTm>
        <ChrgBr>SLEV</ChrgBr>
        <MndtRltdInf><Tp><LclInstrm><Prtry>{transfer.initiation}</Prtry></LclInstrm></Tp></MndtRltdInf>
        <Dbtr><Nm>{escape(transfer.payer.name, quote=False)}</Nm>{_document(transfer.payer)}</Dbtr>
        <DbtrAcct>{_account(transfer.payer)}</DbtrAcct>
        <DbtrAgt>{_agent(transfer.payer)}</DbtrAgt>
        <CdtrAgt>{_agent(transfer.payee)}</CdtrAgt>
        <Cdtr>{_document(transfer.payee)}</Cdtr>
        <CdtrAcct>{_account(transfer.payee)}{_proxy(transfer)}</CdtrAcct>
        <Purp><Cd>{transfer.purpose}</Cd></Purp>{_remittance(transfer.text)}
      </CdtTrfTxInf>"""


def pacs002(
    instruction: str, e2e: str, status: str, when: dt.datetime, reason: str | None = None
) -> str:
    """Return a TxInfAndSts: the status of a payment or return.

    Args:
        instruction: EndToEndId of the payment or RtrId of the return.
        e2e: EndToEndId of the payment.
        status: ACSP, ACSC, ACCC or RJCT.
        when: time of the settlement, if it is settled.
        reason: reason of the rejection.
    """
    why = f"<StsRsnInf><Rsn><Cd>{reason}</Cd></Rsn></StsRsnInf>" if reason else ""
    settled = ""
    if status in {"ACSC", "ACCC"}:
        settled = (
            f"<FctvIntrBkSttlmDt><DtTm>{moment(when)}</DtTm></FctvIntrBkSttlmDt>"
            f"<OrgnlTxRef><IntrBkSttlmDt>{when:%Y-%m-%d}</IntrBkSttlmDt></OrgnlTxRef>"
        )
    return f"""
      <TxInfAndSts>
        <OrgnlInstrId>{instruction}</OrgnlInstrId>
        <OrgnlEndToEndId>{e2e}</OrgnlEndToEndId>
        <TxSts>{status}</TxSts>{why}{settled}
      </TxInfAndSts>"""


def pacs004(transfer: Transfer, returned: Return) -> str:
    """Return a TxInf: a return; its agents keep their roles in the original payment."""
    return f"""
      <TxInf>
        <RtrId>{returned.rtr_id}</RtrId>
        <OrgnlEndToEndId>{transfer.e2e}</OrgnlEndToEndId>
        <RtrdIntrBkSttlmAmt Ccy="BRL">{money(returned.centavos)}</RtrdIntrBkSttlmAmt>
        <SttlmPrty>HIGH</SttlmPrty>
        <ChrgBr>SLEV</ChrgBr>
        <RtrRsnInf><Rsn><Cd>{returned.reason}</Cd></Rsn></RtrRsnInf>
        <OrgnlTxRef>{_remittance(returned.text)}
          <DbtrAgt>{_agent(transfer.payer)}</DbtrAgt>
          <CdtrAgt>{_agent(transfer.payee)}</CdtrAgt>
        </OrgnlTxRef>
      </TxInf>"""


def camt054(transfer: Transfer, returned: Return | None) -> str:
    """Return a Ntry of the own PI account; Refs/InstrId and RtrInf identify a return."""
    paid = transfer.payee.own if returned else transfer.payer.own
    when = returned.settled if returned else transfer.after(2)
    name = "pacs.004.spi.1.5" if returned else "pacs.008.spi.1.16"
    instruction = f"<InstrId>{returned.rtr_id}</InstrId>" if returned else ""
    txid = f"<TxId>{transfer.txid}</TxId>" if transfer.txid else ""
    reason = f"<RtrInf><Rsn><Cd>{returned.reason}</Cd></Rsn></RtrInf>" if returned else ""
    return f"""
        <Ntry>
          <Amt Ccy="BRL">{money(returned.centavos if returned else transfer.centavos)}</Amt>
          <CdtDbtInd>{"DBIT" if paid else "CRDT"}</CdtDbtInd>
          <Sts><Cd>BOOK</Cd></Sts>
          <BookgDt><Dt>{when:%Y-%m-%d}</Dt></BookgDt>
          <ValDt><DtTm>{moment(when)}</DtTm></ValDt>
          <BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>{"IRCT" if paid else "RRCT"}</Cd>\
<SubFmlyCd>{"RRTN" if returned else "DMCT"}</SubFmlyCd></Fmly></Domn></BkTxCd>
          <AddtlInfInd><MsgNmId>{name}</MsgNmId></AddtlInfInd>
          <NtryDtls><TxDtls>
            <Refs>{instruction}<EndToEndId>{transfer.e2e}</EndToEndId>{txid}</Refs>
            <RltdPties>
              <Dbtr><Pty><Nm>{escape(transfer.payer.name, quote=False)}</Nm>\
{_document(transfer.payer)}</Pty></Dbtr>
              <DbtrAcct>{_account(transfer.payer)}</DbtrAcct>
              <Cdtr><Pty>{_document(transfer.payee)}</Pty></Cdtr>
              <CdtrAcct>{_account(transfer.payee)}{_proxy(transfer)}</CdtrAcct>
            </RltdPties>
            <RltdAgts>
              <DbtrAgt>{_agent(transfer.payer)}</DbtrAgt>
              <CdtrAgt>{_agent(transfer.payee)}</CdtrAgt>
            </RltdAgts>
            <LclInstrm><Prtry>{transfer.initiation}</Prtry></LclInstrm>
            <Purp><Cd>{transfer.purpose}</Cd></Purp>{_remittance(transfer.text)}
            <RltdDts><AccptncDtTm>{moment(transfer.when)}</AccptncDtTm></RltdDts>{reason}
            <AddtlTxInf>HIGH</AddtlTxInf>
          </TxDtls></NtryDtls>
        </Ntry>"""


def _document(holder: Holder) -> str:
    return f"<Id><PrvtId><Othr><Id>{holder.document}</Id></Othr></PrvtId></Id>"


def _account(holder: Holder) -> str:
    return (
        f"<Id><Othr><Id>{holder.account}</Id><Issr>{holder.branch}</Issr></Othr></Id>"
        f"<Tp><Cd>{holder.account_type}</Cd></Tp>"
    )


def _agent(holder: Holder) -> str:
    return f"<FinInstnId><ClrSysMmbId><MmbId>{holder.ispb}</MmbId></ClrSysMmbId></FinInstnId>"


def _proxy(transfer: Transfer) -> str:
    return f"<Prxy><Id>{escape(transfer.key, quote=False)}</Id></Prxy>" if transfer.key else ""


def _remittance(text: str | None) -> str:
    return f"<RmtInf><Ustrd>{escape(text, quote=False)}</Ustrd></RmtInf>" if text else ""
