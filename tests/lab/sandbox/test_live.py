from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from pixstream.lab.sandbox.live import live
from pixstream.testing.waiting import wait_for

if TYPE_CHECKING:
    from pixstream.lab.sandbox.bank import Bank


def test_live_traffic_is_recorded_until_it_is_stopped(bank: Bank) -> None:
    stop = threading.Event()
    thread = threading.Thread(
        target=live, args=(bank,), kwargs={"per_second": 500.0, "seed": 1, "stop": stop}
    )
    thread.start()
    wait_for(lambda: len(bank.store) >= 20, alive=thread.is_alive)
    stop.set()
    thread.join()
