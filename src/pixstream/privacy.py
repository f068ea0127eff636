"""Pseudonyms and encryption: no clear personal data leaves the process (Law 4).

A pseudonym is HMAC-SHA-256 over (kind, normalised value), cut to 128 bits and led by the key's id:
`k1.Zm9v…`. Equal values of a kind give equal pseudonyms, so events still join by person; without
the key an 11-digit CPF cannot be found by trying all of them. What must be readable again is
sealed with AES-256-GCM (random 96-bit nonce): the rest of `extra`, texts, dead letters.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import re
import secrets
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Meta

from pixstream.errors import KeysMissingError, PixstreamError
from pixstream.secret_setting import secret

KEY_BYTES = 32
NONCE_BYTES = 12
_MAGIC = b"PXS1"
_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,16}", re.ASCII)


class PrivacySettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The `privacy` section: both keys are mandatory, there is no way to switch it off."""

    pseudonym_key: Annotated[str, secret("32 bytes in base64 or hex, or file:PATH (mode 0600)")] = (
        ""
    )
    encryption_key: Annotated[
        str, secret("32 bytes in base64 or hex, or file:PATH (mode 0600)")
    ] = ""
    key_id: Annotated[
        str, Meta(pattern="^[A-Za-z0-9_-]{1,16}$", description="name of this pair of keys")
    ] = "k1"
    free_text: Annotated[
        Literal["encrypt", "drop"], Meta(description="names and texts that people wrote")
    ] = "encrypt"
    extra_allowlist: Annotated[
        list[str], Meta(description="fields of extra that stay in clear, by dotted path")
    ] = msgspec.field(default_factory=list)


class Pseudonymiser:
    """Makes pseudonyms with one key.

    Args:
        key: 32 secret bytes.
        key_id: up to 16 characters of [A-Za-z0-9_-], in front of every pseudonym.
    """

    def __init__(self, key: bytes, key_id: str) -> None:
        self._key = key
        self._prefix = f"{key_id}."

    def __call__(self, kind: str, value: str) -> str:
        """Pseudonym of a normalised value; `kind` keeps equal texts of different kinds apart."""
        digest = hmac.digest(self._key, f"{kind}\x1f{value}".encode(), "sha256")[:16]
        return self._prefix + base64.urlsafe_b64encode(digest)[:22].decode()


class Vault:
    """Seals and opens bytes with AES-256-GCM.

    Args:
        key: 32 secret bytes.
        key_id: written in front of what is sealed, so that a later key can tell it apart.
    """

    def __init__(self, key: bytes, key_id: str) -> None:
        self._aead = AESGCM(key)
        self._header = _MAGIC + bytes([len(key_id)]) + key_id.encode()

    def seal(self, clear: bytes, context: bytes) -> bytes:
        """Encrypt; `context` (a letter's id, an event's id) must be given again to open."""
        nonce = os.urandom(NONCE_BYTES)
        return self._header + nonce + self._aead.encrypt(nonce, clear, context)

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """Decrypt what `seal` gave.

        Raises:
            PixstreamError: sealed by another key, with another context, or altered.
        """
        body = sealed[len(self._header) :]
        if not sealed.startswith(self._header):
            raise PixstreamError("sealed with another key id than the configured privacy.key_id")
        try:
            return self._aead.decrypt(body[:NONCE_BYTES], body[NONCE_BYTES:], context)
        except InvalidTag:
            raise PixstreamError(
                "cannot be opened: privacy.encryption_key is not the key it was sealed with, "
                "or the bytes were altered"
            ) from None


def keys(settings: PrivacySettings) -> tuple[Pseudonymiser, Vault]:
    """Both tools, ready.

    Raises:
        KeysMissingError: a key is absent, unreadable or of another length.
    """
    pseudonym = read_key("privacy.pseudonym_key", settings.pseudonym_key)
    encryption = read_key("privacy.encryption_key", settings.encryption_key)
    if hmac.compare_digest(pseudonym, encryption):
        raise KeysMissingError("privacy: the two keys are the same; make one for each purpose")
    return Pseudonymiser(pseudonym, settings.key_id), Vault(encryption, settings.key_id)


def read_key(path: str, text: str) -> bytes:
    """Decode a key setting, or the file that it names.

    Args:
        path: the setting's name, for the error.
        text: base64, hex, or `file:PATH`.

    Raises:
        KeysMissingError: never with the key's text in it.
    """
    advice = "make one with `pixstream keys create`, or set it from your secret store"
    if not text:
        raise KeysMissingError(f"{path}: is empty, and personal data needs it; {advice}")
    if text.startswith("file:"):
        file = Path(text.removeprefix("file:"))
        try:
            text = file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            raise KeysMissingError(f"{path}: cannot read the key file {file}; {advice}") from None
    try:
        key = bytes.fromhex(text) if len(text) == 2 * KEY_BYTES else base64.b64decode(text, None)
    except (ValueError, binascii.Error):
        key = b""
    if len(key) != KEY_BYTES:
        raise KeysMissingError(f"{path}: is not {KEY_BYTES} bytes in base64 or hex; {advice}")
    return key


def create_key_file(file: Path) -> bool:
    """Write a new random key with mode 0600; False where the file exists already."""
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(handle, "wb") as out:
        out.write(base64.b64encode(secrets.token_bytes(KEY_BYTES)) + b"\n")
    return True


def key_files(settings: PrivacySettings) -> list[Path]:
    """The files that the two settings name, those that name one."""
    texts = (settings.pseudonym_key, settings.encryption_key)
    return [Path(text.removeprefix("file:")) for text in texts if text.startswith("file:")]


def mask(text: str) -> str:
    """A value for human eyes without its middle: at most two characters at each end stay."""
    keep = min(2, len(text) // 4)
    return text[:keep] + "*" * (len(text) - 2 * keep) + text[len(text) - keep :]
