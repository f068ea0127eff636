import itertools
from collections.abc import Sequence
from pathlib import Path

import pytest

from pixstream.producers.iso20022.producer import Iso20022
from pixstream.testing import event
from pixstream.testing.producer_contract import ProducerContract

MESSAGE = (
    "<Envelope><Document><FIToFIPmtStsRpt><GrpHdr><MsgId>M1</MsgId></GrpHdr><TxInfAndSts>"
    "<OrgnlEndToEndId>{}</OrgnlEndToEndId><TxSts>ACSC</TxSts>"
    "</TxInfAndSts></FIToFIPmtStsRpt></Document></Envelope>"
)


class Inbox:
    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._numbers = itertools.count()

    def producer(self) -> Iso20022:
        place = str(self._directory)
        return Iso20022(type="iso20022", directory=place, poll_seconds=0.01, settle_seconds=0.0)

    def add(self, count: int) -> Sequence[str]:
        ids = [str(event(next(self._numbers)).end_to_end_id) for _ in range(count)]
        for name in ids:
            (self._directory / f"{name}.xml").write_text(MESSAGE.format(name))
        return ids

    def add_garbage(self, raw: bytes) -> None:
        (self._directory / "garbage.xml").write_bytes(raw)


class TestIso20022(ProducerContract):
    type_name = "iso20022"
    sample = "directory: data/spi"

    @pytest.fixture
    def source(self, tmp_path: Path) -> Inbox:
        directory = tmp_path / "spi"
        directory.mkdir()
        return Inbox(directory)
