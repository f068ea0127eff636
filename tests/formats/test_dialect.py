import pkgutil
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from pixstream.event.model import Draft, Person
from pixstream.formats import dialects
from pixstream.formats.api_pix.filling import fill
from pixstream.formats.dialect import ANY, RECEIVED, RETURN, SENT, Dialect, every
from pixstream.formats.dialects import efi
from pixstream.formats.json_body import JsonFields


def filled(dialect: Dialect, value: dict[str, Any], draft: Draft | None = None) -> Draft:
    draft = draft or Draft(message="api_pix.pix")
    fields = JsonFields(value)
    fill(draft, fields, value, dialect.pix_entries)
    draft.extra = fields.rest()
    return draft


def test_every_file_of_the_folder_is_found_in_the_order_of_names() -> None:
    names = [module.name for module in pkgutil.iter_modules(dialects.__path__)]
    assert names == sorted(names)
    assert len(every()) == len(names)
    assert efi.DIALECT is every()[names.index("efi")]


def test_every_dialect_has_its_tests() -> None:
    here = {path.stem for path in (Path(__file__).parent / "dialects").glob("test_*.py")}
    assert {f"test_{module.name}" for module in pkgutil.iter_modules(dialects.__path__)} == here


def test_no_two_dialects_share_a_mark() -> None:
    marks = list(chain.from_iterable(dialect.marks for dialect in every()))
    assert len(marks) == len(set(marks))


@pytest.mark.parametrize("target", ["amout", "payer.name", "extra", "flags", "message", ""])
@pytest.mark.parametrize("table", ["pix", "returns"])
def test_a_target_that_nothing_can_fill_is_refused_at_once(table: str, target: str) -> None:
    with pytest.raises(ValueError, match="a dialect cannot fill"):
        Dialect(**{table: {"campo": target}})  # type: ignore[arg-type]


def test_the_specification_comes_first_and_then_the_first_line() -> None:
    dialect = Dialect(pix={"a": "txid", "b": "txid", "c": "amount"})
    draft = filled(dialect, {"a": None, "b": "t", "c": "2"}, Draft(message="", amount="1"))
    assert (draft.txid, draft.amount, draft.extra) == ("t", "1", {"c": "2"})


def test_a_path_leads_through_objects_and_ends_where_there_is_none() -> None:
    dialect = Dialect(pix={"a.b.c": "txid", "a.d.e": "reason", "a.f": "texts"})
    draft = filled(dialect, {"a": {"b": {"c": "t", "x": 1}, "d": "text", "f": "Ana"}})
    assert (draft.txid, draft.reason, draft.texts) == ("t", None, {"a.f": "Ana"})
    assert draft.extra == {"a": {"b": {"x": 1}, "d": "text"}}


def test_a_person_is_filled_as_a_whole_or_field_by_field() -> None:
    dialect = Dialect(
        pix={
            "quem": "payee",
            "documento": "payer.document",
            "banco": "payer.ispb",
            "tipo": "payer.account_type",
        }
    )
    person = {"cpf": "00000000001", "conta": "2", "nome": "Ana"}
    value = {"quem": person, "documento": "3", "banco": "364", "tipo": "corrente"}
    draft = filled(dialect, value)
    assert draft.payee == Person(document="00000000001", account="2")
    assert draft.payer == Person(document="3", account_type="CACC")
    assert draft.texts == {"quem.nome": "Ana"}
    assert draft.extra == {"banco": "364"}


def test_a_converter_reads_a_text_or_leaves_it() -> None:
    dialect = Dialect(
        pix={"centavos": "amount", "tarifa": "reason"},
        converters={"centavos": lambda text: text + "!", "tarifa": lambda _: None},
    )
    draft = filled(dialect, {"centavos": 7, "tarifa": "x"})
    assert (draft.amount, draft.reason, draft.extra) == ("7!", None, {"tarifa": "x"})


@pytest.mark.parametrize(
    ("converters", "value", "irregular"),
    [({}, 7, True), ({"n": str}, 7, False), ({"n": str}, True, True), ({"n": str}, [], True)],
)
def test_a_number_is_regular_only_for_a_converter(
    converters: dict[str, Any], value: object, *, irregular: bool
) -> None:
    fields = JsonFields({"n": value})
    entries = Dialect(pix={"n": "amount"}, converters=converters).pix_entries
    fill(Draft(message="api_pix.pix"), fields, {"n": value}, entries)
    assert fields.irregular is irregular


def test_a_status_is_translated_for_its_message_and_otherwise_stays() -> None:
    dialect = Dialect(statuses={RECEIVED: {"PAGO": None}, SENT: {"PAGO": "REALIZADO"}})
    assert dialect.status(RECEIVED, "PAGO") is None
    assert dialect.status(SENT, "PAGO") == "REALIZADO"
    assert dialect.status(SENT, "NOVO") == "NOVO"
    assert dialect.status(RETURN, "PAGO") == "PAGO"


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ({"a": {"b": None}}, True),
        ({"a": {"c": 1}}, False),
        ({"a": "b"}, False),
        ({"tipo": "DEBITO"}, True),
        ({"tipo": "CREDITO"}, False),
        ({"tipo": ["DEBITO"]}, False),
        ({}, False),
    ],
)
def test_a_pix_was_sent_if_a_field_is_there_or_holds_a_word(
    value: dict[str, Any], *, sent: bool
) -> None:
    dialect = Dialect(sent={"a.b": ANY, "tipo": {"DEBITO"}})
    assert dialect.says_sent(value) is sent
