"""What is wrong with the certificates and private keys in the files that settings name.

Every text of the configuration that is the path of a PEM file is looked at, whichever plugin it
belongs to: a certificate that runs out ends the connection at night, without a change anywhere.
"""

from __future__ import annotations

import datetime as dt
import shlex
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from cryptography import x509

from pixstream.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SOON = dt.timedelta(days=14)
"""A certificate that ends within this time is a warning."""

_LARGEST = 4 * 2**20
"""A larger file is neither a key nor a bundle of certificates."""

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_CERTIFICATE, _KEY = b"-----BEGIN CERTIFICATE-----", b"PRIVATE KEY-----"


class Trouble(NamedTuple):
    """What is wrong with a file.

    Attributes:
        fails: it cannot be used now; otherwise it is a warning.
        text: what is wrong and what to do, with the path and without any content.
    """

    fails: bool
    text: str


def named(values: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Path]]:
    """Yield the dotted name of each setting that is the path of a file, and the file.

    Args:
        values: settings as plain data.
        path: the names above them.
    """
    if isinstance(values, dict):
        for key, value in values.items():
            yield from named(value, (*path, str(key)))
    elif isinstance(values, (list, tuple)):
        for number, value in enumerate(values):
            yield from named(value, (*path, f"[{number}]"))
    elif isinstance(values, str) and values and _is_file(values):
        yield ".".join(path).replace(".[", "["), Path(values)


def troubles(file: Path, now: dt.datetime) -> list[Trouble]:
    """Return what is wrong with a PEM file; a file that is none, or unreadable, has no trouble.

    Whoever uses the file reports that it cannot be read.
    """
    try:
        if file.stat().st_size > _LARGEST:
            return []
        content = file.read_bytes()
    except OSError:
        return []
    found = []
    if _KEY in content:
        found += open_to_others(file)
    if _CERTIFICATE in content:
        try:
            found += _dates(file, x509.load_pem_x509_certificates(content), now)
        except ValueError:
            found.append(Trouble(True, f"{file}: contains a certificate that cannot be read"))
    return found


def open_to_others(file: Path) -> list[Trouble]:
    """Return a warning if other users may read or change a file with a key."""
    try:
        mode = stat.S_IMODE(file.stat().st_mode)
    except OSError:
        return []
    if not mode & _OTHERS:
        return []
    mend = f"chmod 600 {shlex.quote(str(file))}"
    return [Trouble(False, f"{file} has mode {mode:04o}: other users may read the key; {mend}")]


def _dates(
    file: Path, certificates: Sequence[x509.Certificate], now: dt.datetime
) -> Iterator[Trouble]:
    """Yield what is wrong with the dates: of a chain the first to end counts, of roots the last.

    A bundle of authorities usually has a few that have ended, and one is enough to be trusted.
    """
    roots = len(certificates) > 1 and all(map(_is_authority, certificates))
    decides = (max if roots else min)(certificates, key=lambda c: c.not_valid_after_utc)
    end = decides.not_valid_after_utc
    begin = max(c.not_valid_before_utc for c in certificates)
    if end <= now:
        yield Trouble(True, f"{file} expired on {end:%Y-%m-%d %H:%M} UTC; replace it")
    elif end - now < SOON:
        left = (end - now).days
        hours = round((end - now).total_seconds() / 3600)
        time = counted(left, "day") if left > 1 else counted(hours, "hour")
        yield Trouble(False, f"{file} expires on {end:%Y-%m-%d %H:%M} UTC, in {time}; renew it")
    if begin > now and not roots:
        yield Trouble(True, f"{file} is not valid before {begin:%Y-%m-%d %H:%M} UTC")


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    except (x509.ExtensionNotFound, ValueError):
        return False
    return bool(constraints.value.ca)


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):  # too long for a name, or with a NUL character
        return False
