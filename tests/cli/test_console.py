"""Standard output without a terminal: its width, and aligned columns."""

import pytest

from pixstream.cli.console import PLAIN_WIDTH, output, print_columns


def test_without_a_terminal_output_is_wide() -> None:
    assert output().width == PLAIN_WIDTH


def test_columns_are_aligned_and_carry_no_trailing_spaces(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_columns([("topic", "n", "settings"), ("pix.dlq", "12", "a b")])
    assert capsys.readouterr().out == "topic    n   settings\npix.dlq  12  a b\n"
