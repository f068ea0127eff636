import msgspec
import pytest

from pixstream.lake.log import entries

ADD = b'{"add":{"path":"event_date=2026-11-20/part-a%20b.parquet","size":7}}'


def commit(about: dict[str, int], *actions: bytes) -> bytes:
    return b"\n".join([msgspec.json.encode({"commitInfo": about}), *actions])


def test_an_entry_tells_its_files_and_what_was_durable() -> None:
    told = entries.parse(commit(entries.about(2, 41), ADD, b'{"txn":{}}'))
    assert told == entries.Entry({"event_date=2026-11-20/part-a b.parquet": 7}, 41)
    assert entries.parse(commit({}, ADD)) == entries.Entry(
        {"event_date=2026-11-20/part-a b.parquet": 7}, None
    )


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"[1]",
        b'{"commitInfo":',
        commit(entries.about(2, 41), ADD),
        commit(entries.about(1, 41), ADD, ADD),
        commit({}, b'{"add":{"path":"x"}}'),
        commit({}, b'{"add":{"path":"x","size":"many"}}'),
        commit({}, bytes(40)),
        commit({}, b'"\xff"'),
    ],
)
def test_what_is_not_whole_is_none(content: bytes) -> None:
    assert entries.parse(content) is None


def test_versions_have_twenty_digits() -> None:
    assert entries.name(12) == "00000000000000000012.json"
    assert entries.about(3, None) == {entries.ACTIONS: 3}
