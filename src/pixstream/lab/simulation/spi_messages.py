"""The ISO 20022 messages of a transfer in the SPI: pacs.008, pacs.002, pacs.004 and camt.054.

The structure follows the message catalogue 5.13.1. One file contains transactions of one message,
all in the same direction. Only transfers that cross the SPI have messages, not those within the own
institution.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixstream.event.categories import Category
from pixstream.event.model import Status
from pixstream.event.routing import RETURN_PURPOSES
from pixstream.lab.simulation import spi_xml
from pixstream.lab.simulation.pieces import ISO20022, Fact, Group, Piece

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator
    from random import Random

    from pixstream.lab.simulation.transfers import Return, Transfer

P, R, E = Category.PAGAMENTO, Category.RECEBIMENTO, Category.ESTORNO


def transactions(transfer: Transfer, rng: Random) -> list[Piece]:
    """Return the transactions of a transfer and its returns that the own institution sees."""
    if transfer.payer.own == transfer.payee.own:
        return []
    pieces = [] if transfer.old else list(_payment(transfer, rng))
    for returned in transfer.returns:
        pieces += _returned(transfer, returned, rng)
    return pieces


def _payment(transfer: Transfer, rng: Random) -> Iterator[Piece]:
    """Yield order, acceptance if the payee's bank is ours, then the SPI's report or booking."""
    out, e2e, when = transfer.payer.own, transfer.e2e, transfer.when
    refund = transfer.purpose in RETURN_PURPOSES
    category = E if refund else P if out else R
    way = "out" if out else "in"
    yield _piece(
        "pacs.008", way, spi_xml.pacs008(transfer), when, (category, e2e, Status.INITIATED)
    )
    if transfer.outcome == Status.REJECTED:
        fact = (category, e2e, Status.REJECTED)
        status = spi_xml.pacs002(e2e, e2e, "RJCT", transfer.after(3), transfer.reason)
        yield _piece("pacs.002", "in" if out else "out", status, transfer.after(3), fact)
        return
    fact = (category, e2e, Status.SETTLED)
    if refund or rng.randrange(4) == 0:
        # a pacs.002 does not contain the purpose, so only the booking reports a settled refund
        yield _piece("camt.054", "in", spi_xml.camt054(transfer, None), transfer.after(4), fact)
        return
    if not out:
        accepted = spi_xml.pacs002(e2e, e2e, "ACSP", transfer.after(1))
        yield _piece("pacs.002", "out", accepted, transfer.after(1), (R, e2e, Status.ACCEPTED))
    settled = spi_xml.pacs002(e2e, e2e, "ACSC" if out else "ACCC", transfer.after(2))
    yield _piece("pacs.002", "in", settled, transfer.after(2), fact)


def _returned(transfer: Transfer, returned: Return, rng: Random) -> Iterator[Piece]:
    """Yield the same for a return, which the original payee orders."""
    out, rtr, when = transfer.payee.own, returned.rtr_id, returned.requested
    way = "out" if out else "in"
    yield _piece(
        "pacs.004", way, spi_xml.pacs004(transfer, returned), when, (E, rtr, Status.INITIATED)
    )
    if returned.outcome == Status.INITIATED:
        return
    fact, settled = (E, rtr, returned.outcome), returned.settled
    if returned.outcome == Status.REJECTED:
        status = spi_xml.pacs002(rtr, transfer.e2e, "RJCT", settled, "AM09")
        yield _piece("pacs.002", "in" if out else "out", status, settled, fact)
    elif rng.randrange(4) == 0:
        yield _piece("camt.054", "in", spi_xml.camt054(transfer, returned), settled, fact)
    else:
        if not out:
            accepted = spi_xml.pacs002(rtr, transfer.e2e, "ACSP", when)
            yield _piece("pacs.002", "out", accepted, when, (E, rtr, Status.ACCEPTED))
        status = spi_xml.pacs002(rtr, transfer.e2e, "ACSC" if out else "ACCC", settled)
        yield _piece("pacs.002", "in", status, settled, fact)


def _piece(
    message: str, way: str, text: str, when: dt.datetime, fact: tuple[Category, str, Status]
) -> Piece:
    group = Group(ISO20022, f"{message}/{way}")
    return Piece(group=group, content=text.encode(), when=when, facts=(Fact(*fact),))
