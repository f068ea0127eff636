import pytest

from pixstream.wording import counted


@pytest.mark.parametrize(
    ("number", "words", "text"),
    [
        (0, ("letter",), "0 letters"),
        (1, ("letter",), "1 letter"),
        (2000, ("letter",), "2,000 letters"),
        (1, ("body", "bodies"), "1 body"),
        (2, ("body", "bodies"), "2 bodies"),
    ],
)
def test_a_number_has_its_noun(number: int, words: tuple[str, ...], text: str) -> None:
    assert counted(number, *words) == text
