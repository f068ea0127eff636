import datetime as dt
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixstream.event import identifiers as ids

WHEN = dt.datetime(2026, 3, 9, 23, 58, tzinfo=dt.UTC)


@given(st.integers())
def test_generated_documents_have_right_check_digits(seed: int) -> None:
    rng = Random(seed)
    assert ids.document_valid(ids.generate_cpf(rng))
    assert ids.document_valid(ids.generate_cnpj(rng))


def digits_by_the_rule(base: str) -> str:
    """Both check digits as the Receita Federal states them, term by term."""
    for last_weight in (11 if len(base) == 9 else 9,) * 2:
        weights = [2 + i % (last_weight - 1) for i in range(len(base))]
        pairs = zip(reversed(base), weights, strict=True)
        remainder = sum((ord(c) - 48) * w for c, w in pairs) % 11
        base += "0" if remainder < 2 else str(11 - remainder)
    return base[-2:]


@given(st.text("0123456789", min_size=9, max_size=9))
def test_check_digits_of_a_cpf_follow_the_rule(base: str) -> None:
    assert ids._cpf_digits(base) == digits_by_the_rule(base)


@given(st.text("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=12, max_size=12))
def test_check_digits_of_a_cnpj_follow_the_rule(base: str) -> None:
    assert ids._cnpj_digits(base) == digits_by_the_rule(base)


def test_alphanumeric_cnpj_of_the_published_example() -> None:
    assert ids.document_valid("12ABC34501DE35")
    assert not ids.document_valid("12ABC34501DE36")


@given(st.integers(), st.integers(0, 10), st.integers(1, 9))
def test_one_altered_digit_of_a_cpf_is_found(seed: int, place: int, shift: int) -> None:
    cpf = ids.generate_cpf(Random(seed))
    altered = cpf[:place] + str((int(cpf[place]) + shift) % 10) + cpf[place + 1 :]
    if place < 9:
        # Check digits of modulo 11 map 0 and 1 of the remainder to one digit: rarely blind.
        assert not ids.document_valid(altered) or ids._cpf_digits(altered[:9]) == cpf[9:]
    else:
        assert not ids.document_valid(altered)


def test_repeated_digits_are_no_document() -> None:
    assert not ids.document_valid("0" * 11)
    assert not ids.document_valid("1" * 14)


def test_made_up_identifiers_carry_bank_and_utc_minute() -> None:
    brasilia = WHEN.astimezone(dt.timezone(dt.timedelta(hours=-3)))
    identifier = ids.e2e("99999004", brasilia, Random(1))
    assert identifier.startswith("E99999004202603092358")
    assert ids.E2E.fullmatch(identifier)
    assert ids.id_time(identifier) == WHEN
    assert ids.rtr("99999004", WHEN, Random(1))[0] == "D"


@pytest.mark.parametrize(
    "identifier", [None, "", "E1234", "E99999010" + "123412341234" + "12345678900"[:11]]
)
def test_what_has_no_calendar_minute_has_no_time(identifier: str | None) -> None:
    assert ids.id_time(identifier) is None
    assert ids.id_date(identifier) is None


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("+5511987654321", "phone"),
        ("fulano.de-tal@example.com.br", "email"),
        ("123e4567-e89b-12d3-a456-426614174000", "evp"),
        ("123E4567-E89B-12D3-A456-426614174000", "evp"),
        ("not a key", "unknown"),
    ],
)
def test_kind_of_a_key(key: str, kind: str) -> None:
    assert ids.key_type(key) == kind


def test_documents_are_keys_too() -> None:
    rng = Random(3)
    assert ids.key_type(ids.generate_cpf(rng)) == "cpf"
    assert ids.key_type(ids.generate_cnpj(rng)) == "cnpj"
