from random import Random

import pytest

from pixstream.event.identifiers import generate_cpf
from pixstream.lab.demo.privacy_scan import PrivacyScan

CPF = generate_cpf(Random(2))
DOTTED = f"{CPF[:3]}.{CPF[3:6]}.{CPF[6:9]}-{CPF[9:]}"


@pytest.mark.parametrize(
    "text",
    [
        f'{{"document": "{CPF}"}}',
        f'{{"document": {CPF}}}',
        f"<Id>{CPF}</Id>",
        f"could not read CPF={CPF}, skipped",
        f"document:{CPF}",
        f"/customers/{CPF}/keys",
        f"({CPF})",
        f"file {DOTTED}.xml",
        f"{CPF[:3]} {CPF[3:6]} {CPF[6:9]} {CPF[9:]}",
        f"0001-{CPF[:9]}/{CPF[9:]}",
        f'{{"nested": "{{\\"document\\": \\"{CPF}\\"}}"}}',
    ],
)
def test_a_planted_identifier_is_found_wherever_it_stands(text: str) -> None:
    scan = PrivacyScan([CPF])
    scan.text("topic x", text)
    assert scan.found == 1
    assert scan.places == {"topic x": 1}


@pytest.mark.parametrize(
    "identifier",
    [
        "Ana Júlia de Souza",
        "ana.souza@example.com",
        "+5511987654321",
        DOTTED,
        "10.1.2.3",
        "123e4567-e89b-12d3-a456-426614174000",
    ],
)
def test_names_keys_and_addresses_are_found_inside_of_other_text(identifier: str) -> None:
    for text in (f'{{"x": "{identifier}"}}', f"<Nm>{identifier}</Nm>", f"value {identifier}, end"):
        scan = PrivacyScan([identifier])
        scan.raw("log", text.encode())
        assert scan.found == 1, text


def test_what_is_no_identifier_is_not_counted() -> None:
    scan = PrivacyScan([CPF, "12345678"])
    scan.text("topic", f'{{"amount_centavos":12345678,"id":"E{CPF}x"}}')
    scan.raw("topic", b"\xff\xfe")
    scan.raw("topic", None)
    assert scan.found == 0
