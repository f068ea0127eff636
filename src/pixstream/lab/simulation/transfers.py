"""The values of the simulated traffic: a Pix, its returns, and functions that create them.

Amounts are integer centavos, times timezone-aware UTC. A transfer does not know the documents that
report it; `api_documents`, `log_lines` and `spi_messages` write them.
"""

from __future__ import annotations

import datetime as dt
import string
from typing import TYPE_CHECKING

import msgspec

from pixstream.event import identifiers
from pixstream.event.model import Status
from pixstream.lab.simulation.world import Device, Holder

if TYPE_CHECKING:
    from random import Random

_ALNUM = string.ascii_letters + string.digits
CHANNELS = ("app", "app", "app", "web", "api", "atm")
REJECTIONS = ("AB03", "AC03", "AC06", "AM04", "BE01", "DS04", "ED05", "FRAD")
"""Some of the 45 reasons of a pacs.002 RJCT."""

NATURES = {
    "MD06": "ORIGINAL",
    "SL02": "RETIRADA",
    "BE08": "MED_OPERACIONAL",
    "FR01": "MED_FRAUDE",
}
"""Reason of a pacs.004 and the `natureza` of the same return in API Pix."""


class Return(msgspec.Struct, frozen=True, kw_only=True):
    """A full or partial return (devolução).

    Attributes:
        number: the `id` chosen by the receiver; unique per Pix.
        outcome: initiated (still in progress), settled or rejected.
        reason: reason code of the pacs.004.
    """

    rtr_id: str
    number: str
    centavos: int
    requested: dt.datetime
    outcome: Status
    reason: str = "MD06"
    text: str | None = None

    @property
    def settled(self) -> dt.datetime:
        """Time of its outcome."""
        return self.requested + dt.timedelta(seconds=4)


class Transfer(msgspec.Struct, frozen=True, kw_only=True):
    """One Pix between two holders.

    Attributes:
        outcome: settled or rejected.
        told: time of its documents; later than `when` for a return of an old Pix.
        pattern: name of its fraud pattern; None for honest traffic.
        case: name of the occurrence of the pattern.
    """

    e2e: str
    when: dt.datetime
    told: dt.datetime
    centavos: int
    payer: Holder
    payee: Holder
    device: Device
    key: str | None = None
    txid: str | None = None
    initiation: str = "DICT"
    purpose: str = "IPAY"
    outcome: Status = Status.SETTLED
    reason: str | None = None
    text: str | None = None
    channel: str = "app"
    pattern: str | None = None
    case: str | None = None
    returns: tuple[Return, ...] = ()

    @property
    def old(self) -> bool:
        """Whether the Pix itself was reported long ago and only its return is new."""
        return self.told != self.when

    def after(self, seconds: float) -> dt.datetime:
        """Return the time that many seconds after the payer's order."""
        return self.when + dt.timedelta(seconds=seconds)


def transfer(  # noqa: PLR0913  one argument a fact of the order
    rng: Random,
    payer: Holder,
    payee: Holder,
    *,
    when: dt.datetime,
    centavos: int,
    initiation: str = "DICT",
    device: Device | None = None,
    text: str | None = None,
    pattern: str | None = None,
    case: str | None = None,
) -> Transfer:
    """Return a settled Pix with the EndToEndId, key and txid that its form of initiation requires.

    The EndToEndId has the ISPB of the payer's bank. SPI rules: MANU and AUTO have no key. QRDN and
    APDN have a txid of 26 to 35 characters; QRES, APES and INIC one of up to 25; DICT and MANU
    none.
    """
    return Transfer(
        e2e=identifiers.e2e(payer.ispb, when, rng),
        when=when,
        told=when,
        centavos=centavos,
        payer=payer,
        payee=payee,
        device=device or payer.device,
        key=None if initiation in {"MANU", "AUTO"} else rng.choice(payee.keys),
        txid=_txid(rng, initiation),
        initiation=initiation,
        text=text,
        channel=rng.choice(CHANNELS),
        pattern=pattern,
        case=case,
    )


def give_back(
    rng: Random,
    origin: Transfer,
    centavos: int,
    requested: dt.datetime,
    *,
    outcome: Status = Status.SETTLED,
    reason: str = "MD06",
    text: str | None = None,
) -> Return:
    """Return a return ordered by the payee of `origin`, with an RtrId of the payee's bank."""
    return Return(
        rtr_id=identifiers.rtr(origin.payee.ispb, requested, rng),
        number="".join(rng.choices(_ALNUM, k=12)),
        centavos=centavos,
        requested=requested,
        outcome=outcome,
        reason=reason,
        text=text,
    )


def _txid(rng: Random, initiation: str) -> str | None:
    if initiation in {"QRDN", "APDN"}:
        return "".join(rng.choices(_ALNUM, k=rng.randint(26, 35)))
    if initiation in {"QRES", "APES", "INIC"}:
        return "".join(rng.choices(_ALNUM, k=rng.randint(8, 25)))
    return None
