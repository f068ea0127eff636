"""`examine` looks at every file that a setting of an enabled component names."""

import datetime as dt
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pixstream.config import load
from pixstream.preflight import examine


@pytest.mark.parametrize(("days", "ok"), [(-1, False), (1, True)])
@pytest.mark.parametrize("enabled", [True, False])
def test_a_certificate_that_ends_is_named_by_its_setting(
    tmp_path: Path, days: int, *, ok: bool, enabled: bool
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bank")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=9))
        .not_valid_after(now + dt.timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "bank.pem"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    file = tmp_path / "kafka_config.yaml"
    word = str(enabled).lower()
    file.write_text(
        f"privacy: {{pseudonym_key: {'a' * 64}, encryption_key: {'b' * 64}}}\n"
        f"producers: {{webhook: {{port: 0, certificate: {pem}, enabled: {word}}}}}\n"
    )
    found = [f for f in examine(load(file), None) if f.what == "producers.webhook.certificate"]
    assert [(f.ok, f.warns) for f in found] == ([(ok, ok)] if enabled else [])
