import dataclasses
import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from pixstream.dead_letters import DRAFT, REPLAY_FOR, REPLAY_OF, LetterView, LetterWriter
from pixstream.dead_letters.reading import view
from pixstream.dead_letters.replay import Replayer
from pixstream.errors import Refused
from pixstream.event.contract import ContractSettings, Mode
from pixstream.event.identifiers import e2e, generate_cpf
from pixstream.event.model import SCHEMA_VERSION, Draft, PixEvent, Reason, Refusal, encode
from pixstream.event.record import event_record
from pixstream.event.sealing import Sealer
from pixstream.kafka.ports import Record
from pixstream.plugins.consumer import Consumer
from pixstream.plugins.producer import Producer, Reading
from pixstream.privacy import Pseudonymiser, Vault
from pixstream.producers.bank_api.producer import Account, BankApi
from pixstream.producers.webhook.producer import Webhook

VAULT = Vault(bytes(range(32)), "k1")
SEALER = Sealer(Pseudonymiser(bytes(32), "k1"), VAULT)
NOW = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)
RNG = Random(17)
CPF = generate_cpf(RNG)
TOPIC = "pix.recebimentos"


def pix(**fields: Any) -> dict[str, Any]:
    horario = "2026-11-24T12:00:00Z"
    every = {"endToEndId": e2e("99999004", NOW, RNG), "valor": "1.00", "horario": horario}
    return every | {"pagador": {"cpf": CPF}} | fields


def becoming(directory: Path, **options: Any) -> Replayer:
    made = Replayer(
        options.pop("producers", {"webhook": Webhook(type="webhook")}),
        options.pop("consumers", {"lake": Consumer(type="lake")}),
        sealer=SEALER,
        vault=options.pop("vault", VAULT),
        directory=directory,
        max_event_bytes=options.pop("max_event_bytes", 2**20),
    )
    made.topic_ids = {TOPIC: "id-1"}
    for name, value in options.items():
        setattr(made, name, value)
    return made


def from_producer(
    directory: Path,
    raw: bytes,
    *,
    stage: str = "read",
    stream: str = "s",
    content_type: str = "application/json",
    max_bytes: int = 2**20,
) -> LetterView:
    refusal = Refusal(reason="not_a_pix", message="m", raw=raw, content_type=content_type)
    reading = Reading(stream=stream, position="1", content=refusal)
    writer = LetterWriter("webhook", VAULT, max_bytes, directory)
    letter = writer.from_reading(reading, refusal, stage, "Refused")
    return seen(Record("pix.dlq", 0, 0, 0, *letter))


def from_consumer(
    directory: Path,
    value: bytes | None,
    key: bytes | None = b"E1",
    headers: list[tuple[str, bytes]] | None = None,
    stage: str = "decode",
) -> LetterView:
    record = Record(TOPIC, 2, 41, 0, key, value, headers or [])
    letter = LetterWriter("lake", VAULT, 2**20, directory).from_record(
        record, "id-1", stage=stage, reason="undecodable_event", message="m", error="E"
    )
    return seen(Record("pix.dlq", 0, 0, 0, *letter))


def seen(record: Record) -> LetterView:
    letter = view(record)
    assert letter is not None
    return letter


def event(**fields: Any) -> PixEvent:
    draft = Draft(message="api_pix.pix", end_to_end_id=e2e("99999004", NOW, RNG), amount="1.00")
    for name, value in fields.items():
        setattr(draft, name, value)
    return SEALER.seal(draft, source="webhook", now=NOW)


def refused(made: Replayer, letter: LetterView) -> Refused:
    with pytest.raises(Refused) as caught:
        made(letter)
    assert CPF not in str(caught.value)
    return caught.value


def test_the_raw_bytes_of_a_producer_become_what_its_loop_would_send(tmp_path: Path) -> None:
    body = {"pix": [pix(), pix(devolucoes=[])]}
    letter = from_producer(tmp_path, json.dumps(body).encode())
    found = becoming(tmp_path)(letter)
    assert [b.record.key for b in found] == [p["endToEndId"].encode() for p in body["pix"]]
    for became in found:
        sent = msgspec.json.decode(became.record.value, type=PixEvent)
        assert became.record == event_record(sent)
        assert became.event_id == sent.event_id
        assert (sent.source, sent.source_ref) == ("webhook", f"dead letter {letter.letter_id}")
        assert CPF.encode() not in became.record.value


def test_a_letter_that_lies_in_a_file_is_read_from_it(tmp_path: Path) -> None:
    letter = from_producer(tmp_path, json.dumps(pix()).encode(), max_bytes=10)
    assert letter.sealed == b""
    assert len(becoming(tmp_path)(letter)) == 1
    (tmp_path / letter.headers["file"]).unlink()
    assert refused(becoming(tmp_path), letter).reason == "unreadable"


def test_a_draft_becomes_its_event_with_its_own_reference(tmp_path: Path) -> None:
    draft = Draft(message="api_pix.pix", end_to_end_id=e2e("99999004", NOW, RNG), source_ref="p7")
    letter = from_producer(tmp_path, encode(draft), stage="seal", content_type=DRAFT)
    (became,) = becoming(tmp_path, producers={})(letter)
    assert msgspec.json.decode(became.record.value, type=PixEvent).source_ref == "p7"


@pytest.mark.parametrize(
    "raw", [b"{", b"[]", b'{"message": 3}', b'{"message": "m", "endToEndId": ""}']
)
def test_a_draft_with_a_field_that_none_has_is_refused_not_shortened(
    tmp_path: Path, raw: bytes
) -> None:
    letter = from_producer(tmp_path, raw, stage="seal", content_type=DRAFT)
    assert refused(becoming(tmp_path), letter).reason == Reason.FIELD_INVALID


def test_an_event_that_was_too_large_is_sent_once_it_may_be_so_large(tmp_path: Path) -> None:
    large = event(extra={"field": "x" * 3000})
    letter = from_producer(tmp_path, encode(large), stage="produce")
    assert refused(becoming(tmp_path, max_event_bytes=2000), letter).reason == Reason.TOO_LARGE
    (became,) = becoming(tmp_path)(letter)
    assert became.record == event_record(large)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"{", "malformed_json"),
        (b'{"pix": []}', Reason.EMPTY),
        (json.dumps({"pix": [pix(), {"valor": "1.00"}]}).encode(), "identifier_missing"),
    ],
)
def test_a_letter_that_still_holds_a_refusal_stays_open_whole(
    tmp_path: Path, raw: bytes, reason: str
) -> None:
    assert refused(becoming(tmp_path), from_producer(tmp_path, raw)).reason == reason


@dataclasses.dataclass(kw_only=True)
class Unroutable(Producer):
    """Reads drafts that cannot be made canonical."""

    type: str = "webhook"

    def parse(self, raw: bytes) -> Iterator[Draft | Refusal]:
        del raw
        yield Draft(message="api_pix.pix")


def test_a_draft_that_cannot_be_made_canonical_keeps_its_letter_open(tmp_path: Path) -> None:
    made = becoming(tmp_path, producers={"webhook": Unroutable()})
    assert refused(made, from_producer(tmp_path, b"x")).reason == Reason.IDENTIFIER_MISSING


def test_a_letter_of_a_producer_that_is_not_configured_stays_open(tmp_path: Path) -> None:
    letter = from_producer(tmp_path, json.dumps(pix()).encode())
    why = refused(becoming(tmp_path, producers={}), letter)
    assert (why.reason, "webhook" in why.message) == ("not_configured", True)


@pytest.mark.parametrize(("stream", "ispb"), [("own/returns", "22222222"), ("other", "11111111")])
def test_a_letter_of_an_account_is_read_as_for_that_account(
    tmp_path: Path, stream: str, ispb: str
) -> None:
    accounts = [Account(name="own", ispb="22222222"), Account(name="other")]
    bank = BankApi(type="bank_api", accounts=accounts, ispb="11111111")
    letter = from_producer(tmp_path, json.dumps(pix()).encode(), stream=stream)
    (became,) = becoming(tmp_path, producers={"webhook": bank})(letter)
    sent = msgspec.json.decode(became.record.value, type=PixEvent)
    assert sent.payee is not None
    assert sent.payee.ispb == ispb


def test_a_letter_of_an_account_that_is_gone_says_so_and_stays_open(tmp_path: Path) -> None:
    bank = BankApi(type="bank_api", accounts=[Account(name="own", ispb="22222222")])
    letter = from_producer(tmp_path, json.dumps(pix()).encode(), stream="gone")
    why = refused(becoming(tmp_path, producers={"webhook": bank}), letter)
    assert (why.reason, "no account gone" in why.message) == ("not_configured", True)


def test_a_repair_comes_first_and_none_leaves_the_letter(tmp_path: Path) -> None:
    letter = from_producer(tmp_path, b"broken " + json.dumps(pix()).encode())
    heard: list[dict[str, str]] = []

    def mend(raw: bytes, headers: dict[str, str]) -> bytes:
        heard.append(headers)
        return raw.removeprefix(b"broken ")

    assert len(becoming(tmp_path, repair=mend)(letter)) == 1
    assert heard == [letter.headers]
    assert refused(becoming(tmp_path, repair=lambda *_: None), letter).reason == "left_by_repair"


def test_a_record_goes_back_as_it_was_for_its_consumer_alone(tmp_path: Path) -> None:
    value = encode(event())
    headers = [("schema-version", b"1"), ("x", b"\xff"), (REPLAY_FOR, b"old"), (REPLAY_OF, b"o")]
    letter = from_consumer(tmp_path, value, headers=headers, stage="write")
    (became,) = becoming(tmp_path)(letter)
    assert (became.record.topic, became.record.key, became.record.value) == (TOPIC, b"E1", value)
    assert list(became.record.headers) == [
        ("schema-version", b"1"),
        ("x", b"\xff"),
        (REPLAY_FOR, b"lake"),
        (REPLAY_OF, letter.letter_id.encode()),
    ]
    assert became.event_id == msgspec.json.decode(value, type=PixEvent).event_id


def test_a_record_without_key_or_value_goes_back_without_key_once_repaired(tmp_path: Path) -> None:
    letter = from_consumer(tmp_path, None, key=None)
    assert refused(becoming(tmp_path), letter).reason == Reason.UNDECODABLE_EVENT
    value = encode(event())
    (became,) = becoming(tmp_path, repair=lambda *_: value)(letter)
    assert (became.record.key, became.record.value) == (None, value)


@pytest.mark.parametrize(
    "consumers", [{}, {"lake": Consumer(type="lake", categories=["estornos"])}]
)
def test_nothing_is_sent_that_nobody_would_take(
    tmp_path: Path, consumers: dict[str, Consumer]
) -> None:
    letter = from_consumer(tmp_path, encode(event()))
    assert refused(becoming(tmp_path, consumers=consumers), letter).reason == "not_configured"


def test_a_topic_created_anew_is_refused_unless_it_is_asked_for(tmp_path: Path) -> None:
    letter = from_consumer(tmp_path, encode(event()))
    made = becoming(tmp_path, topic_ids={TOPIC: "id-2"})
    assert refused(made, letter).reason == "topic_changed"
    made.new_topic = True
    assert len(made(letter)) == 1
    made.topic_ids = {}
    assert refused(made, letter).reason == "topic_changed"


def test_a_letter_sealed_with_another_key_stays_open_and_says_so(tmp_path: Path) -> None:
    other = Vault(bytes(32), "k2")
    for letter in (from_producer(tmp_path, b"{}"), from_consumer(tmp_path, b"{}")):
        why = refused(becoming(tmp_path, vault=other), letter)
        assert (why.reason, "privacy.key_id" in why.message) == ("unreadable", True)


def test_a_record_with_new_fields_goes_back_only_where_the_contract_takes_them(
    tmp_path: Path,
) -> None:
    document = msgspec.json.decode(encode(event())) | {
        "schema_version": SCHEMA_VERSION + 1,
        "novelty": "a",
    }
    letter = from_consumer(tmp_path, json.dumps(document).encode())
    modes: tuple[Mode, ...] = ("discard_row", "freeze")
    for mode in modes:
        with pytest.raises(Refused, match=mode) as caught:
            becoming(tmp_path, contract=ContractSettings(event=mode))(letter)
        assert caught.value.reason == Reason.SCHEMA_CONTRACT
    for contract in (None, ContractSettings(event="discard_value")):
        (became,) = becoming(tmp_path, contract=contract)(letter)
        assert json.loads(became.record.value) == document
