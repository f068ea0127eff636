"""Fraud patterns as short stories of transfers, each labelled with its pattern and case.

The patterns and their limits follow the DICT's situation types and the rules of Pix: a mule passes
money on within two hours; a new device may pay R$ 200 per transaction and R$ 1,000 per day; a
person may pay R$ 1,000 at night; R$ 15,000 is the limit of institutions without authorisation.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from random import Random
from typing import TypeAlias

import msgspec

from pixstream.event.values import BRASILIA
from pixstream.lab.simulation import names
from pixstream.lab.simulation.transfers import Transfer, give_back, transfer
from pixstream.lab.simulation.world import Holder, World

Story: TypeAlias = Callable[["Scene"], Iterator[Transfer]]

NIGHT_STARTS, NIGHT_ENDS = 20, 6
"""Local hours between which a person's limit is R$ 1,000."""


class Scene(msgspec.Struct):
    """The world and start of a story, and the label of its transfers."""

    world: World
    rng: Random
    start: dt.datetime
    pattern: str
    case: str

    def minutes(self, low: float, high: float) -> dt.datetime:
        """Return a random time between `low` and `high` minutes after the start."""
        return self.start + dt.timedelta(minutes=self.rng.uniform(low, high))

    def pay(self, payer: Holder, payee: Holder, when: dt.datetime, reais: float) -> Transfer:
        """Return a transfer of the story."""
        return transfer(
            self.rng,
            payer,
            payee,
            when=when,
            centavos=round(reais * 100),
            pattern=self.pattern,
            case=self.case,
        )


def mule(scene: Scene) -> Iterator[Transfer]:
    """Many payers pay one account, which passes nearly all of it on within two hours."""
    rng, world = scene.rng, scene.world
    account = rng.choice(world.own_people)
    total = 0.0
    for victim in rng.sample(world.other_people, rng.randint(6, 10)):
        amount = rng.uniform(200, 2_500)
        total += amount
        yield scene.pay(victim, account, scene.minutes(0, 40), amount)
    hops = rng.randint(2, 4)
    for payee in rng.sample(world.other_people, hops):
        yield scene.pay(account, payee, scene.minutes(45, 115), total * 0.95 / hops)


def account_takeover(scene: Scene) -> Iterator[Transfer]:
    """A new device drains an account to payees that it never paid, just at the limits."""
    rng, world = scene.rng, scene.world
    victim, device = rng.choice(world.own_people), world.new_device()
    for payee in rng.sample(world.other_people, rng.randint(4, 6)):
        payment = scene.pay(victim, payee, scene.minutes(0, 15), rng.choice((199.99, 200, 180)))
        yield msgspec.structs.replace(payment, device=device)


def social_engineering(scene: Scene) -> Iterator[Transfer]:
    """One or two high payments go to an unknown payee, with the message of a scam."""
    rng, world = scene.rng, scene.world
    victim, payee = rng.choice(world.own_people), rng.choice(world.other_people)
    for _ in range(rng.randint(1, 2)):
        payment = scene.pay(victim, payee, scene.minutes(0, 30), rng.uniform(3_000, 12_000))
        yield msgspec.structs.replace(payment, text=rng.choice(names.SCAM_MESSAGES))


def fragmentation(scene: Scene) -> Iterator[Transfer]:
    """Many payments just below a limit go to the same payee on one day."""
    rng, world = scene.rng, scene.world
    payer, payee = rng.choice(world.own_people), rng.choice(world.other_people)
    limit = rng.choice((200, 1_000, 15_000))
    for _ in range(rng.randint(6, 12)):
        yield scene.pay(payer, payee, scene.minutes(0, 110), limit - rng.uniform(0.01, 5))


def coercion(scene: Scene) -> Iterator[Transfer]:
    """Payments at the full night limit follow each other during the local night."""
    rng, world = scene.rng, scene.world
    scene.start = _next_night(scene.start)
    victim = rng.choice(world.own_people)
    for payee in rng.sample(world.other_people, rng.randint(2, 4)):
        yield scene.pay(victim, payee, scene.minutes(0, 45), rng.choice((1_000, 999, 990)))


def return_chain(scene: Scene) -> Iterator[Transfer]:
    """A receipt is returned in several parts, as fraud returns and as the payee's own."""
    rng, world = scene.rng, scene.world
    payee = rng.choice((rng.choice(world.own_shops), rng.choice(world.own_people)))
    for payer in rng.sample(world.other_people, rng.randint(2, 4)):
        receipt = scene.pay(payer, payee, scene.minutes(0, 30), rng.uniform(300, 4_000))
        parts = rng.randint(2, 3)
        returns = tuple(
            give_back(
                rng,
                receipt,
                receipt.centavos // parts,
                receipt.after(60 * rng.uniform(2, 60)),
                reason=rng.choice(("FR01", "MD06")),
            )
            for _ in range(parts)
        )
        yield msgspec.structs.replace(receipt, returns=returns)


STORIES: tuple[Story, ...] = (
    mule,
    account_takeover,
    social_engineering,
    fragmentation,
    coercion,
    return_chain,
)


def night(when: dt.datetime) -> bool:
    """Return whether it is night by the rules of Pix, in Brasília time."""
    return not NIGHT_ENDS <= when.astimezone(BRASILIA).hour < NIGHT_STARTS


def _next_night(when: dt.datetime) -> dt.datetime:
    if night(when):
        return when
    local = when.astimezone(BRASILIA).replace(hour=NIGHT_STARTS, minute=30)
    return local.astimezone(dt.UTC)
