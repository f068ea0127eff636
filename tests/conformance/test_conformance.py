"""docs/conformance.md says what becomes of every input of `cases.yaml`."""

import pytest

from pixstream.event.model import encode
from tests.conformance.page import CPF, PAGE, SPELT, Case, cases, outcomes, page


def test_the_page_says_what_the_code_does() -> None:
    assert PAGE.read_text("utf-8") == page(), "run `python -m tests.conformance.page`"


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.title)
def test_its_events_show_nobody(case: Case) -> None:
    values = [encode(found.event) for found in outcomes(case) if found.event is not None]
    assert not any(text.encode() in value for value in values for text in (CPF, SPELT))
