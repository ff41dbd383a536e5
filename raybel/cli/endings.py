"""Ends of a command from outside, Ctrl-C and SIGTERM: it finishes cleanly, with the exit status that shells know."""

from __future__ import annotations

import logging
import signal
import sys
from types import FrameType
from typing import NoReturn

#: What the process was told to end by, the last one; None for nothing.
_received: signal.Signals | None = None


def take_signals() -> None:
    """Have SIGTERM end the command as Ctrl-C does, by a KeyboardInterrupt; what is ignored stays ignored."""
    for each in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(each) is not signal.SIG_IGN:
            signal.signal(each, _stop)


def _stop(number: int, frame: FrameType | None) -> None:
    global _received
    _received = signal.Signals(number)
    raise KeyboardInterrupt


def stopped() -> bool:
    """True if the process was told to end."""
    return _received is not None


def status() -> int:
    """Return the exit status of a command that was stopped: 130 by Ctrl-C, 143 by SIGTERM."""
    return 128 + (_received or signal.SIGINT)


def stop(goes_on: str = "") -> NoReturn:
    """Say that the command was stopped, and end it.

    Args:
        goes_on: What the same command does.
    """
    from raybel.cli import tables  # rich takes a tenth of a second

    tables.say(f"stopped{goes_on}", logging.WARNING)
    sys.exit(status())
