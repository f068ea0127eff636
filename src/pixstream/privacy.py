"""Pseudonyms and encryption: no personal data leaves the process in clear text.

A pseudonym is HMAC-SHA-256 over (kind, normalised value), truncated to 128 bits and prefixed with
the key id: `k1.Zm9v…`. Equal values of one kind have equal pseudonyms, so events can be joined by
person; without the key, brute force cannot recover an 11-digit CPF. What must be readable again is
sealed with AES-256-GCM (random 96-bit nonce): the rest of `extra`, free text, dead letters.
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
    """The `privacy` section: both keys are mandatory, and it cannot be switched off."""

    pseudonym_key: Annotated[str, secret("32 bytes in base64 or hex, or file:PATH (mode 0600)")] = (
        ""
    )
    encryption_key: Annotated[
        str, secret("32 bytes in base64 or hex, or file:PATH (mode 0600)")
    ] = ""
    key_id: Annotated[
        str, Meta(pattern="^[A-Za-z0-9_-]{1,16}$", description="name of this key pair")
    ] = "k1"
    free_text: Annotated[
        Literal["encrypt", "drop"], Meta(description="what to do with names and free text")
    ] = "encrypt"
    extra_allowlist: Annotated[
        list[str], Meta(description="fields of extra kept in clear text, by dotted path")
    ] = msgspec.field(default_factory=list)


class Pseudonymiser:
    """A function that derives pseudonyms with one key.

    Args:
        key: 32 secret bytes.
        key_id: up to 16 characters of [A-Za-z0-9_-], the prefix of every pseudonym.
    """

    def __init__(self, key: bytes, key_id: str) -> None:
        self._key = key
        self._prefix = f"{key_id}."

    def __call__(self, kind: str, value: str) -> str:
        """Return the pseudonym of a normalised value; equal values of two kinds differ in it."""
        digest = hmac.digest(self._key, f"{kind}\x1f{value}".encode(), "sha256")[:16]
        return self._prefix + base64.urlsafe_b64encode(digest)[:22].decode()


class Vault:
    """Encryption and decryption of bytes with AES-256-GCM.

    Args:
        key: 32 secret bytes.
        key_id: written before the sealed bytes, so that they show which key pair sealed them.
    """

    def __init__(self, key: bytes, key_id: str) -> None:
        self._aead = AESGCM(key)
        self._header = _MAGIC + bytes([len(key_id)]) + key_id.encode()

    def seal(self, clear: bytes, context: bytes) -> bytes:
        """Encrypt `clear`; `open` needs the same `context` (the id of the letter or event)."""
        nonce = os.urandom(NONCE_BYTES)
        return self._header + nonce + self._aead.encrypt(nonce, clear, context)

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """Decrypt bytes that `seal` returned.

        Raises:
            PixstreamError: they were sealed with another key or context, or were altered.
        """
        body = sealed[len(self._header) :]
        if not sealed.startswith(self._header):
            raise PixstreamError("sealed under another key id, not the configured privacy.key_id")
        try:
            return self._aead.decrypt(body[:NONCE_BYTES], body[NONCE_BYTES:], context)
        except InvalidTag:
            raise PixstreamError(
                "cannot be decrypted: privacy.encryption_key is not the key that sealed it, "
                "or the bytes were altered"
            ) from None


def is_sealed(value: bytes) -> bool:
    """Return whether these bytes begin as `Vault.seal` writes them."""
    return value.startswith(_MAGIC)


def keys(settings: PrivacySettings) -> tuple[Pseudonymiser, Vault]:
    """Return the pseudonymiser and the vault of these settings.

    Raises:
        KeysMissingError: a key is absent, unreadable or of the wrong length.
    """
    pseudonym = read_key("privacy.pseudonym_key", settings.pseudonym_key)
    encryption = read_key("privacy.encryption_key", settings.encryption_key)
    if hmac.compare_digest(pseudonym, encryption):
        raise KeysMissingError("privacy: the two keys are the same; each purpose needs its own key")
    return Pseudonymiser(pseudonym, settings.key_id), Vault(encryption, settings.key_id)


def read_key(path: str, text: str) -> bytes:
    """Return the key in a setting, or in the key file that it names.

    Args:
        path: the name of the setting, for the error.
        text: base64, hex, or `file:PATH`.

    Raises:
        KeysMissingError: the key is absent or unusable; the message never contains the key.
    """
    advice = "`pixstream keys create` makes one, or set it from your secret store"
    if not text:
        raise KeysMissingError(f"{path}: is empty, but protects personal data; {advice}")
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
    """Write a new random key with mode 0600; return False if the file already exists."""
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(handle, "wb") as out:
        out.write(base64.b64encode(secrets.token_bytes(KEY_BYTES)) + b"\n")
    return True


def key_files(settings: PrivacySettings) -> list[Path]:
    """Return the key files that the two settings name, if any."""
    texts = (settings.pseudonym_key, settings.encryption_key)
    return [Path(text.removeprefix("file:")) for text in texts if text.startswith("file:")]


def usual_key_files(data_dir: str) -> list[Path]:
    """Return where the pseudonym key and the encryption key are, unless settings say otherwise."""
    return [Path(data_dir) / "keys" / f"{name}.key" for name in ("pseudonym", "encryption")]


def mask(text: str) -> str:
    """Mask a value for display: keep at most two characters at each end."""
    keep = min(2, len(text) // 4)
    return text[:keep] + "*" * (len(text) - 2 * keep) + text[len(text) - keep :]
