import datetime as dt
import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixstream.event import identifiers
from pixstream.event.model import Draft, Flag, Refusal
from pixstream.formats.api_pix import parse
from pixstream.formats.refusals import MAX_REFUSALS

SAMPLES = Path(__file__).parents[3] / ".." / "shared" / "samples"
needs_samples = pytest.mark.skipif(
    not SAMPLES.is_dir(), reason="the published sample payloads are not beside the repository"
)

RNG = random.Random(7)
WHEN = dt.datetime(2026, 3, 4, 5, 6, tzinfo=dt.UTC)


def pix(*returns: dict[str, Any], **changes: Any) -> dict[str, Any]:
    whole: dict[str, Any] = {
        "endToEndId": identifiers.e2e("22222222", WHEN, RNG),
        "valor": "110.00",
        "horario": "2026-03-04T05:06:07.358Z",
    }
    if returns:
        whole["devolucoes"] = list(returns)
    return whole | changes


def devolucao(**changes: Any) -> dict[str, Any]:
    whole = {
        "id": "1",
        "rtrId": identifiers.rtr("11111111", WHEN, RNG),
        "valor": "10.00",
        "horario": {"solicitacao": "2026-03-05T05:06:07Z"},
        "status": "EM_PROCESSAMENTO",
    }
    return whole | changes


def charge(**changes: Any) -> dict[str, Any]:
    return {"calendario": {"expiracao": 3600}, "txid": "c" * 32, "valor": {"original": "1.00"}} | (
        changes
    )


def of(body: Any) -> list[Draft | Refusal]:
    return list(parse(json.dumps(body).encode(), ispb="11111111"))


def ids(contents: list[Draft | Refusal]) -> list[str]:
    """What came, in order: identifiers of drafts, reasons of refusals."""
    return [
        (content.return_id or content.end_to_end_id or "?")
        if isinstance(content, Draft)
        else content.reason
        for content in contents
    ]


def test_each_pix_is_followed_by_its_returns() -> None:
    first, second = pix(devolucao(), devolucao()), pix()
    expected = [
        first["endToEndId"],
        *[r["rtrId"] for r in first["devolucoes"]],
        second["endToEndId"],
    ]
    page = {"parametros": {"paginacao": {"paginaAtual": 0}}, "pix": [first, second]}
    for body in ({"pix": [first, second]}, page, [first, second]):
        contents = of(body)
        assert ids(contents) == expected
        assert all(isinstance(c, Draft) and not c.flags for c in contents)


def test_a_single_pix_and_a_single_return_are_read() -> None:
    one, other = pix(), devolucao()
    assert ids(of(one)) == [one["endToEndId"]]
    assert ids(of(other)) == [other["rtrId"]]


def test_objects_in_the_place_of_lists_are_read_and_flagged() -> None:
    inner = devolucao()
    whole = pix(devolucoes=inner)
    contents = of({"pix": whole})
    assert ids(contents) == [whole["endToEndId"], inner["rtrId"]]
    for content in contents:
        assert isinstance(content, Draft)
        assert content.flags == [Flag.SHAPE_IRREGULAR]


def test_lists_in_lists_are_read_and_flagged() -> None:
    whole = pix(devolucoes=[[devolucao()]])
    contents = of({"pix": [[whole]]})
    assert ids(contents) == [whole["endToEndId"], whole["devolucoes"][0][0]["rtrId"]]
    for content in contents:
        assert isinstance(content, Draft)
        assert content.flags == [Flag.SHAPE_IRREGULAR]


def test_a_list_named_twice_is_read_twice() -> None:
    one, two = pix(), pix()
    raw = f'{{"pix": [{json.dumps(one)}], "pix": [{json.dumps(two)}]}}'.encode()
    assert ids(list(parse(raw))) == [one["endToEndId"], two["endToEndId"]]


def test_an_identifier_given_twice_is_refused_and_costs_nothing_else() -> None:
    one, two = pix(), pix()
    text = json.dumps(one).replace('"valor"', '"endToEndId": "E0", "valor"')
    raw = f'{{"pix": [{text}, {json.dumps(two)}]}}'.encode()
    assert ids(list(parse(raw))) == ["identifier_missing", two["endToEndId"]]


def test_an_empty_list_or_page_yields_nothing() -> None:
    assert of({"pix": []}) == []
    assert of({"parametros": {"paginacao": {}}, "pix": []}) == []
    assert of({"parametros": {"paginacao": {}}}) == []
    assert of({"parametros": {"paginacao": {}}, "pix": None}) == []
    assert of([]) == []


def test_the_pix_inside_charges_are_events_and_keep_their_charge() -> None:
    paid = pix(devolucao())
    charges = [charge(), charge(pix=[paid]), charge(pix=[])]
    contents = of({"parametros": {}, "cobs": charges})
    assert ids(contents) == [
        "charge_not_pix",
        paid["endToEndId"],
        paid["devolucoes"][0]["rtrId"],
        "charge_not_pix",
    ]
    assert isinstance(contents[1], Draft)
    assert contents[1].extra == {"envelope": charge()}
    assert isinstance(contents[0], Refusal)
    assert contents[0].raw == json.dumps(charges[0]).encode()
    assert contents[0].message == "cobs[0]: a charge without a Pix"


def test_what_stands_beside_the_list_goes_with_the_first_event() -> None:
    first, second = of({"lote": {"n": 7}, "pix": [pix(), pix()]})
    assert isinstance(first, Draft)
    assert isinstance(second, Draft)
    assert (first.extra, second.extra) == ({"envelope": {"lote": {"n": 7}}}, {})


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"type": "https://pix.bcb.gov.br/api/v2/error/X", "title": "X"}, "error_body"),
        ({"title": "X", "status": 403, "detail": "…"}, "error_body"),
        ({"nome": "erro", "mensagem": "…"}, "error_body"),
        ({"error": "invalid_client"}, "error_body"),
        ({"webhookUrl": "https://example.com/"}, "configuration_not_pix"),
        ({"parametros": {}, "webhooks": [{"webhookUrl": "u"}]}, "configuration_not_pix"),
        (charge(), "charge_not_pix"),
        ({"cobs": [charge()]}, "charge_not_pix"),
        ({"cobsr": [{"idRec": "RR", "tentativas": [{"endToEndId": "E"}]}]}, "charge_not_pix"),
        ({"recs": [{"idRec": "RR", "status": "APROVADA"}]}, "charge_not_pix"),
        ({"dataLiquidacao": "2026-01-01", "status": "AGENDADA", "endToEndId": "E"}, "not_a_pix"),
        ({"valor": "7.89"}, "identifier_missing"),
        ({"evento": "teste_webhook"}, "not_a_pix"),
        ({}, "not_a_pix"),
        ("text", "not_a_pix"),
        (7, "not_a_pix"),
        (None, "not_a_pix"),
        ({"pix": "text"}, "not_a_pix"),
        ({"pix": [7]}, "not_a_pix"),
        ({"pix": [], "evento": "x"}, "not_a_pix"),
        ({"event": "OPENPIX:X", "pix": {"endToEndId": "E", "value": 1}}, "message_unknown"),
    ],
)
def test_what_is_no_pix_is_refused_with_its_reason(body: object, reason: str) -> None:
    contents = of(body)
    assert ids(contents) == [reason]
    assert isinstance(contents[0], Refusal)
    assert contents[0].raw


@pytest.mark.parametrize(
    ("raw", "reason"),
    [(b"", "empty"), (b"\xff", "malformed_json"), (b"<html>", "malformed_json")],
)
def test_what_is_no_json_is_refused_whole(raw: bytes, reason: str) -> None:
    (refusal,) = parse(raw)
    assert isinstance(refusal, Refusal)
    assert (refusal.reason, refusal.raw) == (reason, raw)


def test_a_refused_element_keeps_its_exact_bytes_and_costs_no_other() -> None:
    good = pix()
    raw = f'{{"pix": [ {json.dumps(good)},\n{{"valor":  "1.00", "horario":null}}]}}'.encode()
    event, refusal = parse(raw)
    assert isinstance(event, Draft)
    assert isinstance(refusal, Refusal)
    assert refusal.raw == b'{"valor":  "1.00", "horario":null}'
    assert refusal.message == "pix[1]: has neither endToEndId nor rtrId"
    assert refusal.content_type == "application/json"


def test_refused_returns_keep_their_whole_pix_once() -> None:
    whole = pix(devolucao(), devolucao(rtrId=None), devolucao(status="NOVO"))
    whole["devolucoes"].append(7)
    contents = of({"pix": [whole]})
    assert ids(contents) == [
        whole["endToEndId"],
        whole["devolucoes"][0]["rtrId"],
        "identifier_missing",
    ]
    refusal = contents[2]
    assert isinstance(refusal, Refusal)
    assert json.loads(refusal.raw) == whole
    assert refusal.message == (
        "pix[0].devolucoes[1]: rtrId is absent or not a text, and 2 more of its returns"
    )


def test_the_returns_of_a_pix_without_identifier_are_still_events() -> None:
    whole = pix(devolucao(), endToEndId=None)
    assert ids(of({"pix": [whole]})) == ["identifier_missing", whole["devolucoes"][0]["rtrId"]]


def test_of_many_refused_elements_the_first_have_their_own_refusals_and_the_rest_share_one() -> (
    None
):
    raw = (
        b'{"pix": [' + b",".join([b'{"valor": 1}'] * 20_000 + [json.dumps(pix()).encode()]) + b"]}"
    )
    *own, event, rest = list(parse(raw))
    assert len(own) == MAX_REFUSALS
    assert all(isinstance(c, Refusal) and c.raw == b'{"valor": 1}' for c in own)
    assert isinstance(event, Draft)
    assert isinstance(rest, Refusal)
    assert (rest.reason, rest.raw) == ("identifier_missing", raw)
    assert rest.message == (
        "19,900 further unreadable pieces, first pix[100]: has neither endToEndId nor rtrId"
    )


VALUES: st.SearchStrategy[Any] = st.deferred(
    lambda: (
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=8)
        | st.lists(VALUES, max_size=3)
        | st.dictionaries(st.text(max_size=5), VALUES)
    )
)
NAMES = ["endToEndId", "rtrId", "valor", "horario", "status", "devolucoes", "pix", "gnExtras"]
NAMES += ["cobs", "parametros", "event", "chave", "favorecido", "pagador", "natureza", "tipo"]


@given(st.binary(max_size=300))
def test_no_bytes_raise(raw: bytes) -> None:
    for content in parse(raw, ispb="11111111"):
        assert isinstance(content, Draft | Refusal)


@given(
    st.dictionaries(st.sampled_from(NAMES), VALUES),
    st.dictionaries(st.sampled_from(NAMES), VALUES),
    st.dictionaries(st.sampled_from(NAMES), VALUES),
)
def test_no_mutated_body_raises_and_what_has_an_identifier_is_an_event(
    envelope: dict[str, Any], inner: dict[str, Any], deepest: dict[str, Any]
) -> None:
    body = {"pix": [pix(devolucao() | deepest) | inner]} | envelope
    for content in of(body):
        if isinstance(content, Draft):
            assert content.end_to_end_id or content.return_id
        else:
            assert content.message.encode()
            assert content.raw


@given(st.data())
def test_no_damaged_text_raises(data: st.DataObject) -> None:
    raw = bytearray(json.dumps({"pix": [pix(devolucao()), pix()]}).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(raw)))
        raw[start : start + data.draw(st.integers(0, 20))] = data.draw(st.binary(max_size=6))
    for content in parse(bytes(raw)):
        assert isinstance(content, Draft | Refusal)


@needs_samples
@pytest.mark.parametrize(
    ("name", "events", "refused"),
    [
        ("api-pix/getPix1.json", 4, []),
        ("api-pix/pixWebhook1.json", 2, []),
        ("api-pix/webhook_pix_body.json", 3, []),
        ("api-pix/getCobs1.json", 2, ["charge_not_pix"] * 4),
        ("api-pix/getCobR1.json", 0, ["charge_not_pix"]),
        ("api-pix/devolucaoResponse2.json", 1, []),
        ("api-pix/devolucaoSolicitada1.json", 0, ["identifier_missing"]),
        ("api-pix/getWebhook1.json", 0, ["configuration_not_pix"]),
        ("api-pix/NaoEncontradoExample1.json", 0, ["error_body"]),
        ("efi/efi_gestao-de-pix_03.json", 5, []),
        ("efi/efi_gestao-de-pix_05.json", 0, ["error_body"]),
        ("efi/efi_envio-pagamento-pix_01.json", 1, []),
        ("efi/efi_webhook_devolucao_enviada.json", 2, []),
        ("efi/efi_webhook_enviado_rejeitado.json", 1, []),
        ("efi/efi_webhooks_04.json", 0, ["configuration_not_pix"] * 3),
    ],
)
def test_published_samples_give_their_events(name: str, events: int, refused: list[str]) -> None:
    contents = list(parse((SAMPLES / name).read_bytes()))
    assert sum(isinstance(content, Draft) for content in contents) == events
    assert [c.reason for c in contents if isinstance(c, Refusal)] == refused


@needs_samples
@pytest.mark.parametrize("folder", ["api-pix", "efi"])
def test_every_identifier_of_a_movement_in_a_published_sample_is_an_event(folder: str) -> None:
    for path in sorted((SAMPLES / folder).glob("*.json")):
        found = [c for c in parse(path.read_bytes()) if isinstance(c, Draft)]
        told = {c.return_id or c.end_to_end_id for c in found}
        assert told == _movements(json.loads(path.read_bytes())), path.name


@needs_samples
def test_another_api_gives_no_event_and_one_letter_a_body() -> None:
    for path in sorted((SAMPLES / "woovi").glob("*.json")):
        contents = list(parse(path.read_bytes()))
        assert [type(content) for content in contents] == [Refusal], path.name
        assert isinstance(contents[0], Refusal)
        assert contents[0].raw == path.read_bytes()


def _movements(value: Any) -> set[str]:
    """Identifiers next to an amount, wherever they stand."""
    if isinstance(value, list):
        return set().union(*map(_movements, value))
    if not isinstance(value, dict):
        return set()
    own = {value[n] for n in ("endToEndId", "e2eId", "rtrId") if n in value and "valor" in value}
    return own.union(*map(_movements, value.values()))
