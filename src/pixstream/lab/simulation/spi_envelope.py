"""The envelope of an SPI file: header, group header and transactions.

Structure, order and names of elements follow the message catalogue 5.13.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixstream.event.routing import SPI_ISPB
from pixstream.lab.simulation.pieces import moment
from pixstream.lab.simulation.world import OWN_ISPB

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

VERSIONS = {"pacs.008": "1.16", "pacs.002": "1.17", "pacs.004": "1.5", "camt.054": "1.16"}


def envelope(
    message: str,
    *,
    inbound: bool,
    identifier: str,
    created: dt.datetime,
    transactions: Sequence[str],
) -> str:
    """Return a whole file: header, group header and transactions.

    Args:
        message: pacs.008, pacs.002, pacs.004 or camt.054.
        inbound: from the SPI to the own institution; else the other direction.
        identifier: MsgId without its leading M and ISPB, 23 characters.
        created: time of the message.
        transactions: texts from `spi_xml`, all for this message.
    """
    sender, receiver = (SPI_ISPB, OWN_ISPB) if inbound else (OWN_ISPB, SPI_ISPB)
    version, when = VERSIONS[message], moment(created)
    msg_id = f"M{sender}{identifier}"
    return f"""<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<Envelope xmlns="https://www.bcb.gov.br/pi/{message}/{version}">
  <AppHdr>
    <Fr><FIId><FinInstnId><Othr><Id>{sender}</Id></Othr></FinInstnId></FIId></Fr>
    <To><FIId><FinInstnId><Othr><Id>{receiver}</Id></Othr></FinInstnId></FIId></To>
    <BizMsgIdr>{msg_id}</BizMsgIdr>
    <MsgDefIdr>{message}.spi.{version}</MsgDefIdr>
    <CreDt>{when}</CreDt>
    <Sgntr/>
  </AppHdr>
  <Document>
    {_BODIES[message](msg_id, when, transactions)}
  </Document>
</Envelope>
"""


def _body_pacs008(msg_id: str, when: str, transactions: Sequence[str]) -> str:
    return f"""<FIToFICstmrCdtTrf>
      <GrpHdr>
        <MsgId>{msg_id}</MsgId>
        <CreDtTm>{when}</CreDtTm>
        <NbOfTxs>{len(transactions)}</NbOfTxs>
        <SttlmInf><SttlmMtd>CLRG</SttlmMtd></SttlmInf>
        <PmtTpInf><InstrPrty>HIGH</InstrPrty><SvcLvl><Prtry>PAGPRI</Prtry></SvcLvl></PmtTpInf>
      </GrpHdr>{"".join(transactions)}
    </FIToFICstmrCdtTrf>"""


def _body_pacs002(msg_id: str, when: str, transactions: Sequence[str]) -> str:
    return f"""<FIToFIPmtStsRpt>
      <GrpHdr><MsgId>{msg_id}</MsgId><CreDtTm>{when}</CreDtTm></GrpHdr>{"".join(transactions)}
    </FIToFIPmtStsRpt>"""


def _body_pacs004(msg_id: str, when: str, transactions: Sequence[str]) -> str:
    return f"""<PmtRtr>
      <GrpHdr>
        <MsgId>{msg_id}</MsgId>
        <CreDtTm>{when}</CreDtTm>
        <NbOfTxs>{len(transactions)}</NbOfTxs>
        <SttlmInf><SttlmMtd>CLRG</SttlmMtd></SttlmInf>
      </GrpHdr>{"".join(transactions)}
    </PmtRtr>"""


def _body_camt054(msg_id: str, when: str, transactions: Sequence[str]) -> str:
    """Return one notification per entry: the catalogue allows many, each with one entry."""
    notifications = "".join(
        f"""
      <Ntfctn>
        <Id>{msg_id[:-4]}{place:04d}</Id>
        <Acct><Id><Othr><Id>{OWN_ISPB}</Id></Othr></Id></Acct>{entry}
      </Ntfctn>"""
        for place, entry in enumerate(transactions)
    )
    return f"""<BkToCstmrDbtCdtNtfctn>
      <GrpHdr><MsgId>{msg_id}</MsgId><CreDtTm>{when}</CreDtTm></GrpHdr>{notifications}
    </BkToCstmrDbtCdtNtfctn>"""


_BODIES = {
    "pacs.008": _body_pacs008,
    "pacs.002": _body_pacs002,
    "pacs.004": _body_pacs004,
    "camt.054": _body_camt054,
}
