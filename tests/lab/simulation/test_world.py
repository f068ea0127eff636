from __future__ import annotations

from pixstream.event import identifiers
from pixstream.lab.simulation.world import OTHER_ISPBS, OWN_ISPB, World


def test_the_same_seed_makes_the_same_world() -> None:
    assert list(World(3).holders) == list(World(3).holders)
    assert list(World(3).holders) != list(World(4).holders)


def test_every_document_has_right_check_digits_and_every_key_the_form_of_its_kind() -> None:
    for holder in World(1, people=300, shops=50).holders:
        assert identifiers.document_valid(holder.document)
        assert all(identifiers.key_type(key) != "unknown" for key in holder.keys)
        assert holder.company == (identifiers.document_type(holder.document) == "cnpj")


def test_every_account_is_someones_alone() -> None:
    accounts = [holder.account for holder in World(1).holders]

    assert len(set(accounts)) == len(accounts)


def test_participants_have_valid_ispbs_and_own_ones_are_told_apart() -> None:
    world = World(1, people=100, shops=20)

    assert all(identifiers.ISPB.fullmatch(ispb) for ispb in (OWN_ISPB, *OTHER_ISPBS))
    assert all(holder.own for holder in world.own_people + world.own_shops)
    assert not any(holder.own for holder in world.other_people + world.other_shops)


def test_clear_identifiers_hold_everyone_and_devices_made_later() -> None:
    world = World(1, people=20, shops=5)
    device = world.new_device()
    clear = world.clear_identifiers()

    assert {device.identifier, device.ip} <= clear
    for holder in world.holders:
        assert {holder.name, holder.document, holder.account, *holder.keys} <= clear
    assert min(map(len, clear)) >= 6
