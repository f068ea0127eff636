"""Certificates that end, and keys that others may read, wherever a setting names their file."""

import datetime as dt
import itertools
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pixstream import pem_files

NOW = dt.datetime(2026, 11, 30, 12, tzinfo=dt.UTC)
KEY = ec.generate_private_key(ec.SECP256R1())


def certificate(begin: dt.timedelta, end: dt.timedelta, *, authority: bool = False) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bank")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(KEY.public_key())
        .serial_number(1)
        .not_valid_before(NOW + begin)
        .not_valid_after(NOW + end)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .sign(KEY, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


YEAR, DAY = dt.timedelta(days=365), dt.timedelta(days=1)
GOOD = certificate(-YEAR, YEAR)
GONE = certificate(-YEAR, -DAY)
ROOT, OLD_ROOT = certificate(-YEAR, YEAR, authority=True), certificate(-YEAR, -DAY, authority=True)


@pytest.mark.parametrize(
    ("content", "fails", "said"),
    [
        (GOOD, None, ""),
        (GONE, True, "expired on 2026-11-29 12:00 UTC; replace it"),
        (certificate(-YEAR, 13 * DAY), False, "expires on 2026-12-13 12:00 UTC, in 13 days; renew"),
        (certificate(-YEAR, DAY), False, "expires on 2026-12-01 12:00 UTC, in 24 hours; renew"),
        (certificate(-YEAR, 15 * DAY), None, ""),
        (certificate(DAY, YEAR), True, "is not valid before 2026-12-01 12:00 UTC"),
        (GOOD + certificate(-YEAR, -DAY, authority=True), True, "expired on"),
        (ROOT + OLD_ROOT, None, ""),
        (OLD_ROOT, True, "expired on"),
        (OLD_ROOT + OLD_ROOT, True, "expired on"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", True, "cannot be read"),
        (b"no PEM at all", None, ""),
    ],
    ids=itertools.count(),  # the contents differ from process to process, which xdist refuses
)
def test_dates(tmp_path: Path, content: bytes, *, fails: bool | None, said: str) -> None:
    file = tmp_path / "bank.pem"
    file.write_bytes(content)
    found = pem_files.troubles(file, NOW)
    assert [trouble.fails for trouble in found] == ([] if fails is None else [fails])
    assert all(said in trouble.text and str(file) in trouble.text for trouble in found)


def test_a_private_key_is_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "my key.pem"
    pem = KEY.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    file.write_bytes(pem + GOOD)
    file.chmod(0o640)
    (found,) = pem_files.troubles(file, NOW)
    assert not found.fails
    assert "has mode 0640" in found.text
    assert found.text.endswith(f"chmod 600 '{file}'")
    file.chmod(0o600)
    assert pem_files.troubles(file, NOW) == []


def test_files_are_found_in_every_setting(tmp_path: Path) -> None:
    file = tmp_path / "a.pem"
    file.write_bytes(GOOD)
    settings = {
        "kafka": {"tls": {"ca_file": str(file), "key_file": None}},
        "accounts": [{"name": "x"}, {"certificate": str(file)}],
        "token": "x" * 5000,
        "nul": "a\0b",
        "directory": str(tmp_path),
        "port": 8080,
    }
    assert list(pem_files.named(settings)) == [
        ("kafka.tls.ca_file", file),
        ("accounts[1].certificate", file),
    ]


def test_what_cannot_be_read_is_left_to_its_user(tmp_path: Path) -> None:
    assert pem_files.troubles(tmp_path / "gone.pem", NOW) == []
    assert pem_files.open_to_others(tmp_path / "gone.pem") == []
    large = tmp_path / "large.log"
    large.write_bytes(GONE + b"\n" * pem_files._LARGEST)
    assert pem_files.troubles(large, NOW) == []
