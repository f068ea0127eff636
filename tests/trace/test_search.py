"""One payment's life, as `pixstream trace` finds it in a Kafka in memory and real tables."""

import datetime as dt
from random import Random
from typing import Any

import pytest

from pixstream.errors import ConfigError, Transient
from pixstream.event.categories import Category
from pixstream.event.identifiers import e2e, generate_cpf, rtr
from pixstream.event.model import Draft, Person, PixEvent
from pixstream.event.record import EventRecord, event_record
from pixstream.lake import maintenance
from pixstream.testing import event
from pixstream.trace import topics
from tests.trace.world import World, told

RNG = Random(31)
NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)
NOON = NOW.replace(hour=12, minute=0, second=0) - dt.timedelta(days=3)
SECOND = dt.timedelta(seconds=1)
DAY = dt.timedelta(days=1)
PLACE = ("topic", "partition", "offset")


def paid(number: int = 1, **changes: Any) -> PixEvent:
    return event(number, time=changes.pop("time", NOON), **changes)


def returned(payment: PixEvent, after: dt.timedelta = DAY, **changes: Any) -> PixEvent:
    time = payment.event_time + after
    return event(
        time=time,
        category=Category.ESTORNO,
        end_to_end_id=payment.end_to_end_id,
        return_id=rtr("87654321", time, RNG),
        **changes,
    )


def end_to_end(one: PixEvent) -> str:
    assert one.end_to_end_id
    return one.end_to_end_id


def test_a_normal_payment_is_told_from_source_to_row(world: World) -> None:
    one = paid(source_ref="app.log:1207", source_time=NOON + SECOND)
    record = world.send(one)
    for number in range(2, 20):
        world.send(paid(number))
    world.consume()
    steps = world.steps(end_to_end(one))
    assert told(steps) == [("happened",), ("told",), ("kafka",), ("delta",)]
    happened, source, kafka, delta = steps
    assert (happened["event_id"], happened["amount_centavos"]) == (one.event_id, 1234)
    assert (source["source"], source["source_ref"]) == ("webhook", "app.log:1207")
    assert [kafka[name] for name in PLACE] == [record.topic, record.partition, record.offset]
    assert kafka["record"] == "held"
    assert (delta["table"], delta["consumer"], delta["revision"]) == ("pagamentos", "lake", 0)
    assert (world.directory / "lake" / "pagamentos" / delta["file"]).exists()
    assert delta["version"] >= 1
    assert [step["time"] for step in steps] == sorted(step["time"] for step in steps)


def test_the_text_is_a_line_a_step_and_says_where_it_looked(world: World) -> None:
    one = paid(source_ref="app.log:1207")
    world.send(one)
    world.consume()
    code, out, err = world("trace", end_to_end(one))
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == f"payment {one.end_to_end_id}"
    assert lines[1].startswith(
        f"{NOON:%Y-%m-%d} 12:00:00.000Z  happened  pagamento settled, R$ 12.34"
    )
    assert "webhook read pagamento settled in app.log:1207" in out
    start, stop = NOON - DAY, NOON + 2 * DAY
    span = f"{start:%Y-%m-%d} 00:00 to {stop:%Y-%m-%d} 00:00 UTC"
    assert f"looked in table pagamentos, {span}" in err
    sent = f"{NOON:%Y-%m-%d} 11:45 to {stop:%Y-%m-%d} 00:00 UTC"
    assert f"looked in pix.pagamentos, {sent}: the key's partition" in err


def test_a_fact_that_two_sources_tell_has_one_row_and_both_records(world: World) -> None:
    first, again = paid(), paid(source="bank_api", ingested_at=NOON + 60 * SECOND)
    world.send(first)
    world.send(again)
    world.consume()
    steps = world.steps(end_to_end(first))
    assert told(steps, "source", "why")[1:] == [
        ("told", "webhook", None),
        ("kafka", None, None),
        ("told", "bank_api", None),
        ("kafka", None, None),
        ("delta", None, "adds_nothing"),
        ("delta", None, None),
    ]


def test_a_revised_payment_has_its_revisions(world: World) -> None:
    world.send(paid())
    world.consume()
    world.send(paid(amount_centavos=4321, ingested_at=NOON + 60 * SECOND))
    world.consume()
    steps = world.steps(end_to_end(paid()))
    rows = [step for step in steps if step["step"] == "delta"]
    assert [row["revision"] for row in rows] == [0, 1]
    assert rows[1]["version"] > rows[0]["version"]
    assert [step.get("differs") for step in steps if step["step"] == "told"] == [
        None,
        {"amount_centavos": 4321},
    ]
    assert "differs in amount R$ 43.21" in world("trace", end_to_end(paid()))[1]


def test_a_returned_payment_has_its_return_days_later_and_is_found_by_it(world: World) -> None:
    one = paid()
    back = returned(one, 2 * DAY, reason="MD06")
    world.send(one)
    world.send(back)
    world.consume()
    for asked in (one.end_to_end_id, back.return_id):
        assert asked
        document = world.traced(asked)
        (life,) = document["payments"]
        assert life["payment"] == one.end_to_end_id
        happened = [step for step in life["steps"] if step["step"] == "happened"]
        assert [step["category"] for step in happened] == ["pagamento", "estorno"]
        assert happened[1]["return_id"] == back.return_id
        tables = [step["table"] for step in life["steps"] if step["step"] == "delta"]
        assert tables == ["pagamentos", "estornos"]


def test_what_no_consumer_has_read_yet_is_waiting(world: World) -> None:
    world.send(paid(1))
    world.consume()
    behind = [world.send(paid(n)) for n in range(2, 30)]
    last = behind[-1]
    steps = world.steps(end_to_end(paid(29)))
    assert told(steps, "why")[-1] == ("delta", "waiting")
    assert steps[-1]["behind"] >= sum(r.partition == last.partition for r in behind)


def test_a_producers_letter_names_the_payment_it_holds_and_nothing_of_it_is_printed(
    world: World,
) -> None:
    one, person = paid(), generate_cpf(RNG)
    letter = world.refused(f'broken {{"endToEndId": "{one.end_to_end_id}", {person}'.encode())
    world.refused(f'broken {{"endToEndId": "{one.end_to_end_id}9"'.encode(), at="2")
    code, out, _ = world("trace", end_to_end(one))
    assert code == 0
    assert person not in out
    assert f"dead letter {letter[:12]} of webhook, read: malformed_json" in out
    steps = world.steps(end_to_end(one))
    assert told(steps, "letter_id", "stream", "position") == [("letter", letter, "inbox", "1")]
    for start in (letter, letter[:12], f"pix.dlq/0/{steps[0]['offset']}"):
        assert world.steps(start) == steps


def test_a_replayed_letter_has_its_mark_and_its_event(world: World) -> None:
    one = paid(ingested_at=NOW - 60 * SECOND)
    letter = world.refused(f'broken {{"endToEndId": "{one.end_to_end_id}"'.encode())
    again = paid(source_ref=f"dead letter {letter}", ingested_at=NOW)
    world.kafka.now = round(NOW.timestamp() * 1000)
    world.mark(letter, "replayed", [event_record(again)])
    world.consume()
    steps = world.steps(end_to_end(one))
    by_kind = {step["step"]: step for step in steps}
    assert set(by_kind) == {"happened", "letter", "mark", "told", "kafka", "delta"}
    assert (by_kind["mark"]["who"], by_kind["mark"]["why"]) == ("ana", "ticket 1")
    assert by_kind["mark"]["letter_id"] == letter
    assert by_kind["told"]["source_ref"] == f"dead letter {letter}"


def test_a_replay_that_adds_nothing_is_found_though_it_is_late(world: World) -> None:
    one = paid()
    world.send(one)
    world.consume()
    letter = world.refused(f'broken {{"endToEndId": "{one.end_to_end_id}"'.encode())
    again = paid(source_ref=f"dead letter {letter}", ingested_at=NOW)
    world.mark(letter, "replayed", [event_record(again)])
    world.consume()
    steps = world.steps(end_to_end(one))
    assert [s["source_ref"] for s in steps if "source_ref" in s] == [f"dead letter {letter}"]
    assert told(steps, "why").count(("delta", "adds_nothing")) == 1


def test_a_consumers_letter_explains_the_missing_row_until_it_is_replayed(world: World) -> None:
    one = paid()
    record = world.send(one)
    other = world.rejected(record, "another")
    letter = world.rejected(record)
    steps = world.steps(end_to_end(one))
    assert told(steps, "why").count(("delta", "dead_letter")) == 1
    assert {s["letter_id"] for s in steps if s["step"] == "letter"} == {letter, other}
    assert next(s for s in steps if s["step"] == "letter")["origin"] == (
        f"{record.topic}/{record.partition}/{record.offset}"
    )
    key, value, _ = event_record(one)[1:]
    for name, of in (("another", other), ("lake", letter)):
        headers = [("replay-for", name.encode()), ("replay-of", of.encode())]
        world.put(EventRecord(record.topic, key, value, headers), at=NOON + 5 * SECOND)
    steps = world.steps(end_to_end(one))
    replays = [s["replay_of"] for s in steps if s.get("replay_of")]
    assert replays == [other, letter]
    assert [s["why"] for s in steps if "why" in s] == ["dead_letter", "for_another", "waiting"]


def test_without_the_keys_a_consumers_letter_is_still_found_and_the_rest_is_said(
    world: World,
) -> None:
    record = world.send(paid())
    letter = world.rejected(record)
    world.refused(b"nobody can say what this is")
    world.settings.privacy.encryption_key = ""
    document = world.traced(end_to_end(paid()), code=1)
    steps = document["payments"][0]["steps"]
    assert [s["letter_id"] for s in steps if s["step"] == "letter"] == [letter]
    assert "1 dead letters could not be opened" in document["problems"][0]


@pytest.mark.parametrize("name", ["txid", "event_id"])
def test_an_identifier_without_a_date_leads_to_its_payment(world: World, name: str) -> None:
    one = paid(txid="cob4711order0000000000001")
    world.send(one)
    for number in range(2, 9):
        world.send(paid(number))
    asked = getattr(one, name)
    before = world.traced(asked)  # no table has it yet
    world.consume()
    after = world.traced(asked)
    for document in (before, after):
        (life,) = document["payments"]
        assert life["payment"] == one.end_to_end_id
    assert any("what no table has yet" in looked["note"] for looked in before["looked"])
    assert world.traced(asked, "--until", "5d", code=3)["found"] is False


def test_a_place_in_kafka_leads_to_its_payment_even_when_kafka_has_forgotten(world: World) -> None:
    record = world.send(paid())
    world.consume()
    place = f"{record.topic}/{record.partition}/{record.offset}"
    before = world.steps(place)
    world.kafka.expire(record.topic, record.partition, record.offset + 2)
    after = world.steps(place)
    assert [s["text"] for s in after] == [
        s["text"] + (", no longer in Kafka" if s["step"] == "kafka" else "") for s in before
    ]
    assert next(s for s in after if s["step"] == "kafka")["record"] == "expired"


def test_a_record_that_is_no_event_is_shown_with_its_letter(world: World) -> None:
    key = end_to_end(paid()).encode()
    record = world.put(EventRecord("pix.pagamentos", key, b"{}", []), at=NOON)
    letter = world.rejected(record)
    world.consume()
    steps = world.steps(f"pix.pagamentos/{record.partition}/{record.offset}")
    assert told(steps)[0] == ("kafka",)
    assert "which is not an event" in steps[0]["text"]
    assert letter in {s.get("letter_id") for s in steps}


def test_a_letter_with_several_payments_names_them_and_follows_none(world: World) -> None:
    ids = [e2e("99999004", NOON, RNG) for _ in range(12)]
    letter = world.refused(" ".join(ids).encode())
    document = world.traced(letter)
    assert document["payments"] == []
    assert document["letters"][0]["names"] == ids
    _, out, _ = world("trace", letter)
    assert f"12 payments in it: {' '.join(ids[:10])} and 2 more" in out


def test_nothing_found_says_where_it_looked(world: World) -> None:
    code, out, err = world("trace", e2e("99999004", NOON, RNG))
    assert code == 3
    assert out.startswith("nothing found of E99999004")
    assert "looked in table pagamentos" in err
    assert "no table yet" in err
    assert "looked in pix.dlq" in err


def test_an_event_far_from_its_identifiers_day_is_found_with_more_days(world: World) -> None:
    """As of a bank's backfill, or of a Pix that is scheduled."""
    one = paid(event_time=NOON - 9 * DAY, ingested_at=NOON - 9 * DAY)
    world.send(one)
    world.consume()
    world.traced(end_to_end(one), code=3)
    assert world.steps(end_to_end(one), "--days", "9")
    assert world.steps(end_to_end(one), "--since", f"{NOON - 10 * DAY:%Y-%m-%d}")


def test_a_record_sent_long_after_is_confirmed_at_the_place_that_its_row_names(
    world: World,
) -> None:
    world.send(paid(), at=NOW)
    world.consume()
    steps = world.steps(end_to_end(paid()), "--days", "0")
    assert next(s for s in steps if s["step"] == "kafka")["record"] == "held"


def test_records_from_before_the_topic_grew_are_found(world: World) -> None:
    sent = [world.send(paid(number)) for number in range(20)]
    world.kafka.client().admin().add_partitions("pix.pagamentos", 7)
    for number, record in enumerate(sent):
        steps = world.steps(end_to_end(paid(number)))
        assert [s["offset"] for s in steps if s["step"] == "kafka"] == [record.offset]


def test_of_a_topic_that_was_recreated_the_row_stays_and_the_other_record_is_not_taken(
    world: World,
) -> None:
    record = world.send(paid())
    world.consume()
    admin = world.kafka.client().admin()
    spec = world.kafka.topics[record.topic].spec
    admin.delete(record.topic)
    admin.create(spec)
    for number in range(2, 9):
        world.send(paid(number))
    steps = world.steps(end_to_end(paid()))
    assert told(steps, "record")[2:] == [("kafka", "expired"), ("delta", None)]
    (life,) = world.traced(f"{record.topic}/{record.partition}/{record.offset}")["payments"]
    assert life["payment"]


def test_a_table_that_compaction_rewrote_has_the_row_in_its_new_file(world: World) -> None:
    for number in range(1, 12):
        world.send(paid(number))
        world.consume()
    before = world.steps(end_to_end(paid(1)))[-1]
    table = world.lake._table("pagamentos")
    table.refresh()
    maintenance.maintain(table, "zstd")
    after = world.steps(end_to_end(paid(1)))[-1]
    assert after["file"] != before["file"]
    assert after["version"] in {before["version"], None}


def test_a_kafka_that_does_not_answer_leaves_the_rows(world: World) -> None:
    world.send(paid())
    world.consume()

    def no_client() -> Any:
        raise Transient("no broker answers")

    world.kafka_client = no_client
    document = world.traced(end_to_end(paid()), code=1)
    kinds = {step["step"] for step in document["payments"][0]["steps"]}
    assert kinds == {"happened", "told", "kafka", "delta"}
    assert document["problems"] == ["Kafka: no broker answers"]
    assert next(s for s in document["payments"][0]["steps"] if s["step"] == "kafka")["record"] == (
        "unknown"
    )


def test_a_kafka_that_stops_answering_is_asked_no_more(world: World) -> None:
    world.send(paid())
    world.consume()
    for _ in range(3):
        world.kafka.fail("between", Transient("it went away"))
    code, out, err = world("trace", end_to_end(paid()))
    assert code == 1
    assert "is revision 0, since version" in out
    assert err.count("NOT searched") == 1


def test_a_topic_that_may_not_be_read_leaves_the_others(world: World) -> None:
    world.send(paid())
    admin = world.kafka.client().admin()
    admin.delete("pix.estornos")
    document = world.traced(end_to_end(paid()), code=1)
    assert document["found"]
    assert "pix.estornos" in document["problems"][0]


def test_a_table_that_cannot_be_read_leaves_the_topics(world: World) -> None:
    world.send(paid())
    world.consume()
    for file in (world.directory / "lake" / "pagamentos").rglob("*.parquet"):
        file.unlink()
    document = world.traced(end_to_end(paid()), code=1)
    assert document["found"]
    assert "table pagamentos" in document["problems"][0]


def test_what_is_too_much_is_cut_and_said(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(30):
        world.send(paid(number, time=NOON + number * 1200 * SECOND))
    monkeypatch.setattr(topics, "MOST_RECORDS", 8)
    for number in (0, 14, 29):  # found, though only a few records of its partition are read
        one = paid(number, time=NOON + number * 1200 * SECOND)
        document = world.traced(end_to_end(one), "--days", "1")
        assert document["payments"]
        notes = {looked["where"]: looked["note"] for looked in document["looked"]}
        assert "only 8 records, from " in notes["pix.pagamentos"]
    document = world.traced(one.event_id)
    note = "what no table has yet; only the newest 8 records"
    assert note in {looked["note"] for looked in document["looked"]}


def test_sealed_fields_stay_sealed_until_they_are_asked_for_with_a_reason(world: World) -> None:
    person = generate_cpf(RNG)
    draft = Draft(
        message="api_pix.pix",
        end_to_end_id=e2e("99999004", NOON, RNG),
        event_time=NOON.isoformat(),
        payer=Person(document=person),
        texts={"payer.name": "Ana de Teste"},
        extra={"nota": person},
    )
    one = world.seal(draft, now=NOON + SECOND)
    world.send(one)
    world.consume()
    for arguments in ([], ["--format", "json"]):
        code, out, err = world("trace", end_to_end(one), *arguments)
        assert code == 0
        assert "Ana" not in out + err
        assert person not in out + err
    assert world.audited() == []
    with pytest.raises(Exception, match="--why"):
        world("trace", end_to_end(one), "--reveal")
    why = ("--why", "ticket 1", "--who", "ana")
    _, out, _ = world("trace", end_to_end(one), "--reveal", *why)
    assert "Ana de Teste" in out
    steps = world.steps(end_to_end(one), "--reveal", *why)
    revealed = [s["revealed"] for s in steps if "revealed" in s]
    assert {"nota": person, "texts": {"payer.name": "Ana de Teste"}} in revealed
    (first, second) = world.audited()
    expected = {
        "action": "trace --reveal",
        "target": end_to_end(one),
        "who": "ana",
        "why": "ticket 1",
    }
    assert {name: first[name] for name in expected} == expected
    assert second["action"] == "trace --reveal"


def test_a_masked_header_of_a_letter_is_revealed_too(world: World) -> None:
    person, one = generate_cpf(RNG), paid()
    world.refused(end_to_end(one).encode(), at=f"{person}.json")
    _, out, _ = world("trace", end_to_end(one))
    assert person not in out
    _, out, _ = world("trace", end_to_end(one), "--reveal", "--why", "ticket 1")
    assert person in out


def test_what_another_key_sealed_is_said_to_be_so(world: World) -> None:
    draft = Draft(
        message="api_pix.pix", end_to_end_id=e2e("99999004", NOON, RNG), extra={"nota": "x"}
    )
    one = world.seal(draft, now=NOON + SECOND)
    world.send(one)
    world.settings.privacy.encryption_key = "22" * 32
    steps = world.steps(end_to_end(one), "--reveal", "--why", "ticket 1")
    (revealed,) = [s["revealed"] for s in steps if "revealed" in s]
    assert "not the key that sealed it" in revealed["error"]


@pytest.mark.parametrize(
    ("asked", "refusal"),
    [
        (generate_cpf(RNG), "contains a CPF or CNPJ"),
        (f"cob-{generate_cpf(RNG)}", "contains a CPF or CNPJ"),
        ("two words", "none of them a space"),
        ("pix.positions/0/1", "topic pix.positions has no payments"),
    ],
)
def test_what_is_no_identifier_is_refused(world: World, asked: str, refusal: str) -> None:
    with pytest.raises(ConfigError, match=refusal) as caught:
        world("trace", asked)
    assert "CPF" not in refusal or asked not in str(caught.value)


def test_two_times_in_the_wrong_order_are_refused(world: World) -> None:
    with pytest.raises(ConfigError, match="nothing lies between"):
        world("trace", "order-4711", "--since", "1d", "--until", "2d")


def test_a_partition_that_does_not_exist_is_nothing_found(world: World) -> None:
    world.traced("pix.pagamentos/99/1", code=3)
