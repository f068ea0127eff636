from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixstream.dead_letters.masking import masked
from pixstream.event.identifiers import generate_cpf

CPF = generate_cpf(Random(9))


@pytest.mark.parametrize(
    "raw",
    [
        f'{{"cpf": "{CPF}", "n": {CPF}, "deep": [{{"x": "{CPF}"}}], "{CPF}": 1}}',
        f'<Id>{CPF}</Id><a b="{CPF}"/>',
        f"broken {{ {CPF} , 'nome': Fulano",
    ],
)
def test_values_are_masked_and_structure_stays(raw: str) -> None:
    text = masked(raw.encode())
    assert CPF not in text
    assert "Fulano" not in text
    assert "*" in text


def test_field_names_stay_readable() -> None:
    assert '"endToEndId"' in masked(b'{"endToEndId": "E1234567890"}')
    assert "<EndToEndId>" in masked(b"<EndToEndId>E1234567890</EndToEndId>")


@given(st.binary(max_size=200))
def test_any_bytes_can_be_shown(raw: bytes) -> None:
    assert isinstance(masked(raw), str)
