"""What contradicts a settled receipt changes the reading or refuses it: no silent receipt."""

import datetime as dt
import json
import random
from typing import Any

import pytest

from pixstream.event import identifiers
from pixstream.event.model import Draft, Flag, Reason, Refusal
from pixstream.formats.api_pix import parse
from pixstream.formats.api_pix.side import meaning

RNG = random.Random(11)
WHEN = dt.datetime(2026, 3, 4, 5, 6, tzinfo=dt.UTC)
OWN, OTHER = "11111111", "22222222"
THEIRS, OURS = (identifiers.e2e(ispb, WHEN, RNG) for ispb in (OTHER, OWN))
RTR = identifiers.rtr(OWN, WHEN, RNG)


def read(ispb: str | None = OWN, **fields: Any) -> Draft | Refusal:
    whole = {
        "endToEndId": THEIRS,
        "valor": "110.00",
        "chave": "loja@example.com",
        "horario": "2026-03-04T05:06:07Z",
    } | fields
    (found,) = parse(json.dumps(whole).encode(), ispb=ispb)
    return found


@pytest.mark.parametrize("ispb", [OWN, None])
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"status": ""},
        {"status": "CONCLUIDA"},
        {"status": "Liquidado"},
        {"status": "REALIZADO", "pagador": {"nome": "ANA"}},
        {"tipo": "RECEBIMENTO"},
        {"tipoOperacao": "C"},
        {"tipo": "pixRecebido", "status": "PAGO"},
        {"tipo": "PIX"},
        {"estado": "SP"},
        {"rtrId": ""},
        {"rtrId": "  "},
        {"pagador": {"ispb": OTHER}},
    ],
)
def test_a_receipt_stays_one(fields: dict[str, Any], ispb: str | None) -> None:
    draft = read(ispb, **fields)
    assert isinstance(draft, Draft)
    assert draft.message == "api_pix.pix"
    assert (draft.payee.ispb, draft.payee.key) == (ispb, "loja@example.com")


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"tipo": "PIX_ENVIADO", "status": "PAGO"}, "REALIZADO"),
        ({"tipoOperacao": "D", "status": "processando"}, "EM_PROCESSAMENTO"),
        ({"tipo": "SAÍDA", "status": "Cancelado"}, "NAO_REALIZADO"),
        ({"direcao": "outbound", "status": "REALIZADO"}, "REALIZADO"),
    ],
)
def test_words_of_a_sent_pix_make_it_one(fields: dict[str, Any], status: str) -> None:
    draft = read(endToEndId=OURS, recebedor={"cpf": "1" * 11, "nome": "BIA"}, **fields)
    assert isinstance(draft, Draft)
    assert (draft.message, draft.status) == ("api_pix.enviado", status)
    assert draft.payer.ispb == OWN
    assert draft.payee.document == "1" * 11
    assert draft.payer.document is None


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"status": "REJEITADO"}, Reason.STATUS_UNKNOWN),
        ({"status": "CANCELADO", "tipo": "RECEBIMENTO"}, Reason.STATUS_UNKNOWN),
        ({"status": "PROCESSANDO", "endToEndId": OURS}, Reason.STATUS_UNKNOWN),
        ({"status": "NAO_REALIZADO"}, Reason.STATUS_UNKNOWN),
        ({"status": "A word of tomorrow"}, Reason.STATUS_UNKNOWN),
        ({"situacao": "Rejeitada"}, Reason.STATUS_UNKNOWN),
        ({"tipoOperacao": "D"}, Reason.STATUS_UNKNOWN),
        ({"tipo": "RECEBIMENTO", "tipoOperacao": "D"}, Reason.CONTRADICTORY),
        ({"tipo": "RECEBIMENTO", "idEnvio": "7"}, Reason.CONTRADICTORY),
        ({"tipo": "devolucao"}, Reason.IDENTIFIER_MISSING),
        ({"tipo": "ESTORNO_ENVIADO"}, Reason.IDENTIFIER_MISSING),
        ({"rtrId": "null"}, Reason.IDENTIFIER_MISSING),
        ({"pagador": {"ispb": int(OWN)}, "recebedor": {"ispb": 0}}, Reason.CONTRADICTORY),
        ({"pagador": {"ispb": OTHER}, "recebedor": {"ispb": "33333333"}}, Reason.CONTRADICTORY),
    ],
)
def test_what_is_not_a_settled_receipt_is_refused_by_name(
    fields: dict[str, Any], reason: Reason
) -> None:
    refusal = read(**fields)
    assert isinstance(refusal, Refusal)
    assert refusal.reason == reason
    assert any(name in refusal.message for name in (*fields, "rtrId", "status"))


def test_two_described_parties_need_a_word_where_the_own_bank_is_not_known() -> None:
    parties = {"pagador": {"ispb": OTHER}, "recebedor": {"ispb": OWN}}
    refusal = read(None, **parties)
    assert isinstance(refusal, Refusal)
    assert refusal.reason == Reason.CONTRADICTORY
    assert isinstance(read(None, tipo="RECEBIDO", **parties), Draft)
    assert isinstance(read(OWN, **parties), Draft)


def test_a_word_of_sent_pix_alone_is_weighed_against_the_issuer_of_the_identifier() -> None:
    sent, received = read(status="REALIZADO", endToEndId=OURS), read(status="REALIZADO")
    assert isinstance(sent, Draft)
    assert isinstance(received, Draft)
    assert (sent.message, received.message) == ("api_pix.enviado", "api_pix.pix")


@pytest.mark.parametrize(
    ("word", "means"),
    [("NÃO_REALIZADO", "failed"), ("em processamento", "pending"), ("PAGO", "settled"), ("", None)]
    + [(word, None) for word in (7, None, ["PAGO"])],
)
def test_status_words_have_a_meaning_in_any_spelling(word: object, means: str | None) -> None:
    assert meaning(word) == means


def test_names_in_other_capitals_are_read_and_flagged() -> None:
    body = {
        "Pix": [
            {
                "EndToEndId": THEIRS,
                "TXID": "t" * 26,
                "Valor": "12.00",
                "Horario": "2026-03-04T05:06:07Z",
                "Pagador": {"CPF": "1" * 11, "Outro": 1},
                "Devolucoes": [
                    {"rtrid": RTR, "valor": "1.00", "status": "DEVOLVIDO"},
                    {"RtrId": None, "valor": "1.00"},
                ],
            }
        ]
    }
    raw = json.dumps(body).encode()
    received, returned, refused = parse(raw, ispb=OWN)
    assert isinstance(received, Draft)
    assert isinstance(returned, Draft)
    assert isinstance(refused, Refusal)
    assert (received.end_to_end_id, received.txid, received.amount) == (THEIRS, "t" * 26, "12.00")
    assert received.payer.document == "1" * 11
    assert received.extra == {"pagador": {"Outro": 1}}
    assert Flag.SHAPE_IRREGULAR in received.flags
    assert (returned.return_id, returned.end_to_end_id) == (RTR, THEIRS)
    assert Flag.SHAPE_IRREGULAR in returned.flags
    assert json.loads(refused.raw) == body["Pix"][0]
    assert refused.message.startswith("Pix[0].Devolucoes[1]: ")


def test_a_name_in_other_capitals_beside_the_documented_one_stays_in_extra() -> None:
    draft = read(Valor="1.00")
    assert isinstance(draft, Draft)
    assert draft.amount == "110.00"
    assert draft.extra == {"Valor": "1.00"}


@pytest.mark.parametrize("placeholder", ["0001-01-01T00:00:00", "1970-01-01T00:00:00Z", "", None])
def test_a_return_without_a_time_of_settlement_has_the_time_of_its_request(
    placeholder: str | None,
) -> None:
    times = {"solicitacao": "2026-03-05T05:06:07Z", "liquidacao": placeholder}
    back = {"rtrId": RTR, "valor": "1.00", "status": "DEVOLVIDO", "horario": times}
    (draft,) = parse(json.dumps(back).encode(), ispb=OWN)
    assert isinstance(draft, Draft)
    assert draft.event_time == "2026-03-05T05:06:07Z"
    if placeholder:
        assert draft.extra["horario"] == {"liquidacao": placeholder}
        assert {Flag.TIME_IRREGULAR, Flag.TIME_INFERRED} <= set(draft.flags)


def test_bytes_that_are_not_utf8_are_repaired_and_flagged() -> None:
    text = json.dumps({"endToEndId": THEIRS, "valor": "1.00", "infoPagador": "?"})
    for wrong, right in ((b"Jo\xe3o", "João"), (b"\x93oi\x94 \xc3\xa7", "“oi” ç"), (b"\x81", "�")):
        (draft,) = parse(text.encode().replace(b"?", wrong), ispb=OWN)
        assert isinstance(draft, Draft)
        assert draft.texts == {"infoPagador": right}
        assert draft.flags == [Flag.TEXT_REPAIRED]
