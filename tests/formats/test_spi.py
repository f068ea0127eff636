"""SPI messages as drafts; the fixtures follow the catalogue 5.13.1, people in them are made up."""

import datetime as dt
import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from pixstream.event import identifiers
from pixstream.event.model import Draft, Flag, Person, Reason, Refusal, encode
from pixstream.formats import spi

SHARED = Path(__file__).parents[3] / "shared"
RNG = Random(20)
WHEN = dt.datetime(2026, 11, 23, 15, 4, tzinfo=dt.UTC)
SPI, PAYING, RECEIVING = "00038166", "11111111", "22222222"
E2E, RTR = identifiers.e2e(PAYING, WHEN, RNG), identifiers.rtr(RECEIVING, WHEN, RNG)
CPF, CNPJ = identifiers.generate_cpf(RNG), identifiers.generate_cnpj(RNG)
MSG_ID = f"M{SPI}{'a1B' * 7}zz"
CREATED, ACCEPTED, SETTLED = (f"2026-11-23T15:04:{second}.123Z" for second in ("00", "01", "02"))


def envelope(message: str, version: str, body: str, *, inbound: bool = True) -> bytes:
    sender, receiver = (SPI, PAYING) if inbound else (PAYING, SPI)
    return f"""<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<Envelope xmlns="https://www.bcb.gov.br/pi/{message}/{version}">
  <AppHdr>
    <Fr><FIId><FinInstnId><Othr><Id>{sender}</Id></Othr></FinInstnId></FIId></Fr>
    <To><FIId><FinInstnId><Othr><Id>{receiver}</Id></Othr></FinInstnId></FIId></To>
    <BizMsgIdr>{MSG_ID}</BizMsgIdr>
    <MsgDefIdr>{message}.spi.{version}</MsgDefIdr>
    <CreDt>{CREATED}</CreDt>
    <Sgntr><Signature xmlns="http://www.w3.org/2000/09/xmldsig#"/></Sgntr>
  </AppHdr>
  <Document>{body}</Document>
</Envelope>""".encode()


def agent(ispb: str) -> str:
    return f"<FinInstnId><ClrSysMmbId><MmbId>{ispb}</MmbId></ClrSysMmbId></FinInstnId>"


def document(number: str) -> str:
    return f"<Id><PrvtId><Othr><Id>{number}</Id></Othr></PrvtId></Id>"


def account(number: str, kind: str, more: str = "") -> str:
    return f"<Id><Othr><Id>{number}</Id><Issr>3000</Issr></Othr></Id><Tp><Cd>{kind}</Cd></Tp>{more}"


def transfer(e2e: str = E2E, purpose: str = "IPAY") -> str:
    return f"""<CdtTrfTxInf>
      <PmtId><InstrId>{e2e}</InstrId><EndToEndId>{e2e}</EndToEndId><TxId>cobranca1</TxId></PmtId>
      <IntrBkSttlmAmt Ccy="BRL">150.20</IntrBkSttlmAmt>
      <AccptncDtTm>{ACCEPTED}</AccptncDtTm>
      <ChrgBr>SLEV</ChrgBr>
      <MndtRltdInf><Tp><LclInstrm><Prtry>DICT</Prtry></LclInstrm></Tp></MndtRltdInf>
      <InitgPty><Id><OrgId><Othr><Id>{CNPJ}</Id></Othr></OrgId></Id></InitgPty>
      <Dbtr><Nm>Ana &amp; Filhos</Nm>{document(CPF)}</Dbtr>
      <DbtrAcct>{account("500000", "CACC")}</DbtrAcct>
      <DbtrAgt>{agent(PAYING)}</DbtrAgt>
      <CdtrAgt>{agent(RECEIVING)}</CdtrAgt>
      <Cdtr>{document(CNPJ)}</Cdtr>
      <CdtrAcct>{account("600000", "TRAN", "<Prxy><Id>loja@exemplo.com.br</Id></Prxy>")}</CdtrAcct>
      <Purp><Cd>{purpose}</Cd></Purp>
      <Tax><RefNb>NF1</RefNb>{tax("CBSSPLIT")}{tax("IBSSPLIT")}</Tax>
      <RmtInf><Ustrd>almoço</Ustrd><Strd><RfrdDocInf><Tp><CdOrPrtry><Prtry>AGTEC</Prtry>
      </CdOrPrtry><Issr>33333333</Issr></Tp></RfrdDocInf><RfrdDocAmt><AdjstmntAmtAndRsn>
      <Amt Ccy="BRL">10.00</Amt><Rsn>VLDN</Rsn></AdjstmntAmtAndRsn></RfrdDocAmt></Strd></RmtInf>
    </CdtTrfTxInf>"""


def tax(kind: str) -> str:
    total = '<TtlAmt Ccy="BRL">1.00</TtlAmt>'
    return f"<Rcrd><Tp>{kind}</Tp><Ctgy>INF</Ctgy><TaxAmt>{total}</TaxAmt></Rcrd>"


def pacs_008(*transfers: str, announced: int | None = None, inbound: bool = True) -> bytes:
    number = len(transfers) if announced is None else announced
    group = f"""<GrpHdr><MsgId>{MSG_ID}</MsgId><CreDtTm>{CREATED}</CreDtTm>
      <NbOfTxs>{number}</NbOfTxs><SttlmInf><SttlmMtd>CLRG</SttlmMtd></SttlmInf><PmtTpInf>
      <InstrPrty>HIGH</InstrPrty><SvcLvl><Prtry>PAGPRI</Prtry></SvcLvl></PmtTpInf></GrpHdr>"""
    body = f"<FIToFICstmrCdtTrf>{group}{''.join(transfers)}</FIToFICstmrCdtTrf>"
    return envelope("pacs.008", "1.16", body, inbound=inbound)


def pacs_002(*statuses: str) -> bytes:
    group = f"<GrpHdr><MsgId>{MSG_ID}</MsgId><CreDtTm>{CREATED}</CreDtTm></GrpHdr>"
    body = f"<FIToFIPmtStsRpt>{group}{''.join(statuses)}</FIToFIPmtStsRpt>"
    return envelope("pacs.002", "1.17", body)


def status(instruction: str, word: str, more: str = "") -> str:
    return f"""<TxInfAndSts><OrgnlInstrId>{instruction}</OrgnlInstrId>
      <OrgnlEndToEndId>{E2E}</OrgnlEndToEndId><TxSts>{word}</TxSts>{more}</TxInfAndSts>"""


SETTLEMENT = f"""<FctvIntrBkSttlmDt><DtTm>{SETTLED}</DtTm></FctvIntrBkSttlmDt>
    <OrgnlTxRef><IntrBkSttlmDt>2026-11-23</IntrBkSttlmDt></OrgnlTxRef>"""
REJECTION = """<StsRsnInf><Rsn><Cd>AB03</Cd></Rsn><AddtlInf>demorou</AddtlInf>
    <AddtlInf>muito</AddtlInf></StsRsnInf>"""


def pacs_004() -> bytes:
    return envelope(
        "pacs.004",
        "1.5",
        f"""<PmtRtr><GrpHdr><MsgId>{MSG_ID}</MsgId><CreDtTm>{CREATED}</CreDtTm>
        <NbOfTxs>1</NbOfTxs></GrpHdr><TxInf><RtrId>{RTR}</RtrId>
        <OrgnlEndToEndId>{E2E}</OrgnlEndToEndId>
        <RtrdIntrBkSttlmAmt Ccy="BRL">50.00</RtrdIntrBkSttlmAmt><SttlmPrty>HIGH</SttlmPrty>
        <RtrRsnInf><Rsn><Cd>MD06</Cd></Rsn><AddtlInf>troca</AddtlInf></RtrRsnInf><OrgnlTxRef>
        <RmtInf><Ustrd>de volta</Ustrd></RmtInf><DbtrAgt>{agent(PAYING)}</DbtrAgt>
        <CdtrAgt>{agent(RECEIVING)}</CdtrAgt></OrgnlTxRef></TxInf></PmtRtr>""",
    )


def entry(side: str, details: str, *, sts: str = "BOOK", domain: str = "PMNT") -> str:
    return f"""<Ntry><Amt Ccy="BRL">150.20</Amt><CdtDbtInd>{side}</CdtDbtInd>
      <Sts><Cd>{sts}</Cd></Sts><BookgDt><Dt>2026-11-23</Dt></BookgDt>
      <ValDt><DtTm>{SETTLED}</DtTm></ValDt><BkTxCd><Domn><Cd>{domain}</Cd><Fmly><Cd>RRCT</Cd>
      <SubFmlyCd>DMCT</SubFmlyCd></Fmly></Domn></BkTxCd>
      <AddtlInfInd><MsgNmId>pacs.008.spi.1.16</MsgNmId></AddtlInfInd>
      <NtryDtls>{details}</NtryDtls></Ntry>"""


def details(refs: str, debtor: str = "", creditor: str = "", more: str = "") -> str:
    """A TxDtls; an agent that is empty is left out, as camt.054 allows."""
    agents = {"Dbtr": debtor, "Cdtr": creditor}
    named = "".join(f"<{role}Agt>{agent(i)}</{role}Agt>" for role, i in agents.items() if i)
    return f"""<TxDtls><Refs>{refs}<TxId>cobranca1</TxId></Refs><RltdPties>
      <Dbtr><Pty><Nm>Ana</Nm>{document(CPF)}</Pty></Dbtr>
      <DbtrAcct>{account("500000", "CACC")}</DbtrAcct>
      <Cdtr><Pty>{document(CNPJ)}</Pty></Cdtr><CdtrAcct>{account("600000", "TRAN")}</CdtrAcct>
      </RltdPties><RltdAgts>{named}</RltdAgts>
      <LclInstrm><Prtry>DICT</Prtry></LclInstrm><Purp><Cd>IPAY</Cd></Purp>
      <RmtInf><Ustrd>almoço</Ustrd></RmtInf>
      <RltdDts><AccptncDtTm>{ACCEPTED}</AccptncDtTm></RltdDts>{more}</TxDtls>"""


PAID = f"<EndToEndId>{E2E}</EndToEndId>"
RETURNED = f"<InstrId>{RTR}</InstrId>{PAID}"
WHY = "<RtrInf><Rsn><Cd>MD06</Cd></Rsn><AddtlInf>troca</AddtlInf></RtrInf>"


def camt_054(*entries: str, owner: str = RECEIVING) -> bytes:
    """One notification on the PI account of `owner`."""
    return envelope(
        "camt.054",
        "1.16",
        f"""<BkToCstmrDbtCdtNtfctn><GrpHdr><MsgId>{MSG_ID}</MsgId><CreDtTm>{CREATED}</CreDtTm>
        </GrpHdr><Ntfctn><Id>{MSG_ID}</Id><Acct><Id><Othr><Id>{owner}</Id></Othr></Id></Acct>
        {"".join(entries)}</Ntfctn></BkToCstmrDbtCdtNtfctn>""",
    )


def drafts(raw: bytes) -> list[Draft]:
    contents = list(spi.parse(raw))
    assert all(isinstance(content, Draft) for content in contents), contents
    return [content for content in contents if isinstance(content, Draft)]


def only_refusal(raw: bytes) -> Refusal:
    [content] = spi.parse(raw)
    assert isinstance(content, Refusal)
    return content


def test_a_payment_order_is_read_whole() -> None:
    [draft] = drafts(pacs_008(transfer()))
    assert draft == Draft(
        message="spi.pacs.008",
        end_to_end_id=E2E,
        txid="cobranca1",
        amount="150.20",
        event_time=ACCEPTED,
        source_time=CREATED,
        payer=Person(
            ispb=PAYING, branch="3000", account="500000", account_type="CACC", document=CPF
        ),
        payee=Person(
            ispb=RECEIVING,
            branch="3000",
            account="600000",
            account_type="TRAN",
            document=CNPJ,
            key="loja@exemplo.com.br",
        ),
        sender_ispb=SPI,
        receiver_ispb=PAYING,
        initiation="DICT",
        purpose="IPAY",
        source_ref=MSG_ID,
        texts={"Dbtr/Nm": "Ana & Filhos", "RmtInf/Ustrd": "almoço"},
        extra=draft.extra,
    )


def test_what_has_no_place_of_its_own_stays_in_extra() -> None:
    [draft] = drafts(pacs_008(transfer()))
    records = [
        {"Tp": kind, "Ctgy": "INF", "TaxAmt": {"TtlAmt": {"@Ccy": "BRL", "#text": "1.00"}}}
        for kind in ("CBSSPLIT", "IBSSPLIT")
    ]
    adjustment = {"Amt": {"@Ccy": "BRL", "#text": "10.00"}, "Rsn": "VLDN"}
    assert draft.extra == {
        "AppHdr": {"BizMsgIdr": MSG_ID, "MsgDefIdr": "pacs.008.spi.1.16", "CreDt": CREATED},
        "GrpHdr": {
            "SttlmInf": {"SttlmMtd": "CLRG"},
            "PmtTpInf": {"InstrPrty": "HIGH", "SvcLvl": {"Prtry": "PAGPRI"}},
        },
        "PmtId": {"InstrId": E2E},
        "ChrgBr": "SLEV",
        "InitgPty": {"Id": {"OrgId": {"Othr": {"Id": CNPJ}}}},
        "Tax": {"RefNb": "NF1", "Rcrd": records},
        "RmtInf": {
            "Strd": {
                "RfrdDocInf": {"Tp": {"CdOrPrtry": {"Prtry": "AGTEC"}, "Issr": "33333333"}},
                "RfrdDocAmt": {"AdjstmntAmtAndRsn": adjustment},
            }
        },
    }


def test_every_transaction_of_a_file_is_a_draft_in_its_order() -> None:
    identifiers_ = [identifiers.e2e(PAYING, WHEN, RNG) for _ in range(1_000)]
    raw = pacs_008(*(transfer(e2e) for e2e in identifiers_))
    assert [draft.end_to_end_id for draft in drafts(raw)] == identifiers_


def test_a_large_file_costs_little_more_memory_than_its_bytes() -> None:
    program = """if True:
        import resource, sys
        from pixstream.formats import spi
        raw = sys.stdin.buffer.read()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        count = sum(1 for _ in spi.parse(raw))
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(count, (after - before) * 1024 < len(raw))
    """
    raw = pacs_008(*[transfer()] * 10_000)
    done = subprocess.run(
        [sys.executable, "-c", program], input=raw, capture_output=True, check=True
    )
    assert done.stdout.split() == [b"10000", b"True"]


def test_a_file_that_announces_another_number_is_flagged() -> None:
    assert drafts(pacs_008(transfer(), announced=1))[0].flags == []
    assert drafts(pacs_008(transfer(), announced=2))[0].flags == [Flag.SHAPE_IRREGULAR]


def test_an_element_given_twice_is_flagged_and_kept() -> None:
    doubled = transfer().replace("<Purp>", "<Purp><Cd>REFU</Cd></Purp><Purp>")
    [draft] = drafts(pacs_008(doubled))
    assert draft.purpose == "REFU"
    assert draft.extra["Purp/Cd"] == ["IPAY"]
    assert draft.flags == [Flag.SHAPE_IRREGULAR]


def test_versions_namespaces_and_prefixes_make_no_difference() -> None:
    now = pacs_008(transfer())
    old = now.replace(b"pi/pacs.008/1.16", b"pi/pacs.008/1.7")
    bare = now.replace(b' xmlns="https://www.bcb.gov.br/pi/pacs.008/1.16"', b"")
    begin, end = now.index(b"<Document>"), now.index(b"</Envelope>")
    plain = now[begin:end].replace(b"<Document>", b'<d:Document xmlns:d="urn:x">', 1)
    plain = plain.replace(b"</Document>", b"</d:Document>")
    for raw in (old, bare):
        assert drafts(raw) == drafts(now)
    assert drafts(plain)[0].payee == drafts(now)[0].payee


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: b"\xef\xbb\xbf" + raw,
        lambda raw: b"\r\n  " + raw,
        lambda raw: b"\xef\xbb\xbf\n   " + raw,
        lambda raw: b"\n\xef\xbb\xbf\r\n" + raw,
        lambda raw: raw + b"\n\n",
        lambda raw: raw.decode().replace("UTF-8", "UTF-16").encode("utf-16"),
        lambda raw: raw.decode().replace("UTF-8", "ISO-8859-1").encode("latin-1"),
        lambda raw: raw.replace(b"<Purp>", b"<!-- a note --><Purp><?x y?>"),
        lambda raw: raw.replace(b"<TxId>cobranca1", b"<TxId> cobr<!-- a note -->anca1\n"),
    ],
    ids=[
        "bom",
        "blank",
        "bom-blank",
        "blank-bom-blank",
        "blank-end",
        "utf-16",
        "latin-1",
        "comments",
        "split-text",
    ],
)
def test_the_same_message_otherwise_written_is_the_same(change: object) -> None:
    raw = pacs_008(transfer())
    assert callable(change)
    assert drafts(change(raw)) == drafts(raw)


@pytest.mark.parametrize("declared", ['encoding="UTF-8" ', "", "encoding='utf-8' "])
def test_bytes_that_are_not_utf8_are_repaired_and_flagged(declared: str) -> None:
    raw = pacs_008(transfer()).replace(b'encoding="UTF-8" ', declared.encode(), 1)
    (plain,) = drafts(raw)
    (found,) = drafts(raw.replace("almoço".encode(), "almoço".encode("latin-1")))
    assert found.flags == [Flag.TEXT_REPAIRED]
    assert found.texts == plain.texts


@pytest.mark.parametrize("word", ["ACSP", "ACSC", "ACCC"])
def test_a_status_names_its_payment(word: str) -> None:
    [draft] = drafts(pacs_002(status(E2E, word, SETTLEMENT)))
    assert (draft.message, draft.status) == ("spi.pacs.002", word)
    assert (draft.end_to_end_id, draft.return_id) == (E2E, None)
    assert (draft.event_time, draft.source_time) == (SETTLED, CREATED)
    assert draft.extra["OrgnlTxRef"] == {"IntrBkSttlmDt": "2026-11-23"}
    assert draft.amount is None


def test_a_rejection_tells_why() -> None:
    [draft] = drafts(pacs_002(status(E2E, "RJCT", REJECTION)))
    assert (draft.status, draft.reason, draft.event_time) == ("RJCT", "AB03", None)
    assert draft.texts == {"StsRsnInf/AddtlInf": "demorou\nmuito"}


def test_further_reasons_are_kept() -> None:
    second = REJECTION.replace("AB03", "AC03")
    [draft] = drafts(pacs_002(status(E2E, "RJCT", REJECTION + second)))
    assert draft.reason == "AB03"
    assert draft.extra["StsRsnInf"] == {"Rsn": ["AC03"]}


def test_a_status_of_a_return_names_both() -> None:
    [draft] = drafts(pacs_002(status(RTR, "ACSC")))
    assert (draft.end_to_end_id, draft.return_id) == (E2E, RTR)


def test_a_status_without_end_to_end_id_has_its_instruction() -> None:
    lone = status(E2E, "ACSP").replace(f"<OrgnlEndToEndId>{E2E}</OrgnlEndToEndId>", "")
    [draft] = drafts(pacs_002(lone))
    assert (draft.end_to_end_id, draft.return_id) == (E2E, None)
    assert "OrgnlInstrId" not in draft.extra


def test_an_instruction_of_its_own_is_kept() -> None:
    other = identifiers.e2e(PAYING, WHEN, RNG)
    [draft] = drafts(pacs_002(status(other, "ACSP")))
    assert (draft.end_to_end_id, draft.extra["OrgnlInstrId"]) == (E2E, other)


def test_a_return_is_paid_by_who_received() -> None:
    [draft] = drafts(pacs_004())
    assert (draft.message, draft.end_to_end_id, draft.return_id) == ("spi.pacs.004", E2E, RTR)
    assert (draft.payer.ispb, draft.payee.ispb) == (RECEIVING, PAYING)
    assert (draft.amount, draft.reason) == ("50.00", "MD06")
    assert (draft.event_time, draft.source_time) == (None, CREATED)
    assert draft.texts == {"OrgnlTxRef/RmtInf/Ustrd": "de volta", "RtrRsnInf/AddtlInf": "troca"}
    assert draft.extra["SttlmPrty"] == "HIGH"


def test_an_entry_tells_a_settled_receipt() -> None:
    [draft] = drafts(camt_054(entry("CRDT", details(PAID, PAYING, RECEIVING))))
    assert (draft.message, draft.status) == ("spi.camt.054", "CRDT")
    assert (draft.end_to_end_id, draft.return_id, draft.txid) == (E2E, None, "cobranca1")
    assert (draft.amount, draft.event_time) == ("150.20", SETTLED)
    assert (draft.payer.ispb, draft.payer.document) == (PAYING, CPF)
    assert (draft.payee.ispb, draft.payee.account) == (RECEIVING, "600000")
    assert (draft.initiation, draft.purpose) == ("DICT", "IPAY")
    assert draft.texts == {"RltdPties/Dbtr/Pty/Nm": "Ana", "RmtInf/Ustrd": "almoço"}
    assert draft.extra["Ntry"]["AddtlInfInd"] == {"MsgNmId": "pacs.008.spi.1.16"}
    assert "NtryDtls" not in draft.extra["Ntry"]


@pytest.mark.parametrize(("side", "payer", "payee"), [("DBIT", "9", None), ("CRDT", None, "9")])
def test_the_owner_of_the_account_stands_in_for_its_agent(
    side: str, payer: str | None, payee: str | None
) -> None:
    [draft] = drafts(camt_054(entry(side, details(PAID)), owner="99999999"))
    assert draft.payer.ispb == (payer and "99999999")
    assert draft.payee.ispb == (payee and "99999999")


@pytest.mark.parametrize(
    ("owner", "side", "debtor", "creditor"),
    [
        (RECEIVING, "DBIT", PAYING, RECEIVING),
        (PAYING, "CRDT", PAYING, RECEIVING),
        (RECEIVING, "DBIT", RECEIVING, PAYING),
        (PAYING, "CRDT", RECEIVING, PAYING),
        ("99999999", "DBIT", PAYING, RECEIVING),
    ],
    ids=["gives", "gets", "gives, roles of the return", "gets, roles of the return", "indirect"],
)
def test_a_booked_return_is_paid_by_who_received(
    owner: str, side: str, debtor: str, creditor: str
) -> None:
    refs = details(RETURNED, debtor, creditor, WHY)
    [draft] = drafts(camt_054(entry(side, refs), owner=owner))
    assert (draft.end_to_end_id, draft.return_id, draft.reason) == (E2E, RTR, "MD06")
    assert (draft.payer.ispb, draft.payee.ispb) == (RECEIVING, PAYING)
    assert (draft.payer.document == CNPJ) == (debtor == PAYING), "parties go with their agents"
    assert draft.texts["RtrInf/AddtlInf"] == "troca"


def test_a_booked_return_without_its_identifier_is_no_settlement_of_the_payment() -> None:
    for raw in (
        camt_054(entry("DBIT", details(PAID, PAYING, RECEIVING, WHY))),
        camt_054(entry("DBIT", details(PAID, PAYING, RECEIVING)).replace("DMCT", "RRTN")),
    ):
        assert only_refusal(raw).reason == Reason.IDENTIFIER_MISSING


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (camt_054(entry("CRDT", details(PAID), sts="INFO")), Reason.STATUS_UNKNOWN),
        (camt_054(entry("CRDT", details(PAID), domain="CAMT")), Reason.NOT_A_PIX),
        (camt_054(entry("CRDT", "")), Reason.IDENTIFIER_MISSING),
        (camt_054(), Reason.NOT_A_PIX),
    ],
    ids=["not booked", "reserves", "no details", "no entry"],
)
def test_an_entry_that_settled_no_pix_is_refused(raw: bytes, reason: Reason) -> None:
    assert only_refusal(raw).reason == reason


@pytest.mark.parametrize("word", ["true", "1", "TRUE", "yes"])
def test_a_reversal_is_never_a_receipt(word: str) -> None:
    reversed_ = entry("CRDT", details(PAID)).replace("<Sts>", f"<RvslInd>{word}</RvslInd><Sts>")
    refusal = only_refusal(camt_054(reversed_))
    assert refusal.reason == Reason.STATUS_UNKNOWN
    assert refusal.message.startswith("Ntry/RvslInd: the reversal of an earlier entry")


def test_a_reversal_among_transactions_is_refused_alone() -> None:
    two = details(PAID, more="<RvslInd>true</RvslInd>") + details(PAID)
    refusal, draft = spi.parse(camt_054(entry("CRDT", two)))
    assert isinstance(refusal, Refusal)
    assert isinstance(draft, Draft)
    assert refusal.message.startswith("TxDtls/RvslInd: ")


@pytest.mark.parametrize("word", ["false", "0"])
def test_an_entry_that_is_no_reversal_is_read(word: str) -> None:
    plain = entry("CRDT", details(PAID)).replace("<Sts>", f"<RvslInd>{word}</RvslInd><Sts>")
    [draft] = drafts(camt_054(plain))
    assert draft.status == "CRDT"
    assert draft.extra["Ntry"]["RvslInd"] == word


def test_what_transactions_share_goes_with_the_first_of_them() -> None:
    first, second = drafts(pacs_008(transfer(), transfer()))
    assert first.extra.keys() - second.extra.keys() == {"AppHdr", "GrpHdr"}
    assert second.extra.keys() <= first.extra.keys()
    one = [details(PAID, more=f'<Amt Ccy="BRL">{n}.00</Amt>') for n in (1, 2)]
    booked = drafts(camt_054(entry("CRDT", "".join(one)), entry("CRDT", details(PAID))))
    shared = [sorted(draft.extra.keys() & {"AppHdr", "Ntfctn", "Ntry"}) for draft in booked]
    assert shared == [["AppHdr", "Ntfctn", "Ntry"], [], ["Ntry"]]


def test_what_transactions_share_waits_for_the_first_that_can_be_read() -> None:
    nameless = transfer().replace(E2E, "")
    refusal, draft, _ = spi.parse(pacs_008(nameless, transfer(), transfer()))
    assert isinstance(refusal, Refusal)
    assert isinstance(draft, Draft)
    assert draft.extra["GrpHdr"]["SttlmInf"] == {"SttlmMtd": "CLRG"}


def test_a_long_text_of_the_header_is_not_copied_into_every_transaction() -> None:
    long = "x" * 200
    first, second = drafts(pacs_008(transfer(), transfer()).replace(MSG_ID.encode(), long.encode()))
    assert (first.source_ref, second.source_ref) == (None, None)
    assert first.extra["GrpHdr"]["MsgId"] == first.extra["AppHdr"]["BizMsgIdr"] == long
    assert long not in encode(second).decode()


def rejection(code: str) -> bytes:
    return envelope(
        "admi.002",
        "1.3",
        f"""<admi.002.001.01><RltdRef><Ref>{MSG_ID}</Ref></RltdRef>
        <Rsn><RjctgPtyRsn>{code}</RjctgPtyRsn></Rsn></admi.002.001.01>""",
    )


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("AM05", ", RjctgPtyRsn AM05;"),
        ("x", ", RjctgPtyRsn x;"),
        (CPF, "whole message;"),
        ("Ana Maria", "whole message;"),
        ("", "whole message;"),
    ],
)
def test_a_rejected_message_is_refused_with_its_reason_if_that_is_a_code(
    code: str, said: str
) -> None:
    refusal = only_refusal(rejection(code))
    assert refusal.reason == Reason.ERROR_BODY
    assert refusal.message.startswith("admi.002: the SPI rejected a whole message")
    assert said in refusal.message


@pytest.mark.parametrize(
    ("raw", "said"), [(b"PK\x03\x04rest", "a ZIP archive"), (b"\x1f\x8b\x08rest", "gzip")]
)
def test_an_archive_is_refused_as_what_it_is(raw: bytes, said: str) -> None:
    refusal = only_refusal(raw)
    assert refusal.reason == Reason.MALFORMED_XML
    assert refusal.message == f"{said}, not XML: unpack it"


def multipart(*bodies: bytes, end: bytes = b"--simple-boundary--\r\n") -> bytes:
    """The ICOM's answer to a poll, without its HTTP headers."""
    head = b"--simple-boundary\r\nContent-Type: application/xml; charset=utf-8\r\n\r\n"
    return b"".join(head + body + b"\r\n" for body in bodies) + end


def test_an_answer_of_several_messages_is_read_as_they_are() -> None:
    order, answer = pacs_008(transfer()), pacs_002(status(E2E, "ACSC"))
    raw = multipart(order, answer)
    assert drafts(raw) == drafts(order) + drafts(answer)
    assert drafts(raw.replace(b"\r\n", b"\n")) == drafts(raw)
    assert drafts(b"\xef\xbb\xbf\r\n" + raw) == drafts(raw)


def test_a_part_that_cannot_be_read_costs_no_other() -> None:
    order = pacs_008(transfer())
    odd = rejection("AM05")
    first, second, third = spi.parse(multipart(odd, order[:-10], order))
    assert isinstance(first, Refusal)
    assert isinstance(second, Refusal)
    assert isinstance(third, Draft)
    assert (first.raw, second.raw) == (odd, order[:-10])
    assert (first.reason, second.reason) == (Reason.ERROR_BODY, Reason.MALFORMED_XML)


def test_an_answer_that_is_cut_off_is_refused_whole() -> None:
    raw = multipart(pacs_008(transfer()), end=b"")
    refusal = only_refusal(raw)
    assert refusal.raw == raw
    assert "cut off" in refusal.message


def test_several_entries_and_transactions_are_all_read() -> None:
    amounts = ['<Amt Ccy="BRL">1.00</Amt>', '<Amt Ccy="BRL">2.00</Amt>', ""]
    many = "".join(details(PAID, more=amount) for amount in amounts)
    found = drafts(camt_054(entry("CRDT", many), entry("DBIT", details(RETURNED))))
    assert [draft.amount for draft in found] == ["1.00", "2.00", None, "150.20"]
    assert [draft.status for draft in found] == ["CRDT", "CRDT", "CRDT", "DBIT"]


def test_an_entry_without_status_counts_as_booked_and_says_so() -> None:
    raw = camt_054(entry("CRDT", details(PAID))).replace(b"<Sts><Cd>BOOK</Cd></Sts>", b"")
    assert drafts(raw)[0].flags == [Flag.STATUS_ASSUMED]


def test_a_transaction_without_identifier_is_refused_alone() -> None:
    nameless = transfer().replace(E2E, "")
    first, second, third = spi.parse(pacs_008(transfer(), nameless, transfer()))
    assert isinstance(first, Draft)
    assert isinstance(third, Draft)
    assert isinstance(second, Refusal)
    assert second.reason == Reason.IDENTIFIER_MISSING
    element = etree.fromstring(second.raw)
    assert element.tag.endswith("}CdtTrfTxInf")
    assert second.raw.count(CPF.encode()) == 1
    assert CPF not in second.message


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ("<EchoTxtResp>1</EchoTxtResp>", "EchoTxtResp"),
        ("<BkToCstmrStmt><Stmt><Ntry/></Stmt></BkToCstmrStmt>", "BkToCstmrStmt"),
        ("<PmtRtr/><PmtRtr/>", "more than one"),
        ("<Ana_Maria_de_Souza/>", "an element"),
    ],
)
def test_other_messages_are_refused_by_name(body: str, named: str) -> None:
    raw = envelope("pibr.002", "1.3", body)
    refusal = only_refusal(raw)
    assert refusal.reason == Reason.MESSAGE_UNKNOWN
    assert named in refusal.message
    assert refusal.raw == raw


def test_a_message_without_transactions_is_refused() -> None:
    assert only_refusal(pacs_008()).reason == Reason.NOT_A_PIX


@pytest.mark.parametrize("raw", [b"", b" \r\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n"])
def test_nothing_is_refused_as_empty(raw: bytes) -> None:
    assert only_refusal(raw).reason == Reason.EMPTY


@given(st.data())
def test_a_half_written_file_is_refused_whole(data: st.DataObject) -> None:
    raw = pacs_008(transfer(), transfer())
    cut = data.draw(st.integers(1, len(raw.rstrip()) - 1))
    refusal = only_refusal(raw[:cut])
    assert refusal.reason == Reason.MALFORMED_XML
    assert refusal.raw == raw[:cut]


@pytest.mark.parametrize(
    "declarations",
    [
        "",
        '[<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;"><!ENTITY c "&b;&b;&b;">]',
        '[<!ENTITY c SYSTEM "file:{secret}">]',
        '[<!ENTITY % p SYSTEM "file:{secret}"> %p;]',
        'SYSTEM "file:{secret}"',
        'SYSTEM "http://127.0.0.1:9/dtd"',
    ],
    ids=["doctype", "billion laughs", "external", "parameter", "dtd file", "dtd network"],
)
def test_a_doctype_is_refused_before_anything_is_opened(declarations: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    # Whoever opens a pipe that nobody writes to waits: the test would not come back.
    os.mkfifo(secret)
    doctype = f"<!DOCTYPE Envelope {declarations.format(secret=secret)}>"
    raw = pacs_008(transfer()).replace(b"<Envelope", doctype.encode() + b"<Envelope", 1)
    refusal = only_refusal(raw.replace(b"cobranca1", b"&c;"))
    assert refusal.reason == Reason.MALFORMED_XML
    assert "DOCTYPE" in refusal.message


@pytest.mark.parametrize(
    "raw",
    [
        pacs_008(transfer()).replace(b"cobranca1", b"&c;"),
        pacs_008(transfer()).replace(b"UTF-8", b"EBCDIC-99"),
        pacs_008(transfer()).replace(b"cobranca1", b"\x00"),
        b"<a>" * 300 + b"</a>" * 300,
        b'{"pix": []}',
    ],
    ids=["entity", "encoding", "null", "deep", "json"],
)
def test_what_is_no_xml_is_refused(raw: bytes) -> None:
    assert only_refusal(raw).reason == Reason.MALFORMED_XML


@given(st.binary(max_size=300))
def test_no_bytes_raise(raw: bytes) -> None:
    assert list(spi.parse(raw))


MESSAGES = [
    pacs_008(transfer(), transfer(purpose="REFU")),
    pacs_002(status(E2E, "ACCC", SETTLEMENT), status(RTR, "RJCT", REJECTION)),
    pacs_004(),
    camt_054(entry("DBIT", details(RETURNED, PAYING, RECEIVING, WHY))),
]


@settings(max_examples=300)
@given(st.data())
def test_mutated_messages_give_drafts_that_can_be_encoded_or_refusals(data: st.DataObject) -> None:
    raw = data.draw(st.sampled_from(MESSAGES))
    for _ in range(data.draw(st.integers(1, 4))):
        pieces = raw.split(b"<")
        at = data.draw(st.integers(0, len(pieces) - 1))
        match data.draw(st.sampled_from(["drop", "double", "swap", "bytes"])):
            case "drop":
                del pieces[at]
            case "double":
                pieces.insert(at, pieces[at])
            case "swap":
                pieces[at], pieces[at - 1] = pieces[at - 1], pieces[at]
            case _:
                pieces[at] = pieces[at][:2] + data.draw(st.binary(max_size=6)) + pieces[at][2:]
        raw = b"<".join(pieces)
    contents = list(spi.parse(raw))
    assert contents
    for content in contents:
        if isinstance(content, Draft):
            assert content.end_to_end_id or content.return_id
            assert encode(content)
        else:
            assert content.raw
            assert CPF not in content.message


@given(st.data())
def test_dropped_elements_leave_an_event_or_a_refusal_a_transaction(data: st.DataObject) -> None:
    root = etree.fromstring(data.draw(st.sampled_from(MESSAGES)))
    inner = [e for e in root.iter() if len(e) == 0]
    for element in data.draw(st.lists(st.sampled_from(inner), max_size=5, unique=True)):
        parent = element.getparent()
        assert parent is not None
        parent.remove(element)
    assert len(list(spi.parse(etree.tostring(root)))) >= 1


@pytest.mark.parametrize(
    ("raw", "schema"),
    [(MESSAGES[0], "pacs.008.spi.1.16.xsd"), (MESSAGES[1], "pacs.002.spi.1.17.xsd")],
)
def test_the_fixtures_follow_the_schemas(raw: bytes, schema: str) -> None:
    file = SHARED / "domain" / "xsd" / schema
    if not file.exists():
        pytest.skip("the schemas of ../shared are not on this machine")
    checker = etree.XMLSchema(etree.parse(file))
    checker.validate(etree.fromstring(raw))
    # The schema wants a signature but brings no declaration of one.
    problems = [line for line in str(checker.error_log).splitlines() if "Signature" not in line]
    assert problems == []


def test_published_samples_are_all_events() -> None:
    files = sorted((SHARED / "samples" / "spi").glob("*.xml"))
    if not files:
        pytest.skip("the samples of ../shared are not on this machine")
    # One of them has zeros instead of an identifier: a placeholder, which no event may have.
    zeros = b"E" + b"0" * 26
    raws = [file.read_bytes().replace(zeros, E2E.encode()) for file in files]
    found = [draft for raw in raws for draft in drafts(raw)]
    assert len(found) == len(files)
    assert all(draft.source_ref for draft in found)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("17-multipart.xml", ["spi.pacs.008", "spi.pacs.002"]),
        ("18-admi002.xml", ["error_body"]),
        ("29-bom-space.xml", ["spi.pacs.008"]),
    ],
)
def test_the_inputs_that_failed_in_use(name: str, found: list[str]) -> None:
    path = SHARED / "field" / name
    if not path.exists():
        pytest.skip("the inputs of ../shared are not on this machine")
    contents = spi.parse(path.read_bytes())
    assert [c.message if isinstance(c, Draft) else c.reason for c in contents] == found
