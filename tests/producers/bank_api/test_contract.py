from collections.abc import Iterator, Sequence

import pytest

from pixstream.producers.bank_api.producer import BankApi
from pixstream.testing.producer_contract import ProducerContract
from tests.producers.bank_api.test_producer import Bank, now, pix, reader


class Account:
    def __init__(self, bank: Bank) -> None:
        self._bank = bank

    def producer(self) -> BankApi:
        return reader(self._bank, ispb="11111111")

    def add(self, count: int) -> Sequence[str]:
        made = [pix(now()) for _ in range(count)]
        self._bank.pix += made
        return [element["endToEndId"] for element in made]

    def add_garbage(self, raw: bytes) -> None:
        """An element of a page that is no Pix; the page itself is JSON."""
        self._bank.pix.append({"horario": now().isoformat(), "chave": raw.decode()})


class TestBankApi(ProducerContract):
    type_name = "bank_api"
    overlaps = True
    sample = """
        url: https://pix.example/v2
        token_url: https://pix.example/oauth/token
        client_id: me
        client_secret: secret
        ispb: "11111111"
    """

    @pytest.fixture
    def source(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        bank = Bank()
        yield Account(bank)
        bank.close()
