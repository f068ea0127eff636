from pathlib import Path
from random import Random

import pytest

from pixstream.dead_letters.repair import FAILED, from_expression, from_file
from pixstream.errors import ConfigError, Refused
from pixstream.event.identifiers import generate_cpf

CPF = generate_cpf(Random(8))


def written(directory: Path, text: str) -> Path:
    file = directory / "mend.py"
    file.write_text(text)
    return file


def test_a_file_gets_bytes_and_headers_and_gives_bytes_or_none(tmp_path: Path) -> None:
    text = "def repair(raw, headers):\n    return raw[::-1] if headers['reason'] == 'x' else None\n"
    repair = from_file(written(tmp_path, text))
    assert repair(b"abc", {"reason": "x"}) == b"cba"
    assert repair(b"abc", {"reason": "y"}) is None
    assert list(tmp_path.iterdir()) == [tmp_path / "mend.py"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("import os\ndef repair(raw:\n", r"mend\.py:2: not valid Python"),
        ("x = 1\n", r"mend\.py: does not define a function repair"),
        ("repair = 3\n", "does not define a function repair"),
        ("import os\n\nraise ValueError('secret')\n", r"mend\.py:3: raises ValueError"),
        ("import no_such_module_at_all\n", r"mend\.py:1: raises ModuleNotFoundError"),
    ],
)
def test_a_file_that_is_wrong_is_named_with_its_line(
    tmp_path: Path, text: str, complaint: str
) -> None:
    with pytest.raises(ConfigError, match=complaint) as caught:
        from_file(written(tmp_path, text))
    assert "secret" not in str(caught.value)


def test_a_file_that_is_not_there_or_no_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"mend\.py: cannot be read"):
        from_file(tmp_path / "mend.py")
    (tmp_path / "mend.py").write_bytes(b"\0")
    with pytest.raises(ConfigError, match=r"mend\.py"):
        from_file(tmp_path / "mend.py")


def test_a_repair_that_raises_is_named_by_line_and_class_never_by_its_text(tmp_path: Path) -> None:
    text = "def inner(raw):\n    raise KeyError(raw)\n\ndef repair(raw, headers):\n    inner(raw)\n"
    repair = from_file(written(tmp_path, text))
    with pytest.raises(Refused, match=r"mend\.py:2: repair raises KeyError") as caught:
        repair(CPF.encode(), {})
    assert caught.value.reason == FAILED
    assert CPF not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_repair_that_gives_no_bytes_is_told_so(tmp_path: Path) -> None:
    repair = from_file(written(tmp_path, "def repair(raw, headers):\n    return raw.decode()\n"))
    with pytest.raises(Refused, match="returns str, not bytes or None"):
        repair(b"x", {})


@pytest.mark.parametrize(
    ("expression", "raw", "expected"),
    [
        ("payload", b'{"payload": {"pix": []}}', b'{"pix":[]}'),
        ("body", b'{"body": "{\\"pix\\": [1]}"}', b'{"pix": [1]}'),
        ("missing", b"{}", None),
        ("@", b'{"valor": 12345678901234567.89}', b'{"valor":"12345678901234567.89"}'),
        ("@", b'{"texto": "a\nb"}', b'{"texto":"a\\nb"}'),
    ],
)
def test_an_expression_gives_the_new_content(
    expression: str, raw: bytes, expected: bytes | None
) -> None:
    assert from_expression(expression)(raw, {"stage": "read"}) == expected


def test_our_own_content_is_read_strictly_so_that_its_numbers_stay_numbers() -> None:
    raw = b'{"amount_centavos":1234567890123456789}'
    assert from_expression("@")(raw, {"stage": "write"}) == raw


@pytest.mark.parametrize("expression", ["", "a[", "a ~ b", "{"])
def test_what_is_no_expression_is_refused(expression: str) -> None:
    with pytest.raises(ConfigError, match="not a valid JMESPath expression: error at character"):
        from_expression(expression)


@pytest.mark.parametrize("expression", ["nonsense(@)", "abs(cpf)", "pix[::0]"])
def test_an_expression_that_does_not_fit_is_told_without_the_content(expression: str) -> None:
    repair = from_expression(expression)
    with pytest.raises(Refused, match="does not fit the content") as caught:
        repair(f'{{"cpf": "{CPF}", "pix": [1]}}'.encode(), {"stage": "read"})
    assert CPF not in str(caught.value)
    assert caught.value.reason == FAILED


def test_an_expression_takes_no_content_but_json() -> None:
    with pytest.raises(Refused, match="not valid JSON") as caught:
        from_expression("@")(b"<Document/>", {"stage": "read"})
    assert caught.value.reason == "malformed_json"
