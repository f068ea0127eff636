from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING

import pytest
from lxml import etree

from pixstream.lab.simulation.offers import plan
from pixstream.lab.simulation.pieces import ISO20022

if TYPE_CHECKING:
    from pathlib import Path

    from pixstream.lab.simulation.batches import Offer

MESSAGES = {"pacs.008": "1.16", "pacs.002": "1.17"}
LARGEST_FILE = 10
NOW = dt.datetime(2026, 11, 23, 15, 30, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def files() -> list[Offer]:
    offers = plan(6_000, 3, now=NOW, sources=(ISO20022,))
    return [offer for offer in offers if not offer.malformed]


def schema(shared: Path, message: str) -> etree.XMLSchema:
    """The official schema; the signature is optional, as in the official examples."""
    path = shared / "domain" / "xsd" / f"{message}.spi.{MESSAGES[message]}.xsd"
    document = etree.parse(path)
    for wildcard in document.iter("{http://www.w3.org/2001/XMLSchema}any"):
        wildcard.set("minOccurs", "0")
    return etree.XMLSchema(document)


@pytest.mark.parametrize("message", MESSAGES)
def test_messages_are_valid_by_the_official_schemas(
    shared: Path, files: list[Offer], message: str
) -> None:
    official = schema(shared, message)
    rendered = [offer for offer in files if f"-{message}-" in offer.name]

    assert len(rendered) > 100
    for offer in rendered:
        official.assertValid(etree.fromstring(offer.content).getroottree())


@pytest.mark.parametrize(
    ("message", "sample"),
    [
        ("pacs.008", "pacs.008_CONTA_1_msg.xml"),
        ("pacs.008", "pacs.008_END_1_msg.xml"),
        ("pacs.002", "pacs.002_PSP_1_msg.xml"),
        ("pacs.002", "pacs.002_SPI_1_msg.xml"),
        ("pacs.004", "pacs.004.spi.1.3__devolucao_01.xml"),
    ],
)
def test_messages_hold_what_the_official_samples_hold_in_their_order(
    shared: Path, files: list[Offer], message: str, sample: str
) -> None:
    expected = paths((shared / "samples" / "spi" / sample).read_bytes())
    rendered = {
        path for offer in files if f"-{message}-" in offer.name for path in paths(offer.content)
    }

    assert set(expected) - rendered <= {"Envelope/Document/FIToFIPmtStsRpt/TxInfAndSts/AddtlInf"}


def paths(xml: bytes) -> list[str]:
    """Paths of local names, in document order."""
    root = etree.fromstring(xml)
    return [
        "/".join(
            re.sub(r"^\{.*\}", "", str(e.tag))
            for e in [*reversed(list(element.iterancestors())), element]
        )
        for element in root.iter("*")
    ]


def test_all_four_messages_go_both_ways_where_they_can(files: list[Offer]) -> None:
    kinds = {offer.name.removeprefix("again-").split("-", 1)[1] for offer in files}

    assert kinds == {
        "pacs.008-in.xml",
        "pacs.008-out.xml",
        "pacs.002-in.xml",
        "pacs.002-out.xml",
        "pacs.004-in.xml",
        "pacs.004-out.xml",
        "camt.054-in.xml",
    }


def test_a_file_holds_one_or_more_transactions_and_says_how_many(files: list[Offer]) -> None:
    counts = set()
    for offer in files:
        told = len(offer.facts) + offer.repeats
        counts.add(told)
        announced = re.search(rb"<NbOfTxs>(\d+)</NbOfTxs>", offer.content)
        if announced:
            assert int(announced[1]) == told

    assert min(counts) == 1
    assert max(counts) == LARGEST_FILE


def test_message_ids_and_file_names_are_unique_but_for_repeated_files(
    files: list[Offer],
) -> None:
    fresh = [offer for offer in files if not offer.name.startswith("again-")]
    ids = [re.search(rb"<MsgId>(M\w{31})</MsgId>", offer.content) for offer in fresh]

    assert len({offer.name for offer in files}) == len(files)
    assert len({found[1] for found in ids if found}) == len(fresh)


def test_refunds_and_withdrawals_are_told_by_their_purpose(
    files: list[Offer],
) -> None:
    told = b"".join(offer.content for offer in files)

    for purpose in (b"IPAY", b"REFU", b"IPRT"):
        assert b"<Purp><Cd>" + purpose in told
