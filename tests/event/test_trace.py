"""Which payments are sampled, and what a trace context may contain."""

import datetime as dt
from random import Random
from typing import Any

import pytest

from pixstream.event import trace
from pixstream.event.identifiers import e2e, generate_cnpj, generate_cpf
from pixstream.event.model import Draft, PixEvent
from pixstream.event.sealing import Sealer
from pixstream.event.trace import Trace, header_of, loggable, of_headers, read
from pixstream.privacy import Pseudonymiser, Vault

NOW = dt.datetime(2026, 11, 24, tzinfo=dt.UTC)
RNG = Random(14)
SEALER = Sealer(Pseudonymiser(bytes(32), "k1"), Vault(bytes(range(32)), "k1"))
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def event(identifier: str | None = None, **fields: Any) -> PixEvent:
    identifier = identifier or e2e("99999004", NOW, RNG)
    every: dict[str, Any] = {"message": "api_pix.pix", "end_to_end_id": identifier}
    draft = Draft(**every | fields)
    return SEALER.seal(draft, source="webhook", now=NOW)


def of_event(made: PixEvent, parent: str | None, sample: int) -> Trace:
    found = read(header_of(made.event_id, made.record_key, parent, sample))
    assert found is not None
    return found


def test_one_payment_in_so_many_is_sampled() -> None:
    sampled = sum(of_event(event(), None, 100).sampled for _ in range(5_000))
    assert 25 <= sampled <= 75


def test_all_events_of_a_payment_are_sampled_or_none() -> None:
    for _ in range(50):
        identifier = e2e("99999004", NOW, RNG)
        paid, received = (
            event(identifier),
            event(identifier, message="api_pix.enviado", status="REALIZADO"),
        )
        assert of_event(paid, None, 2).sampled == of_event(received, None, 2).sampled


def test_without_a_sample_nothing_is_sampled_even_if_its_sender_asks() -> None:
    assert not of_event(event(), f"00-{TRACE}-{SPAN}-01", 0).sampled


def test_a_trace_begins_with_the_event() -> None:
    made = event()
    assert of_event(made, None, 1) == Trace(made.event_id, made.event_id[:16], sampled=True)
    assert of_event(made, None, 1).header == header_of(made.event_id, b"", None, 1)
    assert (
        header_of(made.event_id, made.record_key, None, 0)
        == f"00-{made.event_id}-{made.event_id[:16]}-00"
    )


@pytest.mark.parametrize("flags", ["01", "00", "03"])
def test_a_trace_that_a_sender_began_continues(flags: str) -> None:
    made = event()
    found = of_event(made, f"00-{TRACE}-{SPAN}-{flags}", 10**9)
    assert found == Trace(TRACE, made.event_id[:16], flags != "00")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-01\n",
        "é",
    ],
)
def test_what_is_no_trace_context_is_as_if_it_were_not_there(text: str) -> None:
    made = event()
    assert read(text) is None
    assert of_event(made, text, 1).trace_id == made.event_id


def test_a_later_version_may_say_more() -> None:
    assert read(f"01-{TRACE}-{SPAN}-01-more") == Trace(TRACE, SPAN, sampled=True)


def test_a_trace_id_with_a_document_in_it_is_not_taken() -> None:
    cpf = generate_cpf(RNG)
    made = event()
    hidden = f"00-{'a' * 21}{cpf}-{SPAN}-01"
    assert of_event(made, hidden, 1).trace_id == made.event_id


def test_headers_of_a_record_have_a_trace() -> None:
    assert of_headers([("x", b"1"), ("traceparent", f"00-{TRACE}-{SPAN}-01".encode())]) == Trace(
        TRACE, SPAN, sampled=True
    )
    assert of_headers([("traceparent", b"\xff")]) is None
    assert of_headers([]) is None


def test_only_an_identifier_in_its_documented_form_is_logged() -> None:
    identifier = e2e("99999004", NOW, RNG)
    assert loggable(identifier) == identifier
    cpf, cnpj = generate_cpf(RNG), generate_cnpj(RNG)
    for irregular in (None, "", cpf, cnpj, f"E{cnpj}", f"{identifier[:-11]}{cpf}", "NOTPROVIDED"):
        assert loggable(irregular) is None
    assert trace.HEADER == "traceparent"
