"""Mutual TLS with a bank that demands a certificate of its clients."""

import asyncio
import datetime as dt
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pixstream.errors import ConfigError, PixstreamError, Transient
from pixstream.producers.bank_api.tls import tls_context
from pixstream.producers.bank_api.transport import WholeAnswers


class Identity(NamedTuple):
    """PEM files of a certificate that is its own authority, and of its key."""

    certificate: str
    key: str


class Site(NamedTuple):
    """The address of the bank, its identity, and the one it demands of its client."""

    url: str
    bank: Identity
    client: Identity


class Server(ThreadingHTTPServer):
    """Reads on after a failed handshake: to close at once would reset the connection, and the
    alert that says why might never arrive.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self._context = context

    def finish_request(self, request: Any, client_address: Any) -> None:
        with request.dup() as connection:
            try:
                with self._context.wrap_socket(request, server_side=True) as encrypted:
                    super().finish_request(encrypted, client_address)
            except ssl.SSLError:
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    continue


class Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  its parent's name
        """Keep the test's output quiet."""


def make_identity(folder: Path, name: str) -> Identity:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    made = Identity(str(folder / f"{name}.pem"), str(folder / f"{name}.key"))
    pem = serialization.Encoding.PEM
    Path(made.certificate).write_bytes(certificate.public_bytes(pem))
    plain = serialization.NoEncryption()
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    Path(made.key).write_bytes(secret)
    return made


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    bank, client = (make_identity(tmp_path, name) for name in ("bank", "client"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=client.certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(*bank)
    with Server(context) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield Site(f"https://127.0.0.1:{server.server_port}/", bank, client)
        server.shutdown()
        thread.join()


def get(site: Site, certificate: str = "", key: str = "", ca_file: str = "") -> int:
    async def whole() -> int:
        transport = WholeAnswers(tls_context(certificate, key, ca_file), 30)
        async with httpx2.AsyncClient(transport=transport) as client:
            return (await client.get(site.url, extensions={"what": "GET /pix"})).status_code

    return asyncio.run(whole())


def test_a_client_with_its_certificate_gets_an_answer(site: Site, tmp_path: Path) -> None:
    assert get(site, *site.client, site.bank.certificate) == 200
    both = tmp_path / "both.pem"
    both.write_text("".join(Path(file).read_text() for file in site.client))
    assert get(site, str(both), "", site.bank.certificate) == 200


def test_a_client_whose_certificate_is_refused_is_for_a_person_to_fix(
    site: Site, tmp_path: Path
) -> None:
    stranger = make_identity(tmp_path, "stranger")
    for certificate, key in (("", ""), stranger):
        with pytest.raises(PixstreamError, match="refuses this client's certificate") as caught:
            get(site, certificate, key, site.bank.certificate)
        assert not isinstance(caught.value, Transient)


def test_another_failure_of_tls_may_pass(site: Site) -> None:
    plain = site._replace(url=site.url.replace("https:", "http:"))
    with pytest.raises(Transient, match=r"GET /pix: the bank does not answer \(\w+\)$"):
        get(plain, *site.client, site.bank.certificate)


def test_a_bank_that_is_not_trusted_is_not_asked(site: Site) -> None:
    with pytest.raises(PixstreamError, match="certificate is not trusted; set ca_file") as caught:
        get(site, *site.client)
    assert not isinstance(caught.value, Transient)


def test_a_key_with_a_password_is_refused_without_asking_for_it(site: Site, tmp_path: Path) -> None:
    locked = tmp_path / "locked.key"
    key = serialization.load_pem_private_key(Path(site.client.key).read_bytes(), None)
    locked.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"unknown"),
        )
    )
    for certificate, key_file, ca_file in (
        (site.client.certificate, str(locked), ""),
        (site.client.certificate, site.bank.key, ""),
        (str(tmp_path / "absent.pem"), "", ""),
        ("", "", site.client.key),
    ):
        with pytest.raises(ConfigError, match="certificate, key or ca_file"):
            tls_context(certificate, key_file, ca_file)
