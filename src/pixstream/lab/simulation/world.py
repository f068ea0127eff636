"""The people, shops and banks of the simulation, all generated from one seed.

Documents have valid check digits, and keys have the form of their kind. Accounts have twelve
digits, so that a scan for clear identifiers does not find them by chance inside other numbers. IP
addresses are from 198.18.0.0/15, the range reserved for benchmarks; e-mail keys use example.com.
"""

from __future__ import annotations

import unicodedata
from random import Random
from typing import TYPE_CHECKING

import msgspec

from pixstream.event import identifiers
from pixstream.lab.simulation import names

if TYPE_CHECKING:
    from collections.abc import Iterator

OWN_ISPB = "99999004"
"""The simulated institution: fictitious, not on any list of participants."""

OTHER_ISPBS = ("99999101", "99999102", "99999103", "99999104", "9999A105")
"""The other fictitious participants; one is alphanumeric, as the SPI allows."""

ACCOUNT_TYPES = ("CACC", "CACC", "CACC", "SVGS", "TRAN", "TRAN")
SYSTEMS = ("Android 14", "Android 15", "iOS 17", "iOS 18")
PHONE_AREAS = (11, 19, 21, 27, 31, 41, 48, 51, 61, 62, 71, 81, 85, 91)


class Device(msgspec.Struct, frozen=True, gc=False):
    """The device from which a payment is ordered."""

    identifier: str
    system: str
    ip: str


class Holder(msgspec.Struct, frozen=True):
    """A person or shop with one account, keys and a usual device."""

    name: str
    document: str
    ispb: str
    branch: str
    account: str
    account_type: str
    keys: tuple[str, ...]
    device: Device

    @property
    def own(self) -> bool:
        """Whether the simulated institution keeps the account."""
        return self.ispb == OWN_ISPB

    @property
    def company(self) -> bool:
        """Whether the holder has a CNPJ."""
        return len(self.document) == 14  # noqa: PLR2004  digits of a CNPJ


class World:
    """All payers and payees.

    Args:
        seed: the same seed produces the same world.
        people: number of persons, half of them at the own institution.
        shops: number of shops, four in five of them at the own institution.
    """

    def __init__(self, seed: int, *, people: int = 2_000, shops: int = 150) -> None:
        self._rng = Random(f"world/{seed}")
        self._devices: list[Device] = []
        self._accounts: set[str] = set()
        rng = self._rng
        self.own_people = [self._person(OWN_ISPB) for _ in range(people // 2)]
        self.other_people = [self._person(rng.choice(OTHER_ISPBS)) for _ in range(people // 2)]
        self.own_shops = [self._shop(OWN_ISPB) for _ in range(shops * 4 // 5)]
        self.other_shops = [self._shop(rng.choice(OTHER_ISPBS)) for _ in range(shops // 5)]

    @property
    def holders(self) -> Iterator[Holder]:
        """All holders, in the order of creation."""
        for group in (self.own_people, self.other_people, self.own_shops, self.other_shops):
            yield from group

    def new_device(self) -> Device:
        """Return a device that was not used before."""
        rng = self._rng
        device = Device(
            f"{rng.getrandbits(64):016x}",
            rng.choice(SYSTEMS),
            f"198.{rng.choice((18, 19))}.{rng.randint(100, 254)}.{rng.randint(100, 254)}",
        )
        self._devices.append(device)
        return device

    def clear_identifiers(self) -> set[str]:
        """Return every text of this world that must not appear anywhere after the producers."""
        found: set[str] = set()
        for holder in self.holders:
            found |= {holder.name, holder.document, holder.account, *holder.keys}
        for device in self._devices:
            found |= {device.identifier, device.ip}
        return found

    def _person(self, ispb: str) -> Holder:
        rng = self._rng
        name = f"{rng.choice(names.GIVEN)} {' '.join(rng.sample(names.SURNAMES, 2))}"
        document = identifiers.generate_cpf(rng)
        kinds = (document, self._phone(), self._email(name), self._evp())
        return self._holder(name, document, ispb, tuple(rng.sample(kinds, rng.choice((1, 1, 2)))))

    def _shop(self, ispb: str) -> Holder:
        rng = self._rng
        owner = rng.choice(names.SURNAMES)
        name = f"{rng.choice(names.TRADES)} {rng.choice(names.SHOP_WORDS)} {owner} Ltda"
        document = identifiers.generate_cnpj(rng)
        return self._holder(name, document, ispb, (self._evp(), document))

    def _holder(self, name: str, document: str, ispb: str, keys: tuple[str, ...]) -> Holder:
        rng = self._rng
        account = str(rng.randint(10**11, 10**12 - 1))
        while account in self._accounts:
            account = str(rng.randint(10**11, 10**12 - 1))
        self._accounts.add(account)
        branch = f"{rng.randint(1, 9999):04d}"
        kind = rng.choice(ACCOUNT_TYPES)
        return Holder(name, document, ispb, branch, account, kind, keys, self.new_device())

    def _phone(self) -> str:
        return f"+55{self._rng.choice(PHONE_AREAS)}9{self._rng.randint(10**7, 10**8 - 1)}"

    def _email(self, name: str) -> str:
        plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
        return f"{plain.replace(' ', '.')}{self._rng.randint(1, 9999)}@example.com"

    def _evp(self) -> str:
        digits = f"{self._rng.getrandbits(128):032x}"
        # version 4, variant 1, like the random keys of the DICT
        digits = f"{digits[:12]}4{digits[13:16]}a{digits[17:]}"
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
