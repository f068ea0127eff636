"""Times, amounts and currencies as senders write them, read without guessing.

Each function returns the value, or None for a text that has no certain meaning: the caller keeps
that text (`sealing` seals it in `extra`). A reading that is certain but not the documented form is
marked as irregular.

Sources: RFC 3339 (times), API Pix 2.9.0 (`valor` with a point and two decimals), ISO 4217.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import NamedTuple

BRASILIA = dt.timezone(dt.timedelta(hours=-3))
"""Brasília's UTC offset, without the zone database: no daylight saving time since 2019."""

EARLIEST = dt.datetime(2020, 11, 3, tzinfo=BRASILIA)
"""Pix's first day, in restricted operation: an earlier time stands for "none", as 1970-01-01."""

LATEST = dt.datetime(2100, 1, 1, tzinfo=BRASILIA)
"""The end of plausible times: 9999-12-31 and its like stand for "none"."""

MAX_CENTAVOS = 10**18 - 1
"""SPI amounts have 18 digits, which fit a table's 64-bit integer."""

_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d)(?::(\d\d)(?:[.,](\d{1,12}))?)?"
    r" ?(?:([Zz])|([+-]\d\d)(?::?(\d\d))?)?",
    re.ASCII,
)
_EPOCHS = {10: 1, 13: 10**3, 16: 10**6, 19: 10**9}
"""Digits of a time since 1970 → its units per second; each covers the years 2001 to 2286."""

_REGULAR_AMOUNT = re.compile(r"\d{1,18}(?:\.\d{1,2})?", re.ASCII)
_COMMA_AMOUNT = re.compile(r"(?:\d{1,3}(?:\.\d{3})+|\d{1,18}),\d{1,2}", re.ASCII)
_POINT_AMOUNT = re.compile(r"(?:\d{1,3}(?:,\d{3})+|\d{1,18})\.\d{1,2}|\d{1,18}", re.ASCII)
_REAL = re.compile(r"R\$\s*")
_LONGEST = 64
"""Characters of the longest text that may be a value."""

_CURRENCY = re.compile("[A-Z]{3}", re.ASCII)
_BRL = frozenset({"BRL", "R$", "986", "REAL", "REAIS"})


class Time(NamedTuple):
    """A time that was read.

    Attributes:
        utc: the time, in UTC, whole microseconds.
        zone_assumed: the text has no zone, and Brasília's was assumed.
        irregular: the text is not an RFC 3339 time, but a number since 1970.
    """

    utc: dt.datetime
    zone_assumed: bool = False
    irregular: bool = False


class Amount(NamedTuple):
    """An amount that was read: `irregular` if not in the documented form ("12.34")."""

    centavos: int
    irregular: bool = False


def time(text: str) -> Time | None:
    """Read a time: RFC 3339, also without a zone or seconds; seconds, ms, µs or ns since 1970.

    Returns:
        None for a date alone, for any other form, and for a time outside of `EARLIEST` to `LATEST`,
        which is a placeholder of some programming language.
    """
    if len(text) > _LONGEST:
        return None
    try:  # the usual form, at a fraction of the cost
        value = dt.datetime.fromisoformat(text) if text[10:11] == "T" else None
    except ValueError:
        value = None
    if value is not None and value.tzinfo is not None:
        return _plausible(value)
    text = text.strip()
    match = _TIME.fullmatch(text)
    return _since_1970(text) if match is None else _matched(match)


def amount(text: str) -> Amount | None:
    """Read an amount in reais: "12.34", and irregularly "12,34", "1.234,56", "R$ 12,34".

    Returns:
        None for a negative amount, for more than two decimals, for "1.000", which may be one real
        or a thousand, and for any other form.
    """
    if _REGULAR_AMOUNT.fullmatch(text):
        return _within_limits(text, irregular=False)
    plain = text.strip() if len(text) <= _LONGEST else ""
    if plain.startswith("R$"):
        plain = _REAL.sub("", plain, count=1)
    if _COMMA_AMOUNT.fullmatch(plain):
        return _within_limits(plain.replace(".", "").replace(",", "."), irregular=True)
    if _POINT_AMOUNT.fullmatch(plain):
        return _within_limits(plain.replace(",", ""), irregular=True)
    return None


def currency(text: str) -> str | None:
    """Read a currency: an ISO 4217 code, or another way to write BRL; None for anything else."""
    plain = text.strip().upper()
    if plain in _BRL:
        return "BRL"
    return text if _CURRENCY.fullmatch(text) else None


def _matched(match: re.Match[str]) -> Time | None:
    date, minute, second, fraction, zulu, hours, minutes = match.groups()
    leap = second == "60"
    try:
        value = dt.datetime.fromisoformat(f"{date}T{minute}:{'59' if leap else second or '00'}")
        value += dt.timedelta(seconds=leap, microseconds=int((fraction or "")[:6].ljust(6, "0")))
        if hours:
            offset = dt.timedelta(hours=int(hours), minutes=int(hours[0] + (minutes or "0")))
            zone = dt.timezone(offset)
        else:
            zone = dt.UTC if zulu else BRASILIA
    except (ValueError, OverflowError):
        return None
    return _plausible(value.replace(tzinfo=zone), zone_assumed=not (zulu or hours))


def _plausible(value: dt.datetime, *, zone_assumed: bool = False) -> Time | None:
    if not EARLIEST <= value < LATEST:
        return None
    return Time(value.astimezone(dt.UTC), zone_assumed)


def _since_1970(text: str) -> Time | None:
    units = _EPOCHS.get(len(text))
    if units is None or not (text.isascii() and text.isdigit()):
        return None
    microseconds = int(text) * 10**6 // units
    utc = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=microseconds)
    return Time(utc, irregular=True) if EARLIEST <= utc < LATEST else None


def _within_limits(text: str, *, irregular: bool) -> Amount | None:
    reais, _, decimals = text.partition(".")
    centavos = int(reais) * 100 + int(decimals.ljust(2, "0"))
    return Amount(centavos, irregular) if centavos <= MAX_CENTAVOS else None
