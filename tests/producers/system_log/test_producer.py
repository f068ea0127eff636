"""The producer of log lines, on real files."""

import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixstream.errors import ConfigError, PixstreamError
from pixstream.event import identifiers
from pixstream.event.model import Draft, Reason, Refusal
from pixstream.plugins.producer import Reading
from pixstream.producers.system_log.producer import STARTED, SystemLog
from pixstream.testing.waiting import wait_for

CPF = identifiers.generate_cpf(Random(22))


def line(number: int, **changes: Any) -> bytes:
    own = {
        "timestamp": "2026-11-23T15:04:09Z",
        "event": "pix.recebimento",
        "status": "liquidado",
        "endToEndId": f"E11111111202611231504{number:011d}",
        "pagador": {"documento": CPF, "nome": "João da Silva"},
    }
    return json.dumps({**own, **changes}, ensure_ascii=False).encode() + b"\n"


def producer(directory: Path, **settings: Any) -> SystemLog:
    defaults = {
        "type": "system_log",
        "paths": [f"{directory}/*.jsonl"],
        "poll_seconds": 0.001,
        "settle_seconds": 0.0,
    }
    return SystemLog(**{**defaults, **settings})


def read(
    source: SystemLog, since: Mapping[str, str] | None = None, most: int | None = None
) -> tuple[list[Reading], dict[str, str]]:
    """Readings until the source has nothing more, or `most`, and the positions then."""
    readings: list[Reading] = []
    positions = dict(since or {})
    running = source.read(dict(positions))
    assert isinstance(running, Iterator)
    for reading in running:
        if reading is None:
            break
        readings.append(reading)
        if reading.position is not None:
            positions[reading.stream] = reading.position
        if len(readings) == most:
            break
    running.close()  # type: ignore[attr-defined]  # a generator
    return readings, positions


def numbers(readings: list[Reading]) -> list[int]:
    drafts = [r.content for r in readings if isinstance(r.content, Draft)]
    return [int((draft.end_to_end_id or "")[-11:]) for draft in drafts]


def refusals(readings: list[Reading]) -> list[Refusal]:
    return [r.content for r in readings if isinstance(r.content, Refusal)]


def test_lines_become_drafts_that_name_their_place(tmp_path: Path) -> None:
    first = line(1)
    (tmp_path / "app.jsonl").write_bytes(first + line(2))
    readings, _ = read(producer(tmp_path))
    drafts = [r.content for r in readings if isinstance(r.content, Draft)]
    assert [draft.source_ref for draft in drafts] == ["app.jsonl:0", f"app.jsonl:{len(first)}"]
    assert drafts[0].texts == {"pagador.nome": "João da Silva"}
    assert drafts[0].payer.document == CPF


def test_whatever_is_no_pix_is_a_dead_letter_whole(tmp_path: Path) -> None:
    half = line(3)[:40]
    (tmp_path / "app.jsonl").write_bytes(line(1) + half + b"\nINFO started\r\n" + line(2))
    readings, _ = read(producer(tmp_path))
    assert [(r.reason, r.raw) for r in refusals(readings)] == [
        (Reason.MALFORMED_JSON, half),
        (Reason.MALFORMED_JSON, b"INFO started\r"),
    ]
    assert numbers(readings) == [1, 2]


def test_blank_and_ignored_lines_only_move_the_position(tmp_path: Path) -> None:
    log = tmp_path / "app.jsonl"
    log.write_bytes(line(1) + b"\n \r\n" + line(2, event="login.ok"))
    source = producer(tmp_path, ignore_events=["login."])
    readings, positions = read(source)
    assert (numbers(readings), refusals(readings)) == ([1], [])
    [stream] = positions.keys() - {STARTED}
    assert json.loads(positions[stream])["offset"] == log.stat().st_size


def test_many_ignored_lines_are_committed_on_the_way(tmp_path: Path) -> None:
    (tmp_path / "app.jsonl").write_bytes(line(1, event="login.ok") * 2500)
    readings, _ = read(producer(tmp_path, ignore_events=["login."]))
    assert len([r for r in readings if r.stream != STARTED]) == 3


def test_lines_that_are_too_long_are_whole_letters_up_to_a_bound(tmp_path: Path) -> None:
    long, longer = b"x" * 1025, b"y" * (16 * 1024 + 1)
    (tmp_path / "app.jsonl").write_bytes(long + b"\n" + line(1) + longer + b"\n" + line(2))
    readings, _ = read(producer(tmp_path, max_line_bytes=1024))
    found = refusals(readings)
    assert [r.reason for r in found][:2] == [Reason.TOO_LARGE] * 2
    assert b"".join(r.raw for r in found) == long + longer
    assert numbers(readings) == [1, 2]


@given(lines=st.lists(st.sampled_from(["pix", "blank", "other", "login"]), max_size=12))
def test_any_reading_is_a_place_to_go_on_from(lines: list[str]) -> None:
    texts = {"blank": b"\n", "other": b"INFO\n", "login": line(0, event="login.ok")}
    raw = b"".join(texts.get(kind, line(number)) for number, kind in enumerate(lines))
    with tempfile.TemporaryDirectory() as name:
        Path(name, "app.jsonl").write_bytes(raw)

        def contents(most: int | None) -> list[Any]:
            positions: dict[str, str] = {}
            found = []
            while True:
                source = producer(Path(name), ignore_events=["login."])
                readings, positions = read(source, positions, most)
                found += [r.content for r in readings if r.content is not None]
                if not readings:
                    return found

        assert contents(1) == contents(2) == contents(None)


def test_the_first_start_can_leave_out_what_is_there(tmp_path: Path) -> None:
    log = tmp_path / "app.jsonl"
    log.write_bytes(line(1))
    source = producer(tmp_path, start="end")
    readings, positions = read(source)
    assert numbers(readings) == []
    with log.open("ab") as file:
        file.write(line(2))
    (tmp_path / "new.jsonl").write_bytes(line(3))
    again, _ = read(producer(tmp_path, start="end"), positions)
    assert sorted(numbers(again)) == [2, 3]


def test_a_first_start_that_kafka_did_not_get_loses_nothing_since(tmp_path: Path) -> None:
    log = tmp_path / "app.jsonl"
    log.write_bytes(line(1))
    source = producer(tmp_path, start="end")
    read(source)
    with log.open("ab") as file:
        file.write(line(2))
    readings, positions = read(source, {})
    assert numbers(readings) == [2]
    assert numbers(read(producer(tmp_path, start="end"), positions)[0]) == []


def test_a_start_at_the_end_of_nothing_is_remembered(tmp_path: Path) -> None:
    _, positions = read(producer(tmp_path, start="end"))
    (tmp_path / "app.jsonl").write_bytes(line(1))
    assert numbers(read(producer(tmp_path, start="end"), positions)[0]) == [1]


def test_rotation_is_followed(tmp_path: Path) -> None:
    log = tmp_path / "app.jsonl"
    log.write_bytes(line(1))
    _, positions = read(producer(tmp_path))
    with log.open("ab") as file:
        file.write(line(2))
    log.rename(tmp_path / "app.jsonl.1")
    log.write_bytes(line(3))
    readings, positions = read(producer(tmp_path), positions)
    assert numbers(readings) == [2, 3]
    drafts = [r.content for r in readings if isinstance(r.content, Draft)]
    assert drafts[0].source_ref == f"app.jsonl.1:{len(line(1))}"
    assert numbers(read(producer(tmp_path), positions)[0]) == []


def test_every_file_has_one_owner_among_replicas(tmp_path: Path) -> None:
    for number in range(8):
        (tmp_path / f"{number}.jsonl").write_bytes(line(number))
    found = []
    for replica in range(3):
        source = producer(tmp_path, replicas=3)
        source.replica = replica
        found += numbers(read(source)[0])
    assert sorted(found) == list(range(8))


def test_a_hundred_thousand_lines_are_all_read(tmp_path: Path) -> None:
    short = '{{"event":"pix.estorno","rtrId":"","endToEndId":"E{:011d}"}}\n'.format
    (tmp_path / "app.jsonl").write_text("".join(map(short, range(100_000))))
    assert numbers(read(producer(tmp_path))[0]) == list(range(100_000))


def test_an_idle_source_answers_at_once_and_again(tmp_path: Path) -> None:
    running = producer(tmp_path, poll_seconds=3600.0).read({STARTED: "{}"})
    times = [time.monotonic()]
    for _ in range(4):
        assert next(running) is None
        times.append(time.monotonic())
    assert max(after - before for before, after in pairwise(times)) < 1.0


def test_preview_reads_every_line() -> None:
    raw = b"\xef\xbb\xbf" + line(1) + b"\nnothing\n" + line(2).rstrip()
    contents = list(producer(Path()).parse(raw))
    assert [type(content) for content in contents] == [Draft, Refusal, Draft]


def test_nuls_around_lines_cost_neither_an_event_nor_a_letter(tmp_path: Path) -> None:
    raw = bytes(5000) + line(1) + b"\0" + line(2).rstrip() + bytes(3) + b"\n" + bytes(900)
    (tmp_path / "app.jsonl").write_bytes(raw + line(3))
    readings, positions = read(producer(tmp_path))
    assert (numbers(readings), refusals(readings)) == ([1, 2, 3], [])
    drafts = [r.content for r in readings if isinstance(r.content, Draft)]
    assert drafts[0].source_ref == "app.jsonl:5000"
    assert numbers(read(producer(tmp_path), positions)[0]) == []
    contents = list(producer(Path()).parse(raw + line(3)))
    assert [type(content) for content in contents] == [Draft] * 3


@given(st.binary(max_size=200))
def test_preview_never_raises(raw: bytes) -> None:
    assert all(isinstance(c, Draft | Refusal) for c in producer(Path()).parse(raw))


def test_unknown_fields_are_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"fields\.payer\.documento: .* payer\.document"):
        producer(Path(), fields={"payer.documento": "x"})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"payer.documento": {}}, r"values\.payer\.documento: .* payer\.document"),
        ({"status": {"X": "liquidada"}}, r"values\.status: liquidada is not .* liquidado$"),
        ({"event": {"X": "recebimento"}}, r"values\.event: recebimento .* pix\.recebimento$"),
    ],
)
def test_words_that_mean_nothing_are_refused_with_the_nearest(
    values: dict[str, dict[str, str]], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        producer(Path(), values=values)


def test_other_words_and_units_are_read_as_the_settings_say(tmp_path: Path) -> None:
    (tmp_path / "app.jsonl").write_bytes(line(1, status="Settled", valor=1050, event="IN"))
    settings = {
        "values": {"status": {"SETTLED": "liquidado"}, "event": {"in": "pix.recebimento"}},
        "amount_unit": "centavos",
    }
    readings, _ = read(producer(tmp_path, **settings))
    (draft,) = [r.content for r in readings if isinstance(r.content, Draft)]
    assert (draft.message, draft.status, draft.amount) == ("log.recebimento", "liquidado", "10.50")


def cri(text: bytes, tag: str = "F", output: str = "stdout") -> bytes:
    return f"2026-11-20T14:00:09.120739149Z {output} {tag} ".encode() + text.rstrip() + b"\n"


def test_wrapped_lines_are_read_and_others_are_letters_as_they_came(tmp_path: Path) -> None:
    odd = b"level=info event=pix.recebimento"
    raw = cri(line(1)) + odd + b"\n" + cri(b"INFO started") + b"\n" + cri(b"") + cri(line(2))
    (tmp_path / "app.jsonl").write_bytes(raw)
    readings, _ = read(producer(tmp_path, wrapping="cri"))
    assert numbers(readings) == [1, 2]
    assert [(r.raw, r.message.partition(":")[0]) for r in refusals(readings)] == [
        (odd, "line"),
        (cri(b"INFO started").rstrip(b"\n"), "line"),
    ]
    letters = [letter.raw for letter in refusals(readings)]
    again = list(producer(tmp_path, wrapping="cri").parse(b"\n".join(letters)))
    assert [c.raw for c in again if isinstance(c, Refusal)] == letters


def test_the_parts_of_a_line_are_one_event_whatever_interrupts_the_reading(tmp_path: Path) -> None:
    whole = line(1).rstrip()
    half, rest = cri(whole[:50], "P"), cri(whole[50:])
    log = tmp_path / "app.jsonl"
    log.write_bytes(cri(line(0)) + half + cri(line(2), output="stderr"))
    first, positions = read(producer(tmp_path, wrapping="cri"))
    assert numbers(first) == [0, 2]
    with log.open("ab") as file:
        file.write(rest + cri(line(3)))
    again, positions = read(producer(tmp_path, wrapping="cri"), positions)
    assert numbers(again) == [2, 1, 3], "what came between the parts comes again"
    refs = [r.content.source_ref for r in again if isinstance(r.content, Draft)]
    assert refs[1] == f"app.jsonl:{len(cri(line(0)))}"
    assert numbers(read(producer(tmp_path, wrapping="cri"), positions)[0]) == []


def test_a_part_at_the_end_of_a_rotated_file_is_not_lost(tmp_path: Path) -> None:
    log = tmp_path / "app.jsonl"
    log.write_bytes(cri(line(0)) + cri(line(1), "P"))
    source = producer(tmp_path, wrapping="cri")
    running = source.read({})
    found: list[Reading] = []

    def goes_on(count: int) -> bool:
        reading = next(running)
        found.extend([reading] if reading is not None else [])
        return len(numbers(found)) >= count

    wait_for(lambda: goes_on(1), every=0)
    log.rename(f"{log}.1")
    log.write_bytes(cri(line(2)))
    wait_for(lambda: goes_on(3), every=0)
    assert sorted(numbers(found)) == [0, 1, 2]


def test_a_start_at_the_end_is_one_moment() -> None:
    with pytest.raises(ConfigError, match="replicas: 1"):
        producer(Path(), start="end", replicas=2)


def test_check_counts_files_and_names_one_that_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert producer(tmp_path).check().startswith("0 files found for ")
    (tmp_path / "app.jsonl").touch()
    assert producer(tmp_path).check().startswith("1 file found for ")
    monkeypatch.setattr(Path, "open", denied())
    with pytest.raises(PixstreamError, match=r"app.jsonl cannot be read \(Permission denied\)"):
        producer(tmp_path).check()


def denied() -> Callable[..., object]:
    def deny(*_: object) -> object:
        raise PermissionError(13, "Permission denied")

    return deny
