"""docs/conformance.md: what becomes of each input of `cases.yaml`.

`python -m tests.conformance.page` writes the page; `test_conformance` compares it with the code.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from pixstream.errors import Refused
from pixstream.event.identifiers import generate_cpf
from pixstream.event.model import PixEvent, Refusal
from pixstream.event.sealing import Sealer
from pixstream.plugins import discovery
from pixstream.plugins.producer import Producer
from pixstream.privacy import Pseudonymiser, Vault

if TYPE_CHECKING:
    from collections.abc import Iterator

CASES = Path(__file__).with_name("cases.yaml")
PAGE = Path(__file__).parents[2] / "docs" / "conformance.md"
OWN_ISPB = "99999004"
NOW = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)
CPF = generate_cpf(Random(8))
SPELT = f"{CPF[:3]}.{CPF[3:6]}.{CPF[6:9]}-{CPF[9:]}"
SEALER = Sealer(
    Pseudonymiser(bytes(32), "k1"), Vault(bytes(32), "k1"), own_ispbs=frozenset({OWN_ISPB})
)

INTRODUCTION = """\
# What real senders write, and what becomes of it

Made from `tests/conformance/cases.yaml` by running each input through its producer's parser and the
sealing step; `tests/conformance/test_conformance.py` fails if a result changes, and
`tests/conformance/test_pipeline.py` sends them all through `pixstream run` and compares the tables
and dead letters. [The event's reference](reference/event.md)
explains flags and reasons. What an event does not carry as it came is sealed in
`extra.as_received`; its fields are named under "kept".

| Input | Becomes |
|---|---|"""


class Case(msgspec.Struct, forbid_unknown_fields=True):
    """One input."""

    title: str
    source: str
    input: str
    encoding: str = "utf-8"
    settings: dict[str, Any] = {}

    @property
    def raw(self) -> bytes:
        """The bytes, with generated documents instead of their names."""
        text = self.input.replace("@cpf@", CPF).replace("@spelt@", SPELT)
        return text.replace("@500@", ",".join(["{}"] * 500)).encode(self.encoding)


class Outcome(NamedTuple):
    """What became of one piece of an input: an event, or a reason."""

    event: PixEvent | None
    said: str


def cases() -> list[Case]:
    """Return the inputs."""
    return msgspec.yaml.decode(CASES.read_bytes(), type=list[Case])


def outcomes(case: Case) -> Iterator[Outcome]:
    """Yield what becomes of an input, in the order of its pieces."""
    producer = discovery.load(Producer, case.source)(type=case.source, **case.settings)
    for content in producer.parse(case.raw):
        if isinstance(content, Refusal):
            yield Outcome(None, f"dead letter `{content.reason}`")
            continue
        try:
            event = SEALER.seal(content, source=case.source, now=NOW)
        except Refused as refused:
            yield Outcome(None, f"dead letter `{refused.reason}`")
        else:
            yield Outcome(event, _shown(event))


def page() -> str:
    """Return the text of docs/conformance.md."""
    rows = [
        f"| {case.title} ({case.source}) | {'<br>'.join(o.said for o in outcomes(case))} |"
        for case in cases()
    ]
    return "\n".join([INTRODUCTION, *rows]) + "\n"


def _shown(event: PixEvent) -> str:
    amount = "no amount" if event.amount_centavos is None else f"{event.amount_centavos / 100:.2f}"
    kept = SEALER.open_extra(event).get("as_received", {})
    flags = "".join(f", `{flag}`" for flag in event.flags)
    return (
        f"{event.category} {event.status}, {amount}, {event.event_time:%Y-%m-%d %H:%M:%S}Z{flags}"
        + (f"; kept: {', '.join(sorted(kept))}" if kept else "")
    )


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
