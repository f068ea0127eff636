"""The ordinary payments of people and shops: payee, amount, form of initiation, and returns.

Amounts are log-normal around the median of their kind; payers mostly pay the few payees they know.
"""

from __future__ import annotations

import datetime as dt
import math
from typing import TYPE_CHECKING, Literal

import msgspec

from pixstream.event.model import Status
from pixstream.lab.simulation import names
from pixstream.lab.simulation.transfers import REJECTIONS, Return, Transfer, give_back, transfer

if TYPE_CHECKING:
    from random import Random

    from pixstream.lab.simulation.world import Holder, World

SHOP_RECEIPT, PERSON_OUT, PERSON_IN, INTERNAL, SHOP_OUT = range(5)
KINDS = (SHOP_RECEIPT, PERSON_OUT, PERSON_IN, INTERNAL, SHOP_OUT)
KIND_WEIGHTS = (70, 11, 9, 3, 7)
MEDIANS = (4_500, 8_000, 8_000, 12_000, 60_000)

Fate = Literal["plain", "rejected", "returned", "old return", "withdrawal", "refund"]
FATES: tuple[Fate, ...] = ("plain", "rejected", "returned", "old return", "withdrawal", "refund")
FATE_WEIGHTS = (90, 2, 4, 1, 1, 2)

RETURN_OUTCOMES = (Status.SETTLED, Status.INITIATED, Status.REJECTED)

SHOP_FORMS = {"QRDN": 55, "QRES": 15, "APDN": 5, "INIC": 5, "DICT": 20}
FORMS = {"DICT": 80, "MANU": 12, "QRES": 6, "AUTO": 2}
"""Forms of initiation and their weights, at shops and elsewhere."""


class Habits:
    """A generator of honest transfers.

    Args:
        world: the payers and payees.
        rng: randomness of the traffic.
        end: latest time of a return.
    """

    def __init__(self, world: World, rng: Random, end: dt.datetime) -> None:
        self._world = world
        self._rng = rng
        self._end = end

    def ordinary(self, moment: dt.datetime) -> Transfer:
        """Return an honest transfer at that time, with a random fate."""
        rng = self._rng
        kind = rng.choices(KINDS, KIND_WEIGHTS)[0]
        payer, payee = self._sides(kind)
        made = transfer(
            rng,
            payer,
            payee,
            when=moment,
            centavos=self._amount(MEDIANS[kind]),
            initiation=self._initiation(kind),
            text=rng.choice(names.MESSAGES) if self._happens(0.4) else None,
        )
        return self._fate(made, kind, rng.choices(FATES, FATE_WEIGHTS)[0])

    def _fate(self, made: Transfer, kind: int, fate: Fate) -> Transfer:
        rng = self._rng
        if fate == "rejected":
            reason = rng.choice(REJECTIONS)
            return msgspec.structs.replace(made, outcome=Status.REJECTED, reason=reason)
        if fate == "returned":
            return msgspec.structs.replace(made, returns=self._returns(made))
        if fate == "old return":
            return self._old_return(made)
        if fate == "withdrawal" and kind == SHOP_RECEIPT:
            return msgspec.structs.replace(made, purpose=rng.choice(("OTHR", "GSCB")))
        if fate == "refund" and kind == PERSON_IN:
            return msgspec.structs.replace(made, purpose=rng.choice(("REFU", "IPRT")))
        return made

    def _happens(self, probability: float) -> bool:
        return self._rng.random() < probability

    def _sides(self, kind: int) -> tuple[Holder, Holder]:
        world = self._world
        if kind == SHOP_RECEIPT:
            payers = world.other_people if self._happens(0.8) else world.own_people
            return self._pair(payers, world.own_shops)
        if kind == PERSON_OUT:
            payees = world.other_people if self._happens(0.7) else world.other_shops
            return self._pair(world.own_people, payees)
        if kind == PERSON_IN:
            return self._pair(world.other_people, world.own_people)
        if kind == INTERNAL:
            return self._pair(world.own_people, world.own_people)
        return self._pair(world.own_shops, world.other_shops)

    def _pair(self, payers: list[Holder], payees: list[Holder]) -> tuple[Holder, Holder]:
        """Return a payer and, in four of five cases, one of the six payees this payer knows."""
        rng = self._rng
        place = rng.randrange(len(payers))
        circle = place * 31 + rng.randrange(6) * 17 + 1
        if self._happens(0.2):
            circle = rng.randrange(len(payees))
        payee = payees[circle % len(payees)]
        payer = payers[place]
        return payer, payee if payee is not payer else payees[(circle + 1) % len(payees)]

    def _amount(self, median: int) -> int:
        centavos = max(1, round(self._rng.lognormvariate(math.log(median), 1.1)))
        return max(1, centavos // 100) * 100 if self._happens(0.4) else centavos

    def _initiation(self, kind: int) -> str:
        forms = SHOP_FORMS if kind == SHOP_RECEIPT else FORMS
        return self._rng.choices(list(forms), list(forms.values()))[0]

    def _returns(self, origin: Transfer) -> tuple[Return, ...]:
        """Return one full or partial return, sometimes two; some are in progress or refused."""
        rng = self._rng
        parts = 1 if self._happens(0.85) else 2
        centavos = origin.centavos if self._happens(0.6) else max(1, origin.centavos // 3)
        room = max(0.0, (self._end - origin.when).total_seconds() - 10)
        return tuple(
            give_back(
                rng,
                origin,
                max(1, centavos // parts),
                origin.after(min(room, rng.uniform(60, 7_200))),
                outcome=rng.choices(RETURN_OUTCOMES, (8, 1, 1))[0],
                reason=rng.choices(("MD06", "BE08", "FR01"), (8, 1, 1))[0],
                text=rng.choice((None, "produto em falta")),
            )
            for _ in range(parts)
        )

    def _old_return(self, made: Transfer) -> Transfer:
        """Return a Pix that is about two months old, whose return is reported now."""
        rng = self._rng
        when = made.when - dt.timedelta(days=rng.uniform(50, 70))
        when = when.replace(microsecond=when.microsecond // 1000 * 1000)
        old = transfer(
            rng,
            made.payer,
            made.payee,
            when=when,
            centavos=made.centavos,
            initiation=made.initiation,
            text=made.text,
        )
        returned = give_back(rng, old, old.centavos, made.when - dt.timedelta(seconds=5))
        return msgspec.structs.replace(old, told=made.when, returns=(returned,))
