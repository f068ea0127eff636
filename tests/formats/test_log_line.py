"""Lines of a bank's own logs as drafts."""

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixstream.event import identifiers, routing
from pixstream.event.model import Draft, Flag, Person, Reason, Refusal, encode
from pixstream.formats.log_line import FIELDS, parse

RNG = Random(21)
CPF, CNPJ = identifiers.generate_cpf(RNG), identifiers.generate_cnpj(RNG)
E2E, RTR = "E1111111120261123150400000000001", "D2222222220261123150400000000001"
LINE: dict[str, Any] = {
    "timestamp": "2026-11-23T12:04:09.120-03:00",
    "event": "pix.pagamento",
    "status": "liquidado",
    "endToEndId": E2E,
    "txid": "cobranca1",
    "valor": "12.34",
    "moeda": "BRL",
    "horario": "2026-11-23T12:04:09.080-03:00",
    "pagador": {
        "ispb": "11111111",
        "agencia": "0001",
        "conta": "500000",
        "tipoConta": "CACC",
        "documento": CPF,
        "nome": "Ana",
        "segmento": "varejo",
    },
    "recebedor": {"ispb": "22222222", "chave": "loja@exemplo.com.br"},
    "canal": "app",
    "dispositivo": {"id": "d-1", "so": "android", "modelo": "x"},
    "ip": "192.0.2.1",
    "iniciacao": "DICT",
    "finalidade": "IPAY",
    "motivo": "AB03",
    "mensagem": "almoço",
    "tentativa": 2,
}


def line(**changes: Any) -> bytes:
    return json.dumps({k: v for k, v in {**LINE, **changes}.items() if v is not None}).encode()


def draft(raw: bytes, fields: dict[str, str] | None = None) -> Draft:
    content = parse(raw, fields)
    assert isinstance(content, Draft), content
    return content


def refusal(raw: bytes) -> Refusal:
    content = parse(raw)
    assert isinstance(content, Refusal)
    assert content.raw == raw
    return content


def test_a_line_is_read_whole() -> None:
    assert draft(line()) == Draft(
        message="log.pagamento",
        status="liquidado",
        end_to_end_id=E2E,
        txid="cobranca1",
        amount="12.34",
        event_time=LINE["horario"],
        source_time=LINE["timestamp"],
        payer=Person(
            ispb="11111111", branch="0001", account="500000", account_type="CACC", document=CPF
        ),
        payee=Person(ispb="22222222", key="loja@exemplo.com.br"),
        initiation="DICT",
        purpose="IPAY",
        reason="AB03",
        channel="app",
        device_id="d-1",
        device_os="android",
        ip="192.0.2.1",
        texts={"pagador.nome": "Ana", "mensagem": "almoço"},
        extra={
            "pagador": {"segmento": "varejo"},
            "dispositivo": {"modelo": "x"},
            "tentativa": 2,
        },
    )


@pytest.mark.parametrize("category", ["pagamento", "recebimento", "estorno"])
@pytest.mark.parametrize("status", ["INICIADO", "aceito", "Liquidado", "rejeitado"])
def test_every_event_and_status_has_its_row(category: str, status: str) -> None:
    found = draft(line(event=f"pix.{category}", status=status))
    rows = [(rule.message, rule.status) for rule in routing.TABLE]
    assert (found.message, found.status) in rows


@pytest.mark.parametrize(
    "event",
    ["PIX.RECEBIMENTO", "Pix.Recebimento", "recebimento", " pix.recebimento", "pix.recebimento\n"],
)
@pytest.mark.parametrize("status", ["LIQUIDADO", "Liquidado ", "\tliquidado"])
def test_capitals_and_white_space_do_not_matter(event: str, status: str) -> None:
    found = draft(line(event=event, status=status))
    assert (found.message, found.status) == ("log.recebimento", "liquidado")


def test_an_ignored_event_may_be_in_capitals() -> None:
    assert parse(line(event=" LOGIN.Ok"), ignore_events=["login."]) is None


def test_words_of_a_line_can_mean_ours() -> None:
    values = {
        "event": {"transferreceived": "pix.recebimento"},
        "status": {"settled": "liquidado"},
        "payer.account_type": {"cc": "CACC"},
    }
    own = {"event": "TransferReceived", "status": " SETTLED", "pagador": {"tipoConta": "CC"}}
    found = parse(line(**own), values=values)
    assert isinstance(found, Draft)
    assert (found.message, found.status) == ("log.recebimento", "liquidado")
    assert found.payer.account_type == "CACC"
    assert {k: found.extra[k] for k in ("event", "status", "pagador.tipoConta")} == {
        "event": "TransferReceived",
        "status": " SETTLED",
        "pagador.tipoConta": "CC",
    }
    same = parse(line(), values=values)
    assert same == draft(line())


@pytest.mark.parametrize(
    ("written", "amount"),
    [(1050, "10.50"), ("1050", "10.50"), ("5", "0.05"), (0, "0.00"), (" 7 ", "0.07")],
)
def test_amounts_can_be_in_centavos(written: object, amount: str) -> None:
    found = parse(line(valor=written), centavos=True)
    assert isinstance(found, Draft)
    assert found.amount == amount
    assert "valor" not in found.extra


@pytest.mark.parametrize("written", ["10.50", "-5", "1e3", "²", "dez"])
def test_what_is_not_a_number_of_centavos_is_kept_and_no_amount(written: str) -> None:
    found = parse(line(valor=written), centavos=True)
    assert isinstance(found, Draft)
    assert (found.amount, found.extra["valor"]) == (None, written)


def test_a_return_may_name_only_itself() -> None:
    found = draft(line(event="pix.estorno", rtrId=RTR, endToEndId=None))
    assert (found.end_to_end_id, found.return_id) == (None, RTR)


def test_without_its_own_time_the_line_s_is_taken() -> None:
    assert draft(line(horario=None)).event_time == LINE["timestamp"]


def test_values_of_another_type_are_kept_and_flagged() -> None:
    found = draft(line(valor=12.5, ip=["x"], pagador="Ana", recebedor=None))
    assert (found.amount, found.ip, found.payer) == ("12.5", None, Person())
    assert (found.extra["ip"], found.extra["pagador"]) == (["x"], "Ana")
    assert found.flags == [Flag.SHAPE_IRREGULAR]


def test_fields_can_stand_elsewhere() -> None:
    own = {
        "ts": "2026-11-23T15:04:09Z",
        "pix": {"kind": "pix.estorno", "id": {"volta": RTR}},
        "pix.e2e": E2E,
        "quem": {"nome": "Ana"},
        "endToEndId": "kept",
    }
    mapping = {
        "event": "pix.kind",
        "return_id": "pix.id.volta",
        "end_to_end_id": "pix.e2e",
        "source_time": "ts",
        "payer.name": "quem.nome",
    }
    found = draft(json.dumps(own).encode(), mapping)
    assert (found.message, found.return_id, found.end_to_end_id) == ("log.estorno", RTR, E2E)
    assert found.event_time == own["ts"]
    assert found.texts == {"quem.nome": "Ana"}
    assert found.extra == {"endToEndId": "kept"}


def test_the_names_of_fields_are_those_of_a_draft() -> None:
    own = {"event", "text"} | {f"{side}.name" for side in ("payer", "payee")}
    for name in FIELDS.keys() - own:
        holder: type = Draft
        for part in name.split("."):
            assert part in holder.__struct_fields__  # type: ignore[attr-defined]
            holder = Person


@pytest.mark.parametrize("raw", [b"", b" ", b"\r", b"\t\r"])
def test_a_blank_line_is_nothing(raw: bytes) -> None:
    assert parse(raw) is None


def test_marks_of_other_systems_are_no_part_of_a_line() -> None:
    assert draft(b"\xef\xbb\xbf" + line() + b"\r") == draft(line())


def test_bytes_that_are_not_utf8_are_repaired_and_flagged() -> None:
    found = draft(line(nome="píx").decode("unicode_escape").encode("latin-1"))
    assert found.extra["nome"] == "píx"
    assert Flag.TEXT_REPAIRED in found.flags


def test_names_in_other_capitals_are_read_and_flagged() -> None:
    raw = line(nome="x").replace(b'"event"', b'"Event"').replace(b'"valor"', b'"VALOR"')
    found = draft(raw.replace(b'"pagador"', b'"Pagador"').replace(b'"ispb"', b'"ISPB"'))
    plain = draft(line(nome="x"))
    assert found.flags == [Flag.SHAPE_IRREGULAR]
    assert (found.amount, found.payer, found.extra) == (plain.amount, plain.payer, plain.extra)


def test_a_name_is_known_only_in_its_place() -> None:
    found = draft(line(ID="7", Agencia="1", valor="1.00", Valor="2.00"))
    assert found.flags == []
    assert found.amount == "1.00"
    assert found.extra.items() >= {"ID": "7", "Agencia": "1", "Valor": "2.00"}.items()


def test_configured_names_in_other_capitals_are_read() -> None:
    raw = line().replace(b'"valor"', b'"Dados"').replace(b'"12.34"', b'{"Total": "12.34"}')
    assert draft(raw, {"amount": "dados.total"}).amount == "12.34"


def test_ignored_events_are_nothing() -> None:
    raw = line(event="login.ok")
    assert parse(raw, ignore_events=["login."]) is None
    assert refusal(raw).reason == Reason.NOT_A_PIX


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"INFO started", Reason.MALFORMED_JSON),
        (line()[:-9], Reason.MALFORMED_JSON),
        (b"[1]", Reason.NOT_A_PIX),
        (b'"text"', Reason.NOT_A_PIX),
        (line(event="chave.criada"), Reason.NOT_A_PIX),
        (line(event="pix.chave"), Reason.MESSAGE_UNKNOWN),
        (line(event=None), Reason.MESSAGE_UNKNOWN),
        (line(event=["pix.pagamento"]), Reason.MESSAGE_UNKNOWN),
        (line(endToEndId=None), Reason.IDENTIFIER_MISSING),
        (line(endToEndId=""), Reason.IDENTIFIER_MISSING),
        (b"[" * 100_000, Reason.MALFORMED_JSON),
    ],
)
def test_what_is_no_pix_is_refused_without_repeating_it(raw: bytes, reason: Reason) -> None:
    found = refusal(raw)
    assert found.reason == reason
    assert CPF not in found.message


@given(st.binary(max_size=200))
def test_no_bytes_raise(raw: bytes) -> None:
    assert parse(raw) is None or isinstance(parse(raw), Draft | Refusal)


JSON: st.SearchStrategy[Any] = st.deferred(
    lambda: (
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=8)
        | st.lists(JSON, max_size=3)
        | st.dictionaries(st.text(max_size=4), JSON)
    )
)


@given(st.dictionaries(st.sampled_from(sorted(LINE)), JSON, max_size=5))
def test_any_values_in_any_field_give_a_draft_that_can_be_encoded_or_a_refusal(
    changes: dict[str, Any],
) -> None:
    content = parse(line(**changes))
    if isinstance(content, Draft):
        assert encode(content)
    else:
        assert isinstance(content, Refusal)
        assert CPF not in content.message
