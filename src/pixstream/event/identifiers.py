"""Identifiers of Pix and of people: patterns, check digits, dates, and synthetic valid ones.

Sources: SPI catalogue 5.13.1 (EndToEndId, RtrId, ISPB), API Pix 2.9.0, DICT 1.8 and 2.12.1 (keys).
Real payloads often violate these patterns, so a mismatch is a flag and never a reason to refuse.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
import string
from operator import mul
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
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
_SEPARATORS = frozenset("._:/-")
_IDENTITY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{7,63}", re.ASCII)
_IDENTITY_CHARACTERS = 5
"""Different letters and digits of an identifier; placeholders such as 0000-0000 have fewer."""
_CPF_DIGITS, _DOCUMENT_DIGITS = 11, 14
_DOCUMENT_LENGTHS = frozenset({_CPF_DIGITS, _DOCUMENT_DIGITS})
_SHORT_DOCUMENT = re.compile(r"\d{7,13}", re.ASCII)
_WORD = re.compile(r"[0-9A-Za-z]+", re.ASCII)
_SPELT = re.compile(
    r"(?<!\d)(?:\d{3}[. ]?\d{3}[. ]?\d{3}[-/. ]?\d{2}"
    r"|\d{2}[. ]?\d{3}[. ]?\d{3}[/ ]?\d{4}[- ]?\d{2})(?!\d)",
    re.ASCII,
)
"""A CPF or CNPJ as people write it: an identifier's own groups of digits are not one."""

_WORD_SPELT = re.compile(
    r"(?<![0-9A-Za-z])(?:\d{3}\.?\d{3}\.?\d{3}[-/.]?\d{2}"
    r"|\d{2}\.?\d{3}\.?\d{3}/?\d{4}-?\d{2})(?![0-9A-Za-z])",
    re.ASCII,
)
_ALPHANUMERIC_CNPJ = re.compile(
    r"(?<![0-9A-Za-z])[0-9A-Za-z]{2}[./ -]?[0-9A-Za-z]{3}[./ -]?[0-9A-Za-z]{3}[./ -]?"
    r"[0-9A-Za-z]{4}[./ -]?\d{2}(?![0-9A-Za-z])",
    re.ASCII,
)
_DIGIT_RUN = re.compile(r"\d+(?:[^0-9A-Za-z]{1,3}\d+)*", re.ASCII)
_DIGITS = re.compile(r"\d+", re.ASCII)
_CHECK_DIGIT_PAIR = re.compile(r"\d[^0-9A-Za-z]*\d", re.ASCII)
_FORMATTED_PHONE = re.compile(r"\s*\+?[\d\s().-]+", re.ASCII)
_NATIONAL_PHONE = re.compile(r"[1-9][1-9](9\d{8}|[2-5]\d{7})", re.ASCII)
"""Area code and subscriber: nine digits from 9 (mobile) or eight from 2 to 5 (landline)."""

_YEARS = range(2020, 2100)


def is_identity(identifier: str) -> bool:
    """Return whether a text can identify a Pix: two facts must never share one.

    The documented form can, unless it is filled with zeros. Any other text needs letters and
    digits, 8 characters, and no document: many messages contain NOTPROVIDED, null, 0 or a CPF.
    """
    if id_time(identifier) is not None:
        return True
    if len({*identifier.lower()} - _SEPARATORS) < _IDENTITY_CHARACTERS:
        return False
    return E2E.fullmatch(identifier) is not None or bool(
        _IDENTITY.fullmatch(identifier)
        and any(map(str.isdigit, identifier))
        and (any(map(str.isalpha, identifier)) or len(identifier) > _DOCUMENT_DIGITS)
        and not any(map(document_valid, map(normalise_document, _SPELT.findall(identifier))))
    )


def has_document(text: str) -> bool:
    """Return whether a text contains a valid CPF or CNPJ, alone or among other words.

    Digits may be grouped in any way: by dots, dashes, slashes, spaces, underscores.
    """
    if len(text) < _CPF_DIGITS or not _CHECK_DIGIT_PAIR.search(text):
        return False
    if text.isalnum() and len(text) > _DOCUMENT_DIGITS:
        return any(map(document_valid, _DIGITS.findall(text)))
    return next(_documents(text), None) is not None


def mask_documents(text: str) -> str:
    """Return a text with the first three and the last two characters of each CPF and CNPJ hidden.

    The Portal da Transparência shows a CPF in this form: a file name or a reference can still be
    found by what is left, and nobody is identified by it.
    """
    if not has_document(text):
        return text
    letters = list(text)
    for words in _documents(text):
        places = [place for word in words for place in range(word.start(), word.end())]
        for place in (*places[:3], *places[-2:]):
            letters[place] = "*"
    return "".join(letters)


def names_document(text: str) -> bool:
    """Return whether a whole word of a text is a CPF or CNPJ; hexadecimal words never are one."""
    return any(document_valid(normalise_document(found)) for found in _WORD_SPELT.findall(text))


def _documents(text: str) -> Iterator[Sequence[re.Match[str]]]:
    """Yield each run of groups of digits, and each alphanumeric CNPJ, that is a document.

    Letters end a run: the digits of a hexadecimal identifier are not one number.
    """
    for found in _ALPHANUMERIC_CNPJ.finditer(text):
        if document_valid("".join(_WORD.findall(found[0])).upper()):
            yield list(_WORD.finditer(text, *found.span()))
    for run in _DIGIT_RUN.finditer(text):
        groups = list(_DIGITS.finditer(text, *run.span()))
        for start in range(len(groups)):
            joined = ""
            for end in range(start, min(start + _DOCUMENT_DIGITS, len(groups))):
                joined += groups[end][0]
                if len(joined) > _DOCUMENT_DIGITS:
                    break
                if len(joined) in _DOCUMENT_LENGTHS and document_valid(joined):
                    yield groups[start : end + 1]


@functools.lru_cache(maxsize=1024)
def id_time(identifier: str | None) -> dt.datetime | None:
    """Return the UTC minute in an EndToEndId or RtrId; None where it is not a valid time of a Pix.

    The pattern admits a day 34 and the year 1, and a scheduled Pix carries its planned minute. So
    this is only a hint for the event time, but always the same for the same identifier.
    """
    match = E2E.fullmatch(identifier) if identifier else None
    if match is None:
        return None
    day, hour, minute = match.groups()
    year = int(day[:4])
    if year not in _YEARS:
        return None
    try:
        return dt.datetime(year, int(day[4:6]), int(day[6:]), int(hour), int(minute), tzinfo=dt.UTC)
    except ValueError:
        return None


def id_date(identifier: str | None) -> dt.date | None:
    """Return the UTC date in an identifier; None where it has none."""
    when = id_time(identifier)
    return when.date() if when else None


def normalise_document(text: str) -> str:
    """Return a CPF or CNPJ without punctuation, in upper case, with its leading zeros.

    A document that passed through a number lost them: fewer digits than a CPF or CNPJ has are
    padded if the check digits are valid then: to a CPF, else to a CNPJ of one of the first hundred
    branches.
    """
    plain = _PUNCTUATION.sub("", text).upper()
    if _SHORT_DOCUMENT.fullmatch(plain):
        cpf, cnpj = plain.zfill(_CPF_DIGITS), plain.zfill(_DOCUMENT_DIGITS)
        if len(cpf) == _CPF_DIGITS and document_valid(cpf):
            return cpf
        if cnpj[8:10] == "00" and document_valid(cnpj):
            return cnpj
    return plain


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


def normalise_key(key: str) -> tuple[str, str]:
    """Return the type of a Pix key by its form, and the key as the DICT writes it.

    The type is cpf, cnpj, phone, evp, email or unknown. 11 digits are a CPF, unless they can only
    be a phone. A phone becomes E.164: "(11) 99999-0000" is +5511999990000.
    """
    if PHONE.fullmatch(key):
        return "phone", key
    lower = key.strip().lower()
    if EVP.fullmatch(lower):
        return "evp", lower
    if EMAIL.fullmatch(lower):
        return "email", lower
    document = normalise_document(key)
    phone = _e164(key)
    if phone and not document_valid(document):
        return "phone", phone
    kind = document_type(document)
    return (kind, document) if kind else ("unknown", lower)


def key_type(key: str) -> str:
    """Return the type of a Pix key, see `normalise_key`."""
    return normalise_key(key)[0]


def _e164(key: str) -> str | None:
    """Return a phone in E.164, a Brazilian one if it has no country code; None: not a phone."""
    if not _FORMATTED_PHONE.fullmatch(key):
        return None
    digits = "".join(filter(str.isdigit, key))
    if key.strip().startswith("+"):
        return f"+{digits}" if PHONE.fullmatch(f"+{digits}") else None
    national = digits.removeprefix("55") if len(digits) > _CPF_DIGITS else digits
    return f"+55{national}" if _NATIONAL_PHONE.fullmatch(national) else None


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
