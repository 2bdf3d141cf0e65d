"""How a run is doing, in a small file of its own: running, interrupted, failed (why?) or done."""

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from optimetal.files import write_text
from optimetal.training.interruption import Interrupted

SECONDS_BETWEEN_WRITES: Final = 5.0
"""Epochs of small networks take less, and a file that is flushed to disk takes time."""


class Status:
    """Keeps the file up to date; does nothing where another process of the run does."""

    def __init__(self, file: Path, *, active: bool = True) -> None:
        """Start the file anew: the run is running."""
        self._file = file
        self._active = active
        self._written = -SECONDS_BETWEEN_WRITES
        now = _now()
        self._content: dict[str, Any] = {
            "state": "running",
            "reason": "",
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "started": now,
        }
        self.update()

    def update(self, **values: Any) -> None:
        """Note some values; the file follows every few seconds."""
        self._content |= values
        if time.monotonic() - self._written >= SECONDS_BETWEEN_WRITES:
            self._write()

    def end(self, state: str, reason: str = "") -> None:
        """Note how it ended."""
        self._content |= {"state": state, "reason": reason}
        self._write()

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
        yield status
    except (Interrupted, KeyboardInterrupt) as stop:
        status.end("interrupted", str(stop) or "stopped from the keyboard")
        raise
    except BaseException as error:
        status.end("failed", f"{type(error).__name__}: {error}")
        raise
    status.end("done")


def read_json(file: Path) -> dict[str, Any]:
    """What a file of a run says; nothing where it is missing or damaged."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")
