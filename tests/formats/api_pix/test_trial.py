import json

import pytest

from pixstream.formats.api_pix import is_trial


def test_an_empty_object_is_a_trial() -> None:
    assert is_trial(b" {} ")


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b'"teste"', b"\xff"])
def test_what_is_no_object_is_no_trial(raw: bytes) -> None:
    assert not is_trial(raw)


@pytest.mark.parametrize("beside", [{}, [], "e" * 65, {"e2eId": "E"}])
def test_what_may_hold_a_pix_is_no_trial(beside: object) -> None:
    assert is_trial(b'{"evento": "teste_webhook", "n": 1}')
    assert not is_trial(json.dumps({"evento": "teste_webhook", "data": beside}).encode())
