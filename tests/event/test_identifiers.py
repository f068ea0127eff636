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


SEPARATORS = st.sampled_from(["", ".", "-", "/", " ", "_", " - ", "\n", " ", ","])


@given(st.integers(), st.booleans(), st.lists(SEPARATORS, min_size=14, max_size=14))
def test_a_document_is_found_in_any_spelling(
    seed: int,
    cnpj: bool,  # noqa: FBT001  hypothesis names it
    between: list[str],
) -> None:
    rng = Random(seed)
    document = ids.generate_cnpj(rng) if cnpj else ids.generate_cpf(rng)
    spelt = "".join(f"{digit}{gap}" for digit, gap in zip(document, between, strict=False))
    for text in (spelt, f"CPF {spelt}", f"0001 {spelt} x", f"cpf{spelt}", f"Ana/{spelt}.json"):
        assert ids.has_document(text), text
        masked = ids.mask_documents(text)
        assert not ids.has_document(masked), masked
        assert len(masked) == len(text)


def test_a_masked_document_can_still_be_found() -> None:
    assert ids.mask_documents(f"logs/{CPF}.log") == f"logs/***{CPF[3:9]}**.log"
    assert ids.mask_documents("logs/app-2026-11-20.log") == "logs/app-2026-11-20.log"


def test_hexadecimal_identities_of_files_name_nobody() -> None:
    rng = Random(1)
    for _ in range(20_000):
        assert not ids.names_document(f"{rng.getrandbits(32):x}-{rng.getrandbits(64):016x}")


def test_a_document_as_a_name_is_seen() -> None:
    for text in (CPF, f"spi/{CPF}", f"conta {CPF[:3]}.{CPF[3:6]}.{CPF[6:9]}-{CPF[9:]}"):
        assert ids.names_document(text)


def test_an_alphanumeric_cnpj_is_found_too() -> None:
    for text in ("12ABC34501DE35", "12.ABC.345/01DE-35", "cnpj 12.abc.345/01de-35 x"):
        assert ids.has_document(text)


@given(st.integers())
def test_regular_identifiers_have_no_document(seed: int) -> None:
    assert not ids.has_document(ids.e2e("99999004", WHEN, Random(seed)))


@pytest.mark.parametrize("text", ["", "AB03", "mobile.app", "0001", "2026-11-20", "1" * 11])
def test_codes_have_no_document(text: str) -> None:
    assert not ids.has_document(text)


CPF = ids.generate_cpf(Random(3))


@pytest.mark.parametrize(
    "placeholder",
    [
        "",
        "NOTPROVIDED",
        "NONREF",
        "null",
        "None",
        "undefined",
        "N/A",
        "nil",
        "0",
        "00000000-0000-0000-0000-000000000000",
        "E" + "0" * 31,
        "E99999999999999999999999999999999"[:32],
        "string",
        "test1",
        CPF,
        f"CPF{CPF}",
        f"{CPF[:3]}.{CPF[3:6]}.{CPF[6:9]}-{CPF[9:]}",
        "5511999990000",
        "E 1234567890",
        "E" * 65,
        "fulano@example.com",
    ],
)
def test_a_placeholder_or_a_document_identifies_nothing(placeholder: str) -> None:
    assert not ids.is_identity(placeholder)


@pytest.mark.parametrize(
    "identifier",
    [
        ids.e2e("99999004", WHEN, Random(1)),
        ids.rtr("99999004", WHEN, Random(1)),
        "E2E-PIX-20261120-001",
        "E99999010202611201400abc",
        "M99999010202611201400b7oFx8SLEq0",
        "e99999010202611201400b7ofx8sleq0",
        "0c9b3e52-0000-4000-8000-000000000001",
    ],
)
def test_an_irregular_identifier_still_identifies(identifier: str) -> None:
    assert ids.is_identity(identifier)


def test_groups_of_digits_in_an_identifier_are_no_document() -> None:
    assert all(ids.is_identity(f"E2E-20261120-E{number}") for number in range(5_000))


@pytest.mark.parametrize(
    "key",
    [
        "+5511999990000",
        "+55 11 99999-0000",
        "+55 (11) 99999-0000",
        "(11) 99999-0000",
        "11999990000",
        "11 99999 0000",
        "5511999990000",
    ],
)
def test_a_phone_is_one_key_in_any_spelling(key: str) -> None:
    assert ids.normalise_key(key) == ("phone", "+5511999990000")


def test_a_foreign_phone_keeps_its_country_code() -> None:
    assert ids.normalise_key("+351 912 345 678") == ("phone", "+351912345678")


def test_a_valid_cpf_is_no_phone() -> None:
    spelt = f"{CPF[:3]}.{CPF[3:6]}.{CPF[6:9]}-{CPF[9:]}"
    assert ids.normalise_key(CPF) == ids.normalise_key(spelt) == ("cpf", CPF)


def test_a_document_that_was_a_number_gets_its_zeros_back() -> None:
    cpf = next(c for s in range(999) if (c := ids.generate_cpf(Random(s))).startswith("0"))
    cnpj = next(c for s in range(999) if (c := ids.generate_cnpj(Random(s))).startswith("0"))
    assert ids.normalise_document(str(int(cpf))) == cpf
    assert ids.normalise_document(str(int(cnpj))) == cnpj
    assert ids.normalise_document("1234567") == "1234567"


@pytest.mark.parametrize("year", ["0001", "1970", "2019", "2100", "9999"])
def test_a_year_without_pix_is_no_time_of_an_identifier(year: str) -> None:
    assert ids.id_time(f"E99999004{year}03092358{'a' * 11}") is None
