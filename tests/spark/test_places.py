"""Where tables are, and who writes there."""

import threading
from pathlib import Path

from pixstream.spark.places import Places
from pixstream.spark.settings import SparkSettings


def test_one_process_of_this_machine_writes_at_a_time(tmp_path: Path) -> None:
    settings = SparkSettings(path=str(tmp_path / "lake"))
    entered = threading.Event()

    def other() -> None:
        with Places(settings).alone():
            entered.set()

    thread = threading.Thread(target=other)
    with Places(settings).alone():
        thread.start()
        assert not entered.wait(0.3)
    assert entered.wait()
    thread.join()


def test_a_catalog_keeps_writers_apart_itself(tmp_path: Path) -> None:
    settings = SparkSettings(catalog="pix_dev", path=str(tmp_path / "lake"))
    with Places(settings).alone(), Places(settings).alone():
        assert not (tmp_path / "lake").exists()
