import pytest

from pixstream.cli import progress
from pixstream.cli.progress import Progress


def test_without_a_terminal_it_says_a_plain_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Progress("letters", 3000) as shown:
        shown.at(1)
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr(progress, "PLAIN_SECONDS", 0.0)
    with Progress("letters", 3000) as shown:
        shown.at(1500)
    assert capsys.readouterr() == ("", "letters: 1,500 of 3,000\n")
    with Progress("letters", 3000, shown=False) as shown:
        shown.at(1500)
    assert capsys.readouterr() == ("", "")


def test_a_terminal_gets_a_bar(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    with Progress("letters", 3000) as shown:
        shown.at(3000)
    out, err = capsys.readouterr()
    assert out == ""
    assert "3000/3000" in err
