from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from pixstream.lab.sandbox.live import live

if TYPE_CHECKING:
    from pixstream.lab.sandbox.bank import Bank


def test_live_traffic_is_recorded_until_it_is_stopped(bank: Bank) -> None:
    stop = threading.Event()
    thread = threading.Thread(
        target=live, args=(bank,), kwargs={"per_second": 500.0, "seed": 1, "stop": stop}
    )
    thread.start()
    end = time.monotonic() + 10
    while len(bank.store) < 20 and time.monotonic() < end:
        time.sleep(0.01)
    stop.set()
    thread.join(10)

    assert not thread.is_alive()
    assert len(bank.store) >= 20
