from typing import Any

import pytest

from pixstream.errors import Refused
from pixstream.event import routing
from pixstream.event.categories import Category
from pixstream.event.model import Direction, Draft, Flag, Person, Reason, Status

OWN = frozenset({"11111111"})
E2E_OF_OTHER = "E22222222202603090101abcdefghijk"


def draft(message: str, status: str | None = None, **fields: Any) -> Draft:
    return Draft(message=message, status=status, **fields)


def test_every_row_is_reachable_and_unique() -> None:
    assert len({(r.message, r.status) for r in routing.TABLE}) == len(routing.TABLE)
    for rule in routing.TABLE:
        route = routing.route(draft(rule.message, rule.status), OWN)
        assert route.status == rule.canonical
        assert rule.category is None or route.category == rule.category


@pytest.mark.parametrize("purpose", ["REFU", "IPRT"])
def test_a_pacs008_that_gives_money_back_is_an_estorno(purpose: str) -> None:
    assert routing.route(draft("spi.pacs.008", purpose=purpose), OWN).category == Category.ESTORNO


def test_a_status_or_entry_about_a_return_is_an_estorno() -> None:
    settled = routing.route(draft("spi.pacs.002", "ACSC", return_id="D1"), OWN)
    assert (settled.category, settled.status) == (Category.ESTORNO, Status.SETTLED)
    assert routing.route(draft("spi.camt.054", "DBIT", return_id="D1"), OWN).category == "estorno"


@pytest.mark.parametrize(
    ("fields", "category"),
    [
        ({"payer": Person(ispb="11111111"), "payee": Person(ispb="3")}, "pagamento"),
        ({"payer": Person(ispb="3"), "payee": Person(ispb="11111111")}, "recebimento"),
        ({"sender_ispb": routing.SPI_ISPB, "receiver_ispb": "22222222"}, "recebimento"),
        ({"sender_ispb": "22222222", "receiver_ispb": routing.SPI_ISPB}, "pagamento"),
    ],
)
def test_the_side_of_a_pacs008(fields: dict[str, Any], category: str) -> None:
    route = routing.route(draft("spi.pacs.008", **fields), OWN)
    assert (route.category, route.flags) == (category, ())


@pytest.mark.parametrize(("bank", "category"), [("22222222", "pagamento"), ("3", "recebimento")])
def test_a_rejection_belongs_to_the_bank_that_generated_the_id(bank: str, category: str) -> None:
    message = draft(
        "spi.pacs.002",
        "RJCT",
        end_to_end_id=E2E_OF_OTHER,
        sender_ispb=routing.SPI_ISPB,
        receiver_ispb=bank,
    )
    assert routing.route(message, OWN).category == category


def test_an_acceptance_is_the_payees_banks_word() -> None:
    message = draft("spi.pacs.002", "ACSP", sender_ispb="3", receiver_ispb=routing.SPI_ISPB)
    assert routing.route(message, OWN).category == Category.RECEBIMENTO


def test_a_side_that_nothing_tells_is_assumed_and_flagged() -> None:
    route = routing.route(draft("spi.pacs.008"), OWN)
    assert (route.category, route.flags) == (Category.PAGAMENTO, (Flag.CATEGORY_ASSUMED,))


@pytest.mark.parametrize(
    ("message", "status", "reason"),
    [
        ("spi.pacs.002", "ACWC", Reason.STATUS_UNKNOWN),
        ("spi.pacs.002", None, Reason.STATUS_UNKNOWN),
        ("spi.pain.009", None, Reason.MESSAGE_UNKNOWN),
    ],
)
def test_what_no_row_knows_is_refused(message: str, status: str | None, reason: str) -> None:
    with pytest.raises(Refused) as refused:
        routing.route(draft(message, status), OWN)
    assert refused.value.reason == reason


@pytest.mark.parametrize(
    ("payer", "payee", "expected"),
    [
        ("11111111", "3", Direction.OUT),
        ("3", "11111111", Direction.IN),
        ("11111111", "11111111", Direction.INTERNAL),
        ("3", None, Direction.UNKNOWN),
    ],
)
def test_direction(payer: str | None, payee: str | None, expected: Direction) -> None:
    message = draft("api_pix.pix", payer=Person(ispb=payer), payee=Person(ispb=payee))
    assert routing.direction(message, OWN) == expected


def test_the_identity_depends_on_category_identifier_and_status_only() -> None:
    one = routing.event_id(Category.PAGAMENTO, "E1", Status.SETTLED)
    assert len(one) == 32
    others = {
        routing.event_id(Category.RECEBIMENTO, "E1", Status.SETTLED),
        routing.event_id(Category.PAGAMENTO, "e1", Status.SETTLED),
        routing.event_id(Category.PAGAMENTO, "E1", Status.REJECTED),
    }
    assert one not in others
    assert len(others) == 3
