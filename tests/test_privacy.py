import base64
import stat
from pathlib import Path
from random import Random

import pytest

from pixstream import privacy
from pixstream.errors import KeysMissingError, PixstreamError
from pixstream.event import identifiers

KEY, OTHER = bytes(range(32)), bytes(range(1, 33))


def test_equal_values_of_a_kind_give_equal_pseudonyms_and_no_others() -> None:
    pseudonym = privacy.Pseudonymiser(KEY, "k1")
    cpf = identifiers.generate_cpf(Random(1))
    assert pseudonym("document", cpf) == pseudonym("document", cpf)
    assert pseudonym("document", cpf) != pseudonym("account", cpf)
    assert pseudonym("document", cpf) != privacy.Pseudonymiser(OTHER, "k1")("document", cpf)
    assert cpf not in pseudonym("document", cpf)
    assert pseudonym("document", cpf).startswith("k1.")
    assert len(pseudonym("document", cpf)) == 25


def test_sealed_bytes_open_with_the_same_key_and_context_only() -> None:
    vault = privacy.Vault(KEY, "k1")
    sealed = vault.seal(b"whole", b"letter-1")
    assert vault.open(sealed, b"letter-1") == b"whole"
    assert b"whole" not in sealed
    assert sealed != vault.seal(b"whole", b"letter-1")
    with pytest.raises(PixstreamError, match="altered"):
        vault.open(sealed, b"letter-2")
    with pytest.raises(PixstreamError, match="altered"):
        vault.open(sealed[:-1] + bytes([sealed[-1] ^ 1]), b"letter-1")
    with pytest.raises(PixstreamError, match="altered"):
        privacy.Vault(OTHER, "k1").open(sealed, b"letter-1")
    with pytest.raises(PixstreamError, match="another key id"):
        privacy.Vault(KEY, "k2").open(sealed, b"letter-1")


@pytest.mark.parametrize("text", [KEY.hex(), base64.b64encode(KEY).decode()])
def test_a_key_is_hex_or_base64(text: str) -> None:
    assert privacy.read_key("privacy.pseudonym_key", text) == KEY


@pytest.mark.parametrize("text", ["", "short", "ü" * 40, "AAAA", "file:/nowhere/at/all"])
def test_an_unusable_key_is_named_and_never_shown(text: str) -> None:
    with pytest.raises(
        KeysMissingError, match=r"privacy\.pseudonym_key.*pixstream keys create"
    ) as e:
        privacy.read_key("privacy.pseudonym_key", text)
    assert "short" not in str(e.value)


def test_created_key_files_are_private_and_stay(tmp_path: Path) -> None:
    file = tmp_path / "keys" / "pseudonym.key"
    assert privacy.create_key_file(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    first = file.read_bytes()
    assert not privacy.create_key_file(file)
    assert file.read_bytes() == first
    assert len(privacy.read_key("x", f"file:{file}")) == 32


def test_both_keys_are_mandatory_and_different(tmp_path: Path) -> None:
    one, two = tmp_path / "a.key", tmp_path / "b.key"
    for file in (one, two):
        privacy.create_key_file(file)
    settings = privacy.PrivacySettings(
        pseudonym_key=f"file:{one}", encryption_key=f"file:{two}", key_id="k7"
    )
    pseudonym, _ = privacy.keys(settings)
    assert pseudonym("key", "x").startswith("k7.")
    with pytest.raises(KeysMissingError, match="the same"):
        privacy.keys(privacy.PrivacySettings(pseudonym_key=KEY.hex(), encryption_key=KEY.hex()))
    with pytest.raises(KeysMissingError, match="encryption_key"):
        privacy.keys(privacy.PrivacySettings(pseudonym_key=KEY.hex()))
    assert privacy.key_files(settings) == [one, two]


@pytest.mark.parametrize(("text", "masked"), [("", ""), ("abc", "***"), ("abcdefgh", "ab****gh")])
def test_masks_keep_little(text: str, masked: str) -> None:
    assert privacy.mask(text) == masked
