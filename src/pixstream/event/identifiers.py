"""Identifiers of Pix and of people: patterns, check digits, dates, and synthetic valid ones.

Sources: SPI catalogue 5.13.1 (EndToEndId, RtrId, ISPB), API Pix 2.9.0, DICT 1.8 and 2.12.1 (keys).
Real payloads often violate these patterns, so a mismatch is a flag and never a reason to refuse.
"""

from __future__ import annotations

import datetime as dt
import re
import string
from operator import mul
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

E2E = re.compile(r"[ED][0-9A-Z]{8}(\d{8})(\d{2})(\d{2})[a-zA-Z0-9]{11}", re.ASCII)
"""EndToEndId (E) or RtrId (D): the issuer's ISPB, yyyyMMddHHmm in UTC, 11 characters."""

ISPB = re.compile(r"[0-9A-Z]{8}", re.ASCII)
CPF = re.compile(r"\d{11}", re.ASCII)
CNPJ = re.compile(r"[0-9A-Z]{12}\d{2}", re.ASCII)
PHONE = re.compile(r"\+[1-9]\d{2,15}", re.ASCII)
EMAIL = re.compile(r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-z0-9-]+(\.[a-z0-9-]+)*", re.ASCII)
EVP = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)

_ALNUM = string.ascii_letters + string.digits
_CPF_WEIGHTS = (11, 10, 9, 8, 7, 6, 5, 4, 3, 2)
_CNPJ_WEIGHTS = (6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)
_CHECK_DIGITS = "00987654321"
"""Indexed by the remainder of the weighted sum: 11 minus it, or 0 where that has two digits."""

_PUNCTUATION = re.compile(r"[\s./-]")


def id_time(identifier: str | None) -> dt.datetime | None:
    """Return the UTC minute in an EndToEndId or RtrId; None where it is not a valid time.

    The pattern admits a day 34, and a scheduled Pix carries its planned minute. So this is only a
    hint for the event time, but it is always the same for the same identifier.
    """
    match = E2E.fullmatch(identifier) if identifier else None
    if match is None:
        return None
    try:
        return dt.datetime.strptime("".join(match.groups()), "%Y%m%d%H%M").replace(tzinfo=dt.UTC)
    except ValueError:
        return None


def id_date(identifier: str | None) -> dt.date | None:
    """Return the UTC date in an identifier; None where it has none."""
    when = id_time(identifier)
    return when.date() if when else None


def normalise_document(text: str) -> str:
    """Return a CPF or CNPJ without punctuation, in upper case."""
    return _PUNCTUATION.sub("", text).upper()


def document_type(normalised: str) -> str | None:
    """Return `cpf` or `cnpj`, by form alone; None for anything else."""
    if CPF.fullmatch(normalised):
        return "cpf"
    return "cnpj" if CNPJ.fullmatch(normalised) else None


def document_valid(normalised: str) -> bool:
    """Return whether a CPF or CNPJ (alphanumeric too) has valid check digits, not all equal."""
    if CPF.fullmatch(normalised):
        return len(set(normalised)) > 1 and normalised[9:] == _cpf_digits(normalised[:9])
    if CNPJ.fullmatch(normalised):
        return len(set(normalised)) > 1 and normalised[12:] == _cnpj_digits(normalised[:12])
    return False


def cpf_valid(text: str) -> bool:
    """Return whether the text, ignoring punctuation, is a CPF with valid check digits."""
    normalised = normalise_document(text)
    return CPF.fullmatch(normalised) is not None and document_valid(normalised)


def key_type(key: str) -> str:
    """Return the type of a Pix key by its form: 11 digits are a CPF, phones start with +."""
    document = document_type(normalise_document(key)) if key[:1] != "+" and "@" not in key else None
    if document:
        return document
    if PHONE.fullmatch(key):
        return "phone"
    if EVP.fullmatch(key.lower()):
        return "evp"
    return "email" if EMAIL.fullmatch(key.lower()) else "unknown"


def generate_cpf(rng: Random) -> str:
    """Return a synthetic CPF with valid check digits, for simulations and tests."""
    base = "".join(rng.choices(string.digits, k=9))
    return base + _cpf_digits(base) if len(set(base)) > 1 else generate_cpf(rng)


def generate_cnpj(rng: Random) -> str:
    """Return a synthetic CNPJ of a head office, with valid check digits."""
    base = "".join(rng.choices(string.digits, k=8)) + "0001"
    return base + _cnpj_digits(base)


def e2e(ispb: str, when: dt.datetime, rng: Random) -> str:
    """Return a synthetic EndToEndId issued by `ispb` at `when` (timezone-aware)."""
    return _identifier("E", ispb, when, rng)


def rtr(ispb: str, when: dt.datetime, rng: Random) -> str:
    """Return a synthetic RtrId issued by `ispb` at `when` (timezone-aware)."""
    return _identifier("D", ispb, when, rng)


def _identifier(letter: str, ispb: str, when: dt.datetime, rng: Random) -> str:
    minute = when.astimezone(dt.UTC).strftime("%Y%m%d%H%M")
    return f"{letter}{ispb}{minute}{''.join(rng.choices(_ALNUM, k=11))}"


def _cpf_digits(base: str) -> str:
    first = _check_digit(base, _CPF_WEIGHTS[1:])
    return first + _check_digit(base + first, _CPF_WEIGHTS)


def _cnpj_digits(base: str) -> str:
    first = _check_digit(base, _CNPJ_WEIGHTS[1:])
    return first + _check_digit(base + first, _CNPJ_WEIGHTS)


def _check_digit(characters: str, weights: tuple[int, ...]) -> str:
    """Return the modulo-11 digit, each character's value its ASCII code minus 48 (RFB 2.229/2024).

    For speed the sum runs in C over the raw codes, and the excess is subtracted once at the end.
    """
    total = sum(map(mul, characters.encode("ascii"), weights)) - 48 * sum(weights)
    return _CHECK_DIGITS[total % 11]
