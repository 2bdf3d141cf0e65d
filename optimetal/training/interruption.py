"""Signals that ask a training to stop, such as a queue's warning before its time limit."""

import os
import signal
import threading
from typing import Final, Self

SIGNALS: Final = (signal.SIGTERM, signal.SIGUSR1)
"""What a queue sends before it kills, as Slurm's ``--signal=TERM@300`` asks for; SIGUSR1 for queues that know no other:
it ends a Snakemake above the training at once."""

EXIT_CODE: Final = os.EX_TEMPFAIL
"""Exit code 75 of an interrupted training: start it again and it goes on (``EX_TEMPFAIL`` of sysexits.h)."""


class Interrupted(Exception):
    """A training was asked to stop; its state is saved."""


class StopRequest:
    """Notes the first of :data:`SIGNALS` instead of dying of it, as long as the block lasts.

    Outside the main thread, where Python allows no handlers, signals do what they always do.
    """

    def __init__(self) -> None:
        """Nothing was asked yet."""
        self.received: str | None = None
        self._before = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _: object) -> None:
        self.received = self.received or signal.Signals(number).name
