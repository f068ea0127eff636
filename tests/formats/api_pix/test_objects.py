import datetime as dt
import random
from typing import Any

import pytest

from pixstream.event import identifiers
from pixstream.event.model import Draft, Flag, Person, Reason
from pixstream.formats.api_pix.objects import devolucao, pix, problem

RNG = random.Random(2)
WHEN = dt.datetime(2026, 3, 4, 5, 6, tzinfo=dt.UTC)
OWN, OTHER = "11111111", "22222222"
E2E = identifiers.e2e(OTHER, WHEN, RNG)
RTR = identifiers.rtr(OWN, WHEN, RNG)
CPF = identifiers.generate_cpf(RNG)
CNPJ = identifiers.generate_cnpj(RNG)


def received(**changes: Any) -> dict[str, Any]:
    whole = {
        "endToEndId": E2E,
        "txid": "t" * 26,
        "valor": "110.00",
        "chave": "loja@example.com",
        "horario": "2026-03-04T05:06:07.358Z",
        "infoPagador": "aluguel",
    }
    return {name: value for name, value in (whole | changes).items() if value is not ...}


def returned(**changes: Any) -> dict[str, Any]:
    whole = {
        "id": "123ABC",
        "rtrId": RTR,
        "valor": "10.00",
        "horario": {"solicitacao": "2026-03-05T05:06:07Z", "liquidacao": "2026-03-05T05:06:09Z"},
        "status": "DEVOLVIDO",
    }
    return {name: value for name, value in (whole | changes).items() if value is not ...}


def sent(**changes: Any) -> dict[str, Any]:
    return received(tipo="SOLICITACAO", status="REALIZADO", txid=...) | changes


def test_a_received_pix_goes_to_the_account() -> None:
    assert pix(received(), ispb=OWN) == Draft(
        message="api_pix.pix",
        end_to_end_id=E2E,
        txid="t" * 26,
        amount="110.00",
        event_time="2026-03-04T05:06:07.358Z",
        payee=Person(ispb=OWN, key="loja@example.com"),
        texts={"infoPagador": "aluguel"},
    )


def test_a_bank_code_of_three_digits_is_no_ispb() -> None:
    draft = pix(received(pagador={"cpf": CPF, "codigoBanco": "364"}), ispb=None)
    assert draft.payer == Person(document=CPF)
    assert draft.extra == {"pagador": {"codigoBanco": "364"}}


def test_components_of_the_amount_and_unknown_fields_are_kept() -> None:
    parts = {"original": {"valor": "90.00"}, "saque": {"valor": "20.00"}}
    draft = pix(received(componentesValor=parts), ispb=OWN)
    assert (draft.extra, draft.flags) == ({"componentesValor": parts}, [])
    draft = pix(received(novidade={"x": [1.5, True]}), ispb=OWN)
    assert draft.extra == {"novidade": {"x": [1.5, True]}}
    assert draft.flags == [Flag.UNKNOWN_FIELD]


def test_times_prefer_the_settlement_and_keep_the_request() -> None:
    times = {"solicitacao": "2026-03-04T05:00:00Z", "liquidacao": "2026-03-04T05:00:01Z"}
    draft = pix(sent(horario=times), ispb=OWN)
    assert draft.event_time == "2026-03-04T05:00:01Z"
    assert draft.extra["horario"] == {"solicitacao": "2026-03-04T05:00:00Z"}
    asked = returned(horario={"solicitacao": "2026-03-04T05:00:00Z"}, status="EM_PROCESSAMENTO")
    assert devolucao(asked, None, ispb=OWN).event_time == "2026-03-04T05:00:00Z"


def test_a_return_swaps_the_parties_of_its_pix() -> None:
    original = pix(received(pagador={"cpf": CPF}), ispb=OWN)
    draft = devolucao(returned(descricao="troca", motivo="pedido"), original, ispb=OWN)
    assert draft == Draft(
        message="api_pix.devolucao",
        status="DEVOLVIDO",
        end_to_end_id=E2E,
        return_id=RTR,
        txid="t" * 26,
        amount="10.00",
        event_time="2026-03-05T05:06:09Z",
        payer=Person(ispb=OWN, key="loja@example.com"),
        payee=Person(document=CPF),
        reason="MD06",
        texts={"descricao": "troca", "motivo": "pedido"},
        extra={"id": "123ABC", "horario": {"solicitacao": "2026-03-05T05:06:07Z"}},
    )


def test_the_return_of_a_sent_pix_comes_back_to_the_account() -> None:
    draft = devolucao(returned(), pix(sent(), ispb=OWN), ispb=OWN)
    assert (draft.payer.ispb, draft.payee.ispb) == (None, OWN)


def test_a_return_alone_knows_its_payers_bank_only() -> None:
    draft = devolucao(returned(), None, ispb=OWN)
    assert (draft.end_to_end_id, draft.return_id) == (None, RTR)
    assert (draft.payer, draft.payee) == (Person(ispb=OWN), Person())
    assert devolucao(returned(endToEndId=E2E), None, ispb=OWN).end_to_end_id == E2E


@pytest.mark.parametrize(
    ("nature", "code"),
    [
        (..., "MD06"),
        (None, "MD06"),
        ("ORIGINAL", "MD06"),
        ("RETIRADA", "SL02"),
        ("MED_OPERACIONAL", "BE08"),
        ("MED_FRAUDE", "FR01"),
        ("MED_PIX_AUTOMATICO", "REFU"),
    ],
)
def test_the_nature_of_a_return_is_its_reason(nature: object, code: str) -> None:
    assert devolucao(returned(natureza=nature), None, ispb=OWN).reason == code


def test_an_unknown_nature_is_kept_as_it_is() -> None:
    draft = devolucao(returned(natureza="MED_NOVO"), None, ispb=OWN)
    assert (draft.reason, draft.extra["natureza"]) == (None, "MED_NOVO")
    assert Flag.UNKNOWN_FIELD in draft.flags


def test_a_settlement_time_stands_in_for_an_absent_status() -> None:
    draft = devolucao(returned(status=...), None, ispb=OWN)
    assert (draft.status, draft.flags) == ("DEVOLVIDO", [Flag.STATUS_ASSUMED])
    times = {"liquidacao": "2026-03-04T05:00:01Z"}
    draft = pix(sent(status=..., horario=times) | {"status": None}, ispb=OWN)
    assert (draft.status, draft.flags) == ("REALIZADO", [Flag.STATUS_ASSUMED])


@pytest.mark.parametrize(
    ("change", "field", "value"),
    [
        ({"valor": 110.25}, "amount", "110.25"),
        ({"valor": 110}, "amount", "110"),
        ({"valor": {"original": "1.00"}}, "amount", None),
        ({"txid": ["t"]}, "txid", None),
        ({"horario": {"liquidacao": "2026-01-01T00:00:00Z"}}, "event_time", "2026-01-01T00:00:00Z"),
        ({"gnExtras": "x"}, "reason", None),
    ],
)
def test_another_type_than_documented_is_read_if_it_can_be_and_flagged(
    change: dict[str, Any], field: str, value: object
) -> None:
    draft = pix(received(**change), ispb=OWN)
    assert getattr(draft, field) == value
    assert Flag.SHAPE_IRREGULAR in draft.flags
    if value is None:
        assert set(change) <= set(draft.extra)


def test_a_return_whose_time_is_a_text_is_read_and_flagged() -> None:
    draft = devolucao(returned(horario="2026-01-01T00:00:00Z"), None, ispb=OWN)
    assert draft.event_time == "2026-01-01T00:00:00Z"
    assert draft.flags == [Flag.SHAPE_IRREGULAR]


def test_a_d_identifier_makes_a_received_pix_a_return() -> None:
    draft = pix(received(endToEndId=RTR), ispb=OWN)
    assert (draft.end_to_end_id, draft.return_id) == (None, RTR)
    assert draft.flags == [Flag.SHAPE_IRREGULAR]
    assert problem(draft) is None


@pytest.mark.parametrize("absent", [..., None, "", ["E"], {"a": "b"}, True])
def test_without_an_identifier_there_is_no_event(absent: object) -> None:
    broken = problem(pix(received(endToEndId=absent), ispb=OWN))
    assert broken == (Reason.IDENTIFIER_MISSING, "endToEndId is absent or not a text")
    broken = problem(devolucao(returned(rtrId=absent), pix(received(), ispb=OWN), ispb=OWN))
    assert broken == (Reason.IDENTIFIER_MISSING, "rtrId is absent or not a text")


def test_an_unknown_status_is_no_event() -> None:
    assert problem(pix(sent(status="SUSPENSO"), ispb=OWN)) is not None
    broken = problem(devolucao(returned(status="SUSPENSO"), None, ispb=OWN))
    assert broken is not None
    assert broken[0] == Reason.STATUS_UNKNOWN
    assert "SUSPENSO" not in broken[1]
