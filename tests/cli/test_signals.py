"""Signals that ask a command to stop: counted, noted once, or raised."""

import signal

import pytest

from pixstream.cli.signals import first_interrupt, interrupting, stop_signals


def test_signals_are_counted_and_what_nohup_ignores_stays_ignored() -> None:
    former = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_signals() as requested:
            assert requested() == 0
            signal.raise_signal(signal.SIGHUP)
            assert requested() == 0
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGINT)
            assert requested() == 2
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, former)


def test_the_first_interrupt_is_noted_and_the_second_one_interrupts() -> None:
    with first_interrupt() as interrupted:
        assert not interrupted()
        signal.raise_signal(signal.SIGINT)
        assert interrupted()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_without_work_in_hand_a_stop_interrupts_at_once(number: signal.Signals) -> None:
    former = signal.getsignal(number)
    with interrupting(), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(number)
    assert signal.getsignal(number) is former
