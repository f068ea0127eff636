"""Which message and status is which category and canonical status, hence which `event_id`.

`TABLE` is the one place of this decision; docs/reference/routing.md is generated from it. Sources:
API Pix 2.9.0 (Pix, Devolucao), the SPI message catalogue 5.13.1 (pacs.002 TxSts, pacs.008 Purp,
pacs.004, camt.054), Efí's documentation of sent Pix.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

from pixstream.errors import Refused
from pixstream.event.categories import Category
from pixstream.event.model import Direction, Flag, Reason, Status

if TYPE_CHECKING:
    from pixstream.event.model import Draft

ANY = None
SPI_ISPB = "00038166"
"""The Banco Central's own ISPB: one end of every SPI message."""

RETURN_PURPOSES = frozenset({"REFU", "IPRT"})
"""pacs.008 purposes that give money back: MED of Pix Automático, MED 2.0 from own funds."""


class Rule(NamedTuple):
    """One row: a draft's `message` and `status` (ANY: none is told) and what they mean.

    `category` None: the side decides, see `side`.
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

_RULES = {(rule.message, rule.status): rule for rule in TABLE}
MESSAGES = frozenset(rule.message for rule in TABLE)


class Route(NamedTuple):
    """The decision about one draft."""

    category: Category
    status: Status
    flags: tuple[str, ...]


def route(draft: Draft, own_ispbs: frozenset[str]) -> Route:
    """Classify a draft.

    A draft with a `return_id`, or with a purpose of `RETURN_PURPOSES`, is an estorno whatever the
    row says: REFU and IPRT are pacs.008 messages that give money back, and a pacs.002 or camt.054
    about a return names its D identifier.

    Raises:
        Refused: `TABLE` has no row for this message and status.
    """
    rule = _RULES.get((draft.message, draft.status)) or _RULES.get((draft.message, ANY))
    if rule is None:
        if draft.message not in MESSAGES:
            raise Refused(Reason.MESSAGE_UNKNOWN, "no rule for this kind of message")
        raise Refused(Reason.STATUS_UNKNOWN, "status: absent, or no known one of this message")
    if draft.return_id or draft.purpose in RETURN_PURPOSES:
        return Route(Category.ESTORNO, rule.canonical, ())
    if rule.category is not None:
        return Route(rule.category, rule.canonical, ())
    category = side(draft, own_ispbs)
    if category is None:
        return Route(Category.PAGAMENTO, rule.canonical, (Flag.CATEGORY_ASSUMED,))
    return Route(category, rule.canonical, ())


def side(draft: Draft, own_ispbs: frozenset[str]) -> Category | None:
    """Tell whose message an SPI message is: the payer's bank's (pagamento) or the payee's.

    In this order: the agents, where exactly one is ours; the way of the message (a pacs.008 from
    the SPI reaches the payee's bank, one to the SPI comes from the payer's; an ACSP is the payee's
    bank's word); the generator in the E2E identifier against the bank that sent or got the message.
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
    """Money's way seen from the own ISPBs; unknown when neither side is one of them."""
    ours = (draft.payer.ispb in own_ispbs, draft.payee.ispb in own_ispbs)
    if all(ours):
        return Direction.INTERNAL
    if any(ours):
        return Direction.OUT if ours[0] else Direction.IN
    return Direction.UNKNOWN


def event_id(category: Category, identifier: str, status: Status) -> str:
    """128-bit identity of a fact, 32 hex digits: the same whichever source tells it.

    Args:
        category: part of the identity, since both banks of a Pix may be ours.
        identifier: RtrId of a return, else EndToEndId; case-sensitive, as the SPI's.
        status: canonical status.
    """
    text = f"{category.value}\x1f{identifier}\x1f{status.value}"
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
