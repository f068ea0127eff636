import re
from collections import Counter

import pytest

from pixstream.consumers.console.consumer import Console
from pixstream.testing import event
from pixstream.testing.consumer_contract import ConsumerContract


class Screen:
    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self._shown = ""

    def consumer(self) -> Console:
        return Console(type="console")

    def held(self) -> Counter[str]:
        """A line has no identifier, but the contract's events differ in their cents."""
        self._shown += self._capsys.readouterr().out
        cents = map(int, re.findall(r"R\$ 1,(\d\d)", self._shown))
        return Counter(str(event(number).end_to_end_id) for number in cents)


class TestConsole(ConsumerContract):
    type_name = "console"
    sample = "lines_per_second: 20"
    forgets = True

    @pytest.fixture
    def destination(self, capsys: pytest.CaptureFixture[str]) -> Screen:
        return Screen(capsys)
