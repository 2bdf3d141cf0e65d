"""Signals that ask a training to stop, such as a queue's warning before its time limit."""

import os
import signal
import threading
from typing import Any, Final, Self

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
"""Ctrl-C; what a queue sends before it kills, as Slurm's ``--signal=TERM@300`` asks for; SIGUSR1 for queues that know
no other: it ends a Snakemake above the training at once."""

EXIT_CODE: Final = os.EX_TEMPFAIL
"""Exit code 75 of an interrupted training: start it again and it goes on (``EX_TEMPFAIL`` of sysexits.h)."""


class Interrupted(Exception):
    """A training was asked to stop; its state is saved."""


class StopRequest:
    """Notes the first of :data:`SIGNALS` instead of dying of it, as long as the block lasts.

    A second Ctrl-C does what it always does, it ends the process at once; so do all signals outside the main thread,
    where Python allows no handlers. Signals that this process was started to ignore, as shells do with Ctrl-C for what
    they put in the background, stay ignored.
    """

    def __init__(self) -> None:
        """Nothing was asked yet."""
        self.received: str | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            heeded = [n for n in SIGNALS if signal.getsignal(n) is not signal.SIG_IGN]
            self._before = {number: signal.signal(number, self._note) for number in heeded}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _: object) -> None:
        self.received = self.received or signal.Signals(number).name
        if number == signal.SIGINT:
            signal.signal(number, self._before[number])
