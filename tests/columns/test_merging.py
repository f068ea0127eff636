"""Several tellings of one event become one silver row, however they came."""

import datetime as dt
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from pixstream.columns import merging, revisions
from pixstream.columns.schema import EVENT_SCHEMA
from pixstream.event.model import Direction, Flag, Party
from pixstream.testing import event, rows

NOTHING = merging.silver_schema(EVENT_SCHEMA).empty_table()


def only(table: pa.Table) -> dict[str, Any]:
    (row,) = table.to_pylist()
    found: dict[str, Any] = row
    return found


def kept(arrivals: pa.Table) -> pa.Table:
    """What the delta_lake consumer's table would hold of these arrivals."""
    compared = arrivals.select(revisions.COLUMNS)
    decided = revisions.decide(compared.slice(0, 0), compared)
    at = arrivals.schema.get_field_index("revision")
    numbers = pa.array([number for number in decided if number is not None], pa.int64())
    rows = arrivals.filter(pa.array([number is not None for number in decided], pa.bool_()))
    return rows.set_column(at, arrivals.schema.field(at), numbers)


class TestMerged:
    def test_an_event_told_once_is_its_telling(self) -> None:
        told = rows([event(1), event(2)])
        assert merging.merged(told).drop_columns([merging.TELLINGS]).equals(told)
        assert merging.merged(told)[merging.TELLINGS].null_count == 2

    def test_later_words_count_and_silence_does_not(self) -> None:
        first = event(1, txid="A", amount_centavos=None, flags=[Flag.AMOUNT_ABSENT])
        later = event(
            1, revision=1, txid=None, amount_centavos=50, direction=Direction.UNKNOWN, reason="MD06"
        )
        row = only(merging.merged(rows([first, later])))
        assert (row["txid"], row["amount_centavos"], row["reason"]) == ("A", 50, "MD06")
        assert (row["direction"], row["flags"], row["revision"]) == ("out", [], 1)
        assert [one["amount_centavos"] for one in row["tellings"]] == [None, 50]

    def test_a_guessed_time_gives_way_to_a_told_one_and_never_the_other_way(self) -> None:
        guess = event(1, flags=[Flag.TIME_INFERRED])
        real = event(1, revision=1, event_time=guess.event_time + dt.timedelta(days=1))
        row = only(merging.merged(rows([guess, real])))
        assert (row["event_time"], row["event_date"]) == (
            real.event_time,
            real.event_time.date(),
        )
        assert row["flags"] == []
        real.revision, guess.revision = 0, 1
        row = only(merging.merged(rows([real, guess])))
        assert row["event_time"] == real.event_time

    def test_the_parties_are_merged_field_by_field(self) -> None:
        first = event(1, payer=Party(ispb="12345678", key="k1.key"))
        later = event(1, revision=1, payer=Party(ispb="12345678", document="k1.doc"))
        payer = only(merging.merged(rows([later, first])))["payer"]
        assert (payer["key"], payer["document"]) == ("k1.key", "k1.doc")

    def test_clear_extra_fields_are_gathered_and_the_first_sealed_one_stays(self) -> None:
        first = event(1, extra={"a": "1", "sealed": "first"})
        later = event(1, revision=1, extra={"a": "2", "b": "3", "sealed": "later"})
        row = only(merging.merged(rows([first, later])))
        assert row["extra"] == [("a", "2"), ("b", "3"), ("sealed", "first")]


class TestSettle:
    def test_what_adds_nothing_changes_no_row(self) -> None:
        stored = merging.settle(NOTHING, rows([event(1), event(1, txid="A")]))
        assert only(stored)["txid"] == "A"
        again = rows([event(1), event(1, txid="A"), event(2)])
        assert merging.settle(stored, again)["event_id"].to_pylist() == [event(2).event_id]

    def test_what_was_told_before_adds_nothing_though_a_later_word_counts(self) -> None:
        stored = merging.settle(NOTHING, rows([event(1, txid="A"), event(1, txid="B")]))
        assert merging.settle(stored, rows([event(1, txid="A")])).num_rows == 0
        changed = only(merging.settle(stored, rows([event(1, txid="C")])))
        assert (changed["txid"], changed["revision"]) == ("C", 2)
        assert [one["txid"] for one in changed["tellings"]] == ["A", "B", "C"]

    @given(data=st.data())
    def test_however_arrivals_are_cut_into_batches_the_rows_are_those_of_the_revisions(
        self, data: st.DataObject
    ) -> None:
        words = st.sampled_from([None, "A", "B"])
        told = data.draw(
            st.lists(st.tuples(st.integers(1, 3), words, words, st.booleans()), max_size=12)
        )
        events = [
            event(n, txid=txid, reason=reason, flags=[Flag.TIME_INFERRED] * guessed)
            for n, txid, reason, guessed in told
        ]
        arrivals = rows(events) if events else EVENT_SCHEMA.empty_table()
        silver = NOTHING
        cuts = sorted(data.draw(st.sets(st.integers(0, len(events)))))
        for start, end in zip([0, *cuts], [*cuts, len(events)], strict=True):
            changed = merging.settle(silver, arrivals.slice(start, end - start))
            ids = set(changed["event_id"].to_pylist())
            rest = [row for row in silver.to_pylist() if row["event_id"] not in ids]
            silver = pa.Table.from_pylist([*rest, *changed.to_pylist()], silver.schema)
        wanted = merging.merged(kept(arrivals))
        assert silver.sort_by("event_id").to_pylist() == wanted.sort_by("event_id").to_pylist()


def test_tellings_come_back_out_of_silver_rows() -> None:
    told = kept(rows([event(1), event(2), event(2, txid="A")]))
    assert (
        merging.told(merging.merged(told))
        .sort_by([("event_id", "ascending"), ("revision", "ascending")])
        .equals(told.sort_by([("event_id", "ascending"), ("revision", "ascending")]))
    )
