import datetime as dt
import io
from typing import Any

import pytest

from pixstream.consumers.console.consumer import Console, line, reais
from pixstream.errors import DestinationError
from pixstream.event.categories import Category
from pixstream.event.model import Party
from pixstream.testing import batch, event, partition


def reject(rows: Any, reason: str) -> None:
    raise AssertionError(f"{reason}: {rows}")


def test_an_event_is_one_line_in_brasilia_time(
    capsys: pytest.CaptureFixture[str],
) -> None:
    console = Console(type="console")
    payer = Party(ispb="12345678", document="k1.abcdefghij")
    shown = event(amount_centavos=123456, payer=payer, flags=["time_inferred"])
    console.write(batch({partition(): (0, [shown])}), reject)
    assert capsys.readouterr().out == (
        "20/11/2026 09:00:00  pagamento    settled         R$ 1.234,56  "
        "12345678/efghij → 87654321  [time_inferred]\n"
    )
    assert console.counts == {"written": 1, "shown": 1}


def test_what_is_unknown_is_shown_as_unknown() -> None:
    bare = event(amount_centavos=None, payer=Party(), payee=Party(account="k1.123456789"))
    fields = {name: getattr(bare, name) for name in ("category", "status", "event_time", "flags")}
    parties = {
        side: {name: getattr(getattr(bare, side), name) for name in Party.__struct_fields__}
        for side in ("payer", "payee")
    }
    text = line({**fields, **parties, "amount_centavos": None})
    assert "—  ???????? → ????????/456789" in text


def test_amounts_are_written_as_in_brazil() -> None:
    assert [reais(n) for n in (0, 5, 100, 123456789, None)] == [
        *("R$ 0,00", "R$ 0,05", "R$ 1,00", "R$ 1.234.567,89", "—")
    ]


def test_a_pseudonym_is_never_shown_whole(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Console(type="console").write(batch({partition(): (0, [event()])}), reject)
    assert "k1.abcd" not in capsys.readouterr().out


def test_no_text_of_an_event_commands_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    sly = event(payer=Party(ispb="\x1b[2J\n"), flags=["\x07"])
    Console(type="console").write(batch({partition(): (0, [sly])}), reject)
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\x07" not in out
    assert out.count("\n") == 1


def test_the_first_year_has_no_brasilia_time_and_is_shown_all_the_same(
    capsys: pytest.CaptureFixture[str],
) -> None:
    odd = event(time=dt.datetime(1, 1, 1, tzinfo=dt.UTC))
    Console(type="console").write(batch({partition(): (0, [odd])}), reject)
    assert capsys.readouterr().out.startswith("01/01/")


def test_beyond_the_limit_events_are_counted(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    clock = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    console = Console(type="console", lines_per_second=3)
    returns = [event(n, category=Category.ESTORNO) for n in range(2)]
    console.write(batch({partition(): (0, [event(n) for n in range(4)] + returns)}), reject)
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) == 4
    assert shown[-1].startswith("… and 3 more: ")
    console.write(batch({partition(): (6, [event(9)])}), reject)
    assert capsys.readouterr().out.startswith("… and 1 more")
    clock[0] += 1
    console.write(batch({partition(): (7, [event(9)])}), reject)
    assert capsys.readouterr().out.startswith("20/11/2026")
    assert console.counts == {"written": 8, "shown": 4}


def test_zero_shows_all(
    capsys: pytest.CaptureFixture[str],
) -> None:
    console = Console(type="console", lines_per_second=0)
    console.write(batch({partition(): (0, [event(n) for n in range(100)])}), reject)
    assert len(capsys.readouterr().out.splitlines()) == 100


def test_nobody_reading_stops_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Closed(io.StringIO):
        def flush(self) -> None:
            raise BrokenPipeError

    monkeypatch.setattr("sys.stdout", Closed())
    console = Console(type="console")
    with pytest.raises(DestinationError, match="standard output is closed"):
        console.write(batch({partition(): (0, [event()])}), reject)
    assert console.counts["written"] == 0
    assert console.check() == "writes to standard output"
