"""How a run is doing, in a small file of its own: running, interrupted, failed or diverged (why?), or done."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from optimetal.files import write_text
from optimetal.processes import this_process
from optimetal.training.errors import Diverged
from optimetal.training.interruption import Interrupted

ENDED: Final = ("done", "diverged")
"""States of trainings with an outcome, which another start would only repeat."""

SECONDS_BETWEEN_WRITES: Final = 5.0
"""Epochs of small networks take less, and a file that is flushed to disk takes time."""

SECONDS_BETWEEN_SIGNS: Final = 60.0
"""So often a run says that it is still there, however long its epochs take."""


class Status:
    """Keeps the file up to date; does nothing where another process of the run does."""

    def __init__(self, file: Path, *, active: bool = True) -> None:
        """Start the file anew: the run is running."""
        self.before = read_json(file)
        """What an earlier start of the run said."""
        self._file = file
        self._active = active
        self._written = -SECONDS_BETWEEN_WRITES
        self._lock = threading.Lock()
        self._content: dict[str, Any] = {"state": "running", "reason": ""}
        self.update(**this_process(), started=_now())

    def update(self, **values: Any) -> None:
        """Note some values; the file follows every few seconds."""
        with self._lock:
            self._content |= values
            if time.monotonic() - self._written >= SECONDS_BETWEEN_WRITES:
                self._write()

    def end(self, state: str, reason: str = "") -> None:
        """Note how it ended."""
        with self._lock:
            self._content |= {"state": state, "reason": reason}
            self._write()

    def give_signs(self, ended: threading.Event) -> None:
        """Write the file every minute until something has ended."""
        while not ended.wait(SECONDS_BETWEEN_SIGNS):
            with suppress(OSError):  # a full disk is reported where an epoch ends
                self.update()

    def _write(self) -> None:
        if self._active:
            content = self._content | {"updated": _now()}
            write_text(self._file, json.dumps(content, indent=2))
            self._written = time.monotonic()


@contextmanager
def running(file: Path, *, active: bool = True) -> Iterator[Status]:
    """The status of a run that lasts as long as the block and may fail in it.

    Args:
        file: Where to keep it.
        active: Whether this process writes it.
    """
    status = Status(file, active=active)
    try:
        with _signs_of_life(status):
            yield status
    except (Interrupted, KeyboardInterrupt) as stop:
        status.end("interrupted", str(stop) or "stopped from the keyboard")
        raise
    except Diverged as error:
        status.end("diverged", str(error))
        raise
    except BaseException as error:
        status.end("failed", f"{type(error).__name__}: {error}")
        raise
    status.end("done")


@contextmanager
def _signs_of_life(status: Status) -> Iterator[None]:
    """A thread that keeps the file fresh as long as the block lasts."""
    ended = threading.Event()
    thread = threading.Thread(target=status.give_signs, args=(ended,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def read_json(file: Path) -> dict[str, Any]:
    """What a file of a run says; nothing where it is missing or damaged."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")
