import datetime as dt
import json
import random
from typing import Any

import pytest

from pixstream.event import identifiers
from pixstream.event.model import Draft, Flag, Person
from pixstream.formats import api_pix
from pixstream.formats.api_pix.objects import devolucao, pix

RNG = random.Random(3)
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


def sent(**changes: Any) -> dict[str, Any]:
    return received(tipo="SOLICITACAO", status="REALIZADO", txid=...) | changes


def test_efi_names_the_payer() -> None:
    extras = {
        "pagador": {"nome": "Ana", "cnpj": CNPJ, "codigoBanco": OTHER},
        "tarifa": "0.01",
        "split": {"id": "f6", "revisao": 0},
    }
    draft = pix(received(gnExtras=extras), ispb=OWN)
    assert draft.payer == Person(ispb=OTHER, document=CNPJ)
    assert draft.texts == {"infoPagador": "aluguel", "gnExtras.pagador.nome": "Ana"}
    assert draft.extra == {"gnExtras": {"tarifa": "0.01", "split": {"id": "f6", "revisao": 0}}}
    assert draft.flags == []


@pytest.mark.parametrize(
    "mark",
    [
        {"tipo": "SOLICITACAO"},
        {"idEnvio": "7"},
        {"favorecido": {}},
        {"gnExtras": {"idEnvio": "7"}},
        {"endToEndId": ..., "e2eId": E2E},
    ],
)
def test_each_mark_of_a_sent_pix_is_seen(mark: dict[str, Any]) -> None:
    draft = pix(received(**mark), ispb=OWN)
    assert draft.message == "api_pix.enviado"
    assert draft.end_to_end_id == E2E
    assert draft.payer == Person(ispb=OWN, key="loja@example.com")


def test_a_sent_pix_has_the_receiver_as_payee() -> None:
    receiver = {
        "chave": "+5511900000000",
        "identificacao": {"nome": "Bia", "cpf": CPF},
        "contaBanco": {
            "nome": "Bia B.",
            "cpf": CPF[::-1],
            "codigoBanco": OTHER,
            "agencia": "1",
            "conta": "12345",
            "tipoConta": "corrente",
        },
    }
    draft = pix(sent(favorecido=receiver, idEnvio="9"), ispb=OWN)
    assert draft.status == "REALIZADO"
    assert draft.payer == Person(ispb=OWN, key="loja@example.com")
    assert draft.payee == Person(
        ispb=OTHER,
        branch="1",
        account="12345",
        account_type="CACC",
        document=CPF,
        key="+5511900000000",
    )
    assert draft.texts["favorecido.identificacao.nome"] == "Bia"
    assert draft.texts["favorecido.contaBanco.nome"] == "Bia B."
    # The second, other document is nobody's field: kept, not chosen.
    assert draft.extra["favorecido"] == {"contaBanco": {"cpf": CPF[::-1]}}


def test_a_rejected_sent_pix_tells_the_code_and_has_no_time() -> None:
    failure = {"codigo": "AC03", "origem": "PSP", "motivo": "conta inexistente"}
    body = sent(status="NAO_REALIZADO", horario=None, gnExtras={"idEnvio": "1", "erro": failure})
    draft = pix(body, ispb=OWN)
    assert (draft.status, draft.reason, draft.event_time) == ("NAO_REALIZADO", "AC03", None)
    assert draft.texts["gnExtras.erro.motivo"] == "conta inexistente"
    assert draft.extra == {
        "tipo": "SOLICITACAO",
        "gnExtras": {"idEnvio": "1", "erro": {"origem": "PSP"}},
    }


def test_a_return_names_its_pix_as_efi_does() -> None:
    value = {"rtrId": RTR, "e2eId": E2E, "valor": "1.00", "status": "DEVOLVIDO"}
    assert devolucao(value, None, ispb=OWN).end_to_end_id == E2E


def test_the_fields_of_a_sent_pix_are_news_in_a_received_one() -> None:
    draft = pix(received(tipo="OUTRO", gnExtras={"tarifa": "0.01"}), ispb=OWN)
    assert draft.message == "api_pix.pix"
    assert draft.flags == [Flag.UNKNOWN_FIELD]


def test_a_sent_pix_in_a_body_is_an_event() -> None:
    (draft,) = api_pix.parse(json.dumps({"pix": [sent()]}).encode(), ispb=OWN)
    assert isinstance(draft, Draft)
    assert (draft.message, draft.flags) == ("api_pix.enviado", [])


@pytest.mark.parametrize(
    ("body", "trial"),
    [
        ({"evento": "teste_webhook"}, True),
        ({"evento": "teste_webhook", "data_criacao": "2026-03-04T05:06:07.000Z"}, True),
        ({"evento": "pix"}, False),
        ({"evento": 7}, False),
        ({"evento": "teste_webhook", "pix": [sent()]}, False),
    ],
)
def test_its_trial_call_is_known(body: object, *, trial: bool) -> None:
    assert api_pix.is_trial(json.dumps(body).encode()) is trial
