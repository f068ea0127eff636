import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixstream.event import values

NOON = dt.datetime(2026, 11, 20, 15, 0, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-11-20T15:00:00Z", NOON),
        ("2026-11-20t15:00:00z", NOON),
        ("2026-11-20 15:00:00Z", NOON),
        ("2026-11-20T12:00:00-03:00", NOON),
        ("2026-11-20T12:00:00-0300", NOON),
        ("2026-11-20T12:00:00-03", NOON),
        ("2026-11-20 12:00:00 -03:00", NOON),
        ("2026-11-20T15:20:00+00:20", NOON),
        ("2026-11-20T14:59:60Z", NOON),
        ("2026-11-20T15:00Z", NOON),
        (" 2026-11-20T15:00:00Z\n", NOON),
        ("2026-11-20T15:00:00.123456789Z", NOON.replace(microsecond=123456)),
        ("2026-11-20T15:00:00,5Z", NOON.replace(microsecond=500000)),
    ],
)
def test_legal_times_are_read_in_any_form(text: str, utc: dt.datetime) -> None:
    assert values.time(text) == values.Time(utc)


@pytest.mark.parametrize("digits", [0, 3, 6, 9])
def test_numbers_since_1970_are_read_by_their_length(digits: int) -> None:
    seconds = int(NOON.timestamp())
    assert values.time(f"{seconds}{'0' * digits}") == values.Time(NOON, irregular=True)


def test_a_time_without_a_zone_is_brasilias() -> None:
    assert values.time("2026-11-20T12:00:00") == values.Time(NOON, zone_assumed=True)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-11-20",
        "20/11/2026 12:00:00",
        "Fri, 20 Nov 2026 15:00:00 GMT",
        "20261120150000",
        "202611201500",
        "2026-W47-5T15:00:00",
        "0001-01-01T00:00:00",
        "0001-01-01T00:00:00+14:00",
        "1900-01-01T00:00:00Z",
        "1970-01-01T00:00:00Z",
        "1969-12-31T21:00:00-03:00",
        "9999-12-31T23:59:59.9999999",
        "9999-12-31T23:59:59-12:00",
        "+1000000000-12-31T23:59:59.999999999Z",
        "0",
        "-62135596800",
        "-62135596800000",
        "9223372036854775807",
        "2026-11-20T25:00:00Z",
        "2026-02-30T15:00:00Z",
        "2026-11-20T15:00:00+99:00",
        "\uff12026-11-20T15:00:00Z",
    ],
)
def test_placeholders_and_other_forms_are_no_times(text: str) -> None:
    assert values.time(text) is None


@given(st.text(max_size=40))
def test_any_text_is_a_time_of_pix_or_none(text: str) -> None:
    found = values.time(text)
    assert found is None or values.EARLIEST <= found.utc < values.LATEST


@given(st.integers(int(values.EARLIEST.timestamp()), int(values.LATEST.timestamp()) - 1))
def test_every_rfc_3339_time_is_read_exactly(second: int) -> None:
    utc = dt.datetime.fromtimestamp(second, dt.UTC)
    for text in (utc.isoformat(), utc.isoformat(" "), utc.isoformat().replace("+00:00", "z")):
        assert values.time(text) == values.Time(utc)


@pytest.mark.parametrize(
    ("text", "centavos", "irregular"),
    [
        ("250.50", 25050, False),
        ("250.5", 25050, False),
        ("250", 25000, False),
        ("0.00", 0, False),
        ("250,50", 25050, True),
        ("1.234,56", 123456, True),
        ("1,234.56", 123456, True),
        ("1.234.567,80", 123456780, True),
        ("R$ 10,00", 1000, True),
        ("R$\xa01.000,00", 100000, True),
        (" 10.00 ", 1000, True),
    ],
)
def test_amounts_of_certain_meaning_are_read(text: str, centavos: int, *, irregular: bool) -> None:
    assert values.amount(text) == values.Amount(centavos, irregular)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1.000",
        "1,000",
        "10.005",
        "-12.34",
        "- 12,34",
        "(12.34)",
        "1_000.00",
        "1e2",
        "True",
        "NaN",
        "١٢.34",
        "\uff11\uff12.34",
        "1.23,45",
        "12.34,567",
        "R$",
        ".50",
        "1.",
        "10.00 BRL 20.00",
        "9999999999999999999",
    ],
)
def test_other_amounts_are_not_guessed(text: str) -> None:
    assert values.amount(text) is None


@given(st.integers(0, values.MAX_CENTAVOS // 100), st.integers(0, 99))
def test_every_amount_is_read_as_written(reais: int, centavos: int) -> None:
    written = f"{reais}.{centavos:02}"
    brazilian = f"{reais:,}".replace(",", ".") + f",{centavos:02}"
    assert values.amount(written) == values.Amount(reais * 100 + centavos)
    assert values.amount(brazilian) == values.Amount(reais * 100 + centavos, irregular=True)


@pytest.mark.parametrize(
    ("text", "code"),
    [("BRL", "BRL"), ("brl", "BRL"), ("R$", "BRL"), ("986", "BRL"), ("USD", "USD")]
    + [(text, None) for text in ("usd", "Dollar", "", "12")],
)
def test_a_currency_is_a_code_or_another_way_to_write_brl(text: str, code: str | None) -> None:
    assert values.currency(text) == code
