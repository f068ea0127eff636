"""Maps a message and its status to a category and a canonical status, and so to an `event_id`.

Only `TABLE` decides this; docs/reference/routing.md is generated from it. Sources:
API Pix 2.9.0 (Pix, Devolucao), the SPI message catalogue 5.13.1 (pacs.002 TxSts, pacs.008 Purp,
pacs.004, camt.054), Efí's documentation of sent Pix.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

from pixstream.errors import Refused
from pixstream.event import identifiers
from pixstream.event.categories import Category
from pixstream.event.model import Direction, Flag, Reason, Status

if TYPE_CHECKING:
    from pixstream.event.model import Draft

ANY = None
SPI_ISPB = "00038166"
"""The ISPB of the Banco Central, which is one end of every SPI message."""

RETURN_PURPOSES = frozenset({"REFU", "IPRT"})
"""pacs.008 purposes that return money: MED of Pix Automático, MED 2.0 from own funds."""


class Rule(NamedTuple):
    """One row: a draft's `message` and `status` (ANY: the message has none), and their meaning.

    `category` None: it depends on the side, see `side`.
    """

    message: str
    status: str | None
    category: Category | None
    canonical: Status


P, R, E = Category.PAGAMENTO, Category.RECEBIMENTO, Category.ESTORNO

_LOG_STATUSES = {
    "iniciado": Status.INITIATED,
    "aceito": Status.ACCEPTED,
    "liquidado": Status.SETTLED,
    "rejeitado": Status.REJECTED,
}

TABLE: tuple[Rule, ...] = (
    Rule("api_pix.pix", ANY, R, Status.SETTLED),
    Rule("api_pix.devolucao", "EM_PROCESSAMENTO", E, Status.INITIATED),
    Rule("api_pix.devolucao", "DEVOLVIDO", E, Status.SETTLED),
    Rule("api_pix.devolucao", "NAO_REALIZADO", E, Status.REJECTED),
    Rule("api_pix.enviado", "EM_PROCESSAMENTO", P, Status.INITIATED),
    Rule("api_pix.enviado", "REALIZADO", P, Status.SETTLED),
    Rule("api_pix.enviado", "NAO_REALIZADO", P, Status.REJECTED),
    Rule("spi.pacs.008", ANY, None, Status.INITIATED),
    Rule("spi.pacs.004", ANY, E, Status.INITIATED),
    Rule("spi.pacs.002", "ACSP", None, Status.ACCEPTED),
    Rule("spi.pacs.002", "ACSC", P, Status.SETTLED),
    Rule("spi.pacs.002", "ACCC", R, Status.SETTLED),
    Rule("spi.pacs.002", "RJCT", None, Status.REJECTED),
    Rule("spi.camt.054", "DBIT", P, Status.SETTLED),
    Rule("spi.camt.054", "CRDT", R, Status.SETTLED),
    *(
        Rule(f"log.{category}", word, category, status)
        for category in Category
        for word, status in _LOG_STATUSES.items()
    ),
)

_CONTRADICTIONS = {(R, Direction.OUT), (P, Direction.IN)}
_RULES = {(rule.message, rule.status): rule for rule in TABLE}
MESSAGES = frozenset(rule.message for rule in TABLE)


class Route(NamedTuple):
    """The classification of one draft."""

    category: Category
    status: Status
    direction: Direction
    flags: tuple[str, ...] = ()


def route(draft: Draft, own_ispbs: frozenset[str]) -> Route:
    """Classify a draft.

    A draft with a `return_id`, or with a purpose of `RETURN_PURPOSES`, is an estorno whatever the
    row says: pacs.008 messages with REFU or IPRT return money, and a pacs.002 or camt.054 about a
    return carries its D identifier.

    Raises:
        Refused: `TABLE` has no row for this message and status, or the parties contradict it: a
            receipt whose payer is ours and whose payee is not, or the other way around.
    """
    rule = _RULES.get((draft.message, draft.status)) or _RULES.get((draft.message, ANY))
    if rule is None:
        if draft.message not in MESSAGES:
            raise Refused(Reason.MESSAGE_UNKNOWN, "no rule for this kind of message")
        raise Refused(Reason.STATUS_UNKNOWN, "status: absent, or unknown for this kind of message")
    towards = direction(draft, own_ispbs)
    if draft.return_id or draft.purpose in RETURN_PURPOSES:
        return Route(Category.ESTORNO, rule.canonical, towards)
    category = rule.category
    if category is None:
        category = side(draft, own_ispbs)
        if category is None:
            return Route(P, rule.canonical, towards, (Flag.CATEGORY_ASSUMED,))
    elif (category, towards) in _CONTRADICTIONS and _both_known(draft):
        raise Refused(
            Reason.CONTRADICTORY,
            f"the message is about a {category}, but by the ISPBs of its parties the money goes "
            f"{towards}",
        )
    flags = () if _issued_by_payer(draft) else (Flag.ID_ISSUER_IRREGULAR,)
    return Route(category, rule.canonical, towards, flags)


def side(draft: Draft, own_ispbs: frozenset[str]) -> Category | None:
    """Return which side an SPI message belongs to: the payer's bank (pagamento) or the payee's.

    Checked in this order: the agents, if exactly one is ours; the message's route (a pacs.008 from
    the SPI goes to the payee's bank, one to the SPI comes from the payer's; the payee's bank sends
    ACSP); the issuer in the E2E identifier, compared with the bank that sent or got the message.
    """
    ours = (draft.payer.ispb in own_ispbs, draft.payee.ispb in own_ispbs)
    if ours[0] != ours[1]:
        return P if ours[0] else R
    from_spi, to_spi = draft.sender_ispb == SPI_ISPB, draft.receiver_ispb == SPI_ISPB
    if draft.message == "spi.pacs.008" and from_spi != to_spi:
        return R if from_spi else P
    if draft.status == "ACSP" and to_spi:
        return R
    bank = draft.receiver_ispb if from_spi else draft.sender_ispb if to_spi else None
    if bank and draft.end_to_end_id:
        return P if draft.end_to_end_id[1:9] == bank else R
    return None


def direction(draft: Draft, own_ispbs: frozenset[str]) -> Direction:
    """Return the money's direction seen from our own ISPBs; unknown when neither side is ours."""
    ours = (draft.payer.ispb in own_ispbs, draft.payee.ispb in own_ispbs)
    if all(ours):
        return Direction.INTERNAL
    if any(ours):
        return Direction.OUT if ours[0] else Direction.IN
    return Direction.UNKNOWN


def _both_known(draft: Draft) -> bool:
    return bool(draft.payer.ispb and draft.payee.ispb)


def _issued_by_payer(draft: Draft) -> bool:
    """Return whether the payer's participant issued the EndToEndId, as far as both are known.

    In a payment initiation (INIC) the initiator issues it.
    """
    if not draft.payer.ispb or draft.initiation == "INIC":
        return True
    regular = identifiers.E2E.fullmatch(draft.end_to_end_id or "")
    return regular is None or regular[0][1:9] == draft.payer.ispb


def event_id(category: Category, identifier: str, status: Status) -> str:
    """Return the 128-bit identity of a fact, 32 hex digits: the same from every source.

    Args:
        category: part of the identity, since both banks of a Pix may be ours.
        identifier: RtrId of a return, else EndToEndId; case-sensitive, as in the SPI.
        status: canonical status.
    """
    text = f"{category.value}\x1f{identifier}\x1f{status.value}"
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
