import base64
import datetime as dt
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixstream.errors import Refused
from pixstream.event import identifiers
from pixstream.event.model import Draft, Flag, Person, PixEvent, Reason, encode
from pixstream.event.sealing import Sealer, TimeSettings
from pixstream.privacy import Pseudonymiser, Vault

NOW = dt.datetime(2026, 11, 24, 12, 0, tzinfo=dt.UTC)
RNG = Random(5)
E2E = identifiers.e2e("99999004", NOW - dt.timedelta(hours=1), RNG)
RTR = identifiers.rtr("99999004", NOW, RNG)
VAULT = Vault(bytes(range(32)), "k1")


def sealer(**options: Any) -> Sealer:
    return Sealer(Pseudonymiser(bytes(32), "k1"), VAULT, **options)


def seal(draft: Draft, **options: Any) -> PixEvent:
    return sealer(**options).seal(draft, source="webhook", now=NOW)


def as_received(event: PixEvent) -> dict[str, str]:
    kept: dict[str, str] = sealer().open_extra(event).get("as_received", {})
    return kept


def pix(**fields: Any) -> Draft:
    every = {
        "message": "api_pix.pix",
        "end_to_end_id": E2E,
        "amount": "10.50",
        "event_time": "2026-11-24T08:00:00.5-03:00",
        **fields,
    }
    return Draft(**every)


def test_a_regular_pix_has_no_flags_and_round_trips() -> None:
    event = seal(pix(txid="a" * 26))
    assert event.flags == []
    assert event.amount_centavos == 1050
    assert event.event_time == dt.datetime(2026, 11, 24, 11, 0, 0, 500000, tzinfo=dt.UTC)
    assert (event.category, event.status) == ("recebimento", "settled")
    assert msgspec.json.decode(encode(event), type=PixEvent) == event
    assert event.record_key == E2E.encode()


@pytest.mark.parametrize(
    ("amount", "centavos", "flag"),
    [
        (None, None, Flag.AMOUNT_ABSENT),
        ("10", 1000, None),
        ("10.5", 1050, None),
        ("1e3", None, Flag.AMOUNT_IRREGULAR),
        ("10.005", None, Flag.AMOUNT_IRREGULAR),
        ("-1.00", None, Flag.AMOUNT_IRREGULAR),
        ("NaN", None, Flag.AMOUNT_IRREGULAR),
        ("1,00", 100, Flag.AMOUNT_IRREGULAR),
        ("9" * 19, None, Flag.AMOUNT_IRREGULAR),
        ("1e999999", None, Flag.AMOUNT_IRREGULAR),
        ("٣.00", None, Flag.AMOUNT_IRREGULAR),
    ],
)
def test_amounts_become_centavos_or_a_flag(
    amount: str | None, centavos: int | None, flag: str | None
) -> None:
    event = seal(pix(amount=amount))
    assert event.amount_centavos == centavos
    assert event.flags == ([flag] if flag else [])
    kept = {"amount": amount} if flag == Flag.AMOUNT_IRREGULAR else {}
    assert as_received(event) == kept


@pytest.mark.parametrize(
    ("fields", "flag"),
    [
        ({"end_to_end_id": E2E[:26]}, Flag.ID_IRREGULAR),
        ({"end_to_end_id": "E99999010" + "203413341234" + "a" * 11}, Flag.ID_DATE_IRREGULAR),
        ({"currency": "USD"}, Flag.CURRENCY_IRREGULAR),
        ({"event_time": "2026-11-24T08:00:00"}, Flag.TIME_ZONE_ASSUMED),
        ({"event_time": None}, Flag.TIME_INFERRED),
        ({"event_time": "2026-11-24T07:40:00-03:00"}, Flag.TIME_CONTRADICTS_ID),
        ({"payer": Person(document="***.456.789-**")}, Flag.DOCUMENT_MASKED),
        ({"payer": Person(document="70000000000")}, Flag.DOCUMENT_IRREGULAR),
        ({"payee": Person(key="???")}, Flag.KEY_IRREGULAR),
        ({"channel": "my own words"}, Flag.SHAPE_IRREGULAR),
    ],
)
def test_what_is_irregular_is_kept_and_flagged(fields: dict[str, Any], flag: Flag) -> None:
    assert seal(pix(**fields)).flags == [flag]


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ("day 34", {Flag.TIME_IRREGULAR, Flag.TIME_INFERRED}),
        ("2026-11-24", {Flag.TIME_IRREGULAR, Flag.TIME_INFERRED}),
        ("0001-01-01T00:00:00Z", {Flag.TIME_IRREGULAR, Flag.TIME_INFERRED}),
        ("1795518000000", {Flag.TIME_IRREGULAR}),
        ("2026-11-24T13:00:00Z", {Flag.TIME_FUTURE, Flag.TIME_CONTRADICTS_ID}),
        ("2020-11-24T13:00:00Z", {Flag.TIME_PAST, Flag.TIME_CONTRADICTS_ID}),
    ],
)
def test_a_time_that_is_not_taken_as_it_came_is_flagged_and_its_text_is_kept(
    text: str, flags: set[Flag]
) -> None:
    event = seal(pix(event_time=text))
    assert set(event.flags) == flags
    assert event.event_time.year in {2020, 2026}
    assert as_received(event) == ({"event_time": text} if Flag.TIME_IRREGULAR in flags else {})


@pytest.mark.parametrize(
    ("text", "kept"), [("Android 14", True), ("iOS 18.1.2", True), ("Ana's phone", False)]
)
def test_an_operating_system_is_kept_and_a_devices_name_is_not(text: str, *, kept: bool) -> None:
    event = seal(pix(device_os=text))
    assert event.device_os == (text if kept else None)
    assert (Flag.SHAPE_IRREGULAR in event.flags) is not kept


def test_time_is_inferred_from_message_then_identifier_then_reception() -> None:
    message = seal(pix(event_time=None, source_time="2026-11-24T11:30:00Z"))
    assert message.event_time == dt.datetime(2026, 11, 24, 11, 30, tzinfo=dt.UTC)
    identifier = seal(pix(event_time=None))
    assert identifier.event_time == NOW - dt.timedelta(hours=1)
    reception = seal(pix(event_time=None, end_to_end_id="E2E-PIX-001"))
    assert reception.event_time == NOW


def test_bounds_of_plausible_times_are_configurable() -> None:
    options = {"time": TimeSettings(max_future_seconds=7200, max_from_id_seconds=7200)}
    assert seal(pix(event_time="2026-11-24T13:00:00Z"), **options).flags == []


def test_a_cpf_as_key_joins_the_same_cpf_as_document() -> None:
    cpf = identifiers.generate_cpf(RNG)
    dotted = f"{cpf[:3]}.{cpf[3:6]}.{cpf[6:9]}-{cpf[9:]}"
    event = seal(pix(payer=Person(document=dotted), payee=Person(key=cpf)))
    assert event.payer.document == event.payee.key is not None
    assert (event.payer.document_type, event.payee.key_type) == ("cpf", "cpf")


def test_an_account_is_its_bank_branch_and_number_without_leading_zeros() -> None:
    def account(ispb: str, branch: str | None, number: str) -> str | None:
        return seal(pix(payer=Person(ispb=ispb, branch=branch, account=number))).payer.account

    same = account("11111111", "0001", "00123456")
    assert same == account("11111111", "1", "123456")
    assert same != account("22222222", "1", "123456")
    assert same != account("11111111", "2", "123456")


def test_unknown_fields_are_sealed_but_for_the_allowlist() -> None:
    draft = pix(extra={"tarifa": "0.01", "nested": {"a": 1}}, texts={"infoPagador": "Oi"})
    event = seal(draft, allowlist=frozenset({"tarifa"}))
    assert set(event.extra) == {"tarifa", "sealed"}
    assert event.extra["tarifa"] == "0.01"
    assert b"Oi" not in base64.b64decode(event.extra["sealed"])
    assert sealer().open_extra(event) == {"nested": {"a": 1}, "texts": {"infoPagador": "Oi"}}
    assert "sealed" not in seal(pix(texts={"x": "y"}), free_text="drop").extra


def test_a_document_in_a_clear_field_is_taken_out_of_it() -> None:
    cpf = identifiers.generate_cpf(RNG)
    event = seal(pix(txid=cpf, payer=Person(branch=cpf)))
    assert cpf not in encode(event).decode()
    assert as_received(event) == {"txid": cpf, "payer.branch": cpf}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"end_to_end_id": None}, Reason.IDENTIFIER_MISSING),
        ({"end_to_end_id": ""}, Reason.IDENTIFIER_MISSING),
        ({"end_to_end_id": "E 1"}, Reason.IDENTIFIER_MISSING),
        ({"end_to_end_id": "E" * 65}, Reason.IDENTIFIER_MISSING),
        ({"end_to_end_id": identifiers.generate_cpf(RNG)}, Reason.IDENTIFIER_MISSING),
        ({"message": "log.estorno", "status": "liquidado"}, Reason.IDENTIFIER_MISSING),
        ({"message": "api_pix.devolucao", "status": "OUTRO"}, Reason.STATUS_UNKNOWN),
    ],
)
def test_what_cannot_be_identified_is_refused_without_values(
    fields: dict[str, Any], reason: Reason
) -> None:
    with pytest.raises(Refused) as refused:
        seal(pix(**fields))
    assert refused.value.reason == reason
    assert not any(value and value in refused.value.message for value in fields.values())


def test_a_return_is_identified_by_its_own_id() -> None:
    event = seal(pix(message="api_pix.devolucao", status="DEVOLVIDO", return_id=RTR))
    assert (event.category, event.return_id, event.end_to_end_id) == ("estorno", RTR, E2E)
    alone = seal(
        pix(message="api_pix.devolucao", status="DEVOLVIDO", return_id=RTR, end_to_end_id=None)
    )
    assert alone.event_id == event.event_id
    assert set(alone.flags) == {Flag.ORIGINAL_UNKNOWN, Flag.TIME_CONTRADICTS_ID}


texts = st.none() | st.text(max_size=40)
people = st.builds(
    Person, ispb=texts, branch=texts, account=texts, account_type=texts, document=texts, key=texts
)


@given(
    st.builds(
        Draft,
        message=st.sampled_from(["api_pix.pix", "spi.pacs.008", "log.estorno", "?"]),
        status=texts,
        end_to_end_id=texts,
        return_id=texts,
        txid=texts,
        amount=texts,
        currency=st.text(max_size=5),
        event_time=texts,
        source_time=texts,
        payer=people,
        payee=people,
        channel=texts,
        ip=texts,
        extra=st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3),
    )
)
def test_any_draft_is_an_event_that_round_trips_or_refused(draft: Draft) -> None:
    try:
        event = seal(draft)
    except Refused:
        return
    assert msgspec.json.decode(encode(event), type=PixEvent) == event
