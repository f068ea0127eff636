"""A person's rows, as `pixstream find` finds them; the document itself is nowhere to be seen."""

import csv
import datetime as dt
import io
import json
from random import Random

import click
import pytest

from pixstream.errors import ConfigError, KeysMissingError
from pixstream.event.identifiers import e2e, generate_cnpj, generate_cpf
from pixstream.event.model import Draft, Person, PixEvent
from tests.trace.world import World

RNG = Random(37)
NOON = dt.datetime.now(dt.UTC).replace(hour=12, minute=0, second=0, microsecond=0) - dt.timedelta(
    days=3
)
CPF, OTHER = generate_cpf(RNG), generate_cpf(RNG)
WHY = ("--why", "ticket 1", "--who", "ana")


def paid(world: World, payer: Person, payee: Person, time: dt.datetime = NOON) -> PixEvent:
    draft = Draft(
        message="api_pix.pix",
        end_to_end_id=e2e("99999004", time, RNG),
        amount="12.34",
        event_time=time.isoformat(),
        payer=payer,
        payee=payee,
    )
    event = world.seal(draft, now=time + dt.timedelta(seconds=1))
    world.send(event)
    return event


def spelt(document: str) -> str:
    return f"{document[:3]}.{document[3:6]}.{document[6:9]}-{document[9:]}"


@pytest.mark.parametrize("how", ["{}", " {}\n"])
def test_a_person_is_found_as_payer_and_payee_by_document_and_by_key(
    world: World, how: str
) -> None:
    somebody = Person(document=OTHER)
    one = paid(world, Person(document=CPF), somebody)
    two = paid(world, somebody, Person(key=spelt(CPF)), NOON + dt.timedelta(hours=1))
    three = paid(world, somebody, Person(document=CPF, key=CPF), NOON + dt.timedelta(hours=2))
    paid(world, somebody, Person(key="ana@example.com"))
    world.consume()
    arguments = ("find", "--document", "--format", "json", *WHY)
    code, out, err = world(*arguments, stdin=how.format(spelt(CPF)))
    assert (code, err) == (0, "")
    rows = [json.loads(line) for line in out.splitlines()]
    assert [(row["end_to_end_id"], row["role"]) for row in rows] == [
        (one.end_to_end_id, "payer.document"),
        (two.end_to_end_id, "payee.key"),
        (three.end_to_end_id, "payee.document, payee.key"),
    ]
    assert {row["reais"] for row in rows} == {"12.34"}
    assert CPF not in out


def test_a_company_is_found_too_and_csv_is_read_back(world: World) -> None:
    company = generate_cnpj(RNG)
    one = paid(world, Person(document=company), Person())
    world.consume()
    _, out, _ = world("find", "--document", "--format", "csv", *WHY, stdin=company)
    (row,) = csv.DictReader(io.StringIO(out))
    assert (row["end_to_end_id"], row["table"]) == (one.end_to_end_id, "recebimentos")
    assert "-" not in row["role"]


def test_it_is_in_the_audit_log_by_pseudonym_before_anything_is_printed(world: World) -> None:
    code, out, err = world("find", "--document", *WHY, stdin=CPF)
    assert (code, out) == (3, "")
    assert "no row of this person" in err
    (line,) = world.audited()
    assert (line["action"], line["who"], line["why"]) == ("find --document", "ana", "ticket 1")
    assert line["target"].startswith("person k1.")
    assert CPF not in json.dumps(line) + out + err


def test_only_events_of_the_time_are_found(world: World) -> None:
    for days in (0, 40, 100):
        paid(world, Person(document=CPF), Person(), NOON - dt.timedelta(days=days))
    world.consume()

    def found(*arguments: str) -> int:
        _, out, _ = world("find", "--document", "--format", "json", *WHY, *arguments, stdin=CPF)
        return len(out.splitlines())

    assert found() == 1
    assert found("--since", "50d") == 2
    assert found("--since", "200d", "--until", "50d") == 1


def test_two_times_in_the_wrong_order_are_refused(world: World) -> None:
    with pytest.raises(ConfigError, match="nothing lies between"):
        world("find", "--document", *WHY, "--since", "1d", "--until", "2d", stdin=CPF)


def test_without_a_reason_nothing_is_searched(world: World) -> None:
    with pytest.raises(click.UsageError, match="--why"):
        world("find", "--document", stdin=CPF)
    assert world.audited() == []


def test_a_document_on_the_command_line_is_refused_and_not_repeated(world: World) -> None:
    with pytest.raises(click.UsageError, match="--document asks") as caught:
        world("find", "--document", CPF, *WHY, stdin=CPF)
    assert CPF not in str(caught.value)


@pytest.mark.parametrize("wrong", ["", "11111111111", "12345678900", "ana@example.com"])
def test_what_is_no_document_is_refused_and_not_repeated(world: World, wrong: str) -> None:
    with pytest.raises(ConfigError, match="not a CPF or CNPJ") as caught:
        world("find", "--document", *WHY, stdin=wrong)
    assert not wrong or wrong not in str(caught.value)
    assert world.audited() == []


def test_without_the_keys_nobody_can_be_found(world: World) -> None:
    world.settings.privacy.pseudonym_key = ""
    with pytest.raises(KeysMissingError, match=r"privacy\.pseudonym_key"):
        world("find", "--document", *WHY, stdin=CPF)
