"""Whether a process that left word of itself still runs, where that can be known.

Its id alone does not tell: it means nothing on another machine or in another container, and is given to others later.
"""

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_NAMESPACE: Final = Path("/proc/self/ns/pid")
_ENDED: Final = (
    "Z",
    "X",
)  # zombies: ended, but nobody has asked how, as in containers without an init


def this_process() -> dict[str, Any]:
    """What tells this process from all others: ``host``, ``pid``, ``machine``, ``begun``."""
    pid = os.getpid()
    _, begun = _look(pid)
    return {"host": socket.gethostname(), "pid": pid, "machine": _machine(), "begun": begun}


def is_alive(process: int) -> bool:
    """Whether a process of this id runs on this machine."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # someone else's
        return True
    return True


def has_ended(process: Mapping[str, Any]) -> bool:
    """Whether a process is known to have ended; that of a process elsewhere never is.

    Args:
        process: As :func:`this_process` told of itself, perhaps in part.
    """
    if process.get("machine") != _machine() or not isinstance(pid := process.get("pid"), int):
        return False
    if not is_alive(pid):
        return True
    state, begun = _look(pid)
    return state in _ENDED or begun not in ("", process.get("begun"))


def _machine() -> str:
    """Where ids of processes mean the same: a container of a machine, or its outside, until it restarts."""
    try:
        return f"{_BOOT.read_text().strip()} {_NAMESPACE.readlink()}"
    except OSError:  # not Linux
        return socket.gethostname()


def _look(pid: int) -> tuple[str, str]:
    """State of a process, and when it began in ticks of its machine; nothing where it cannot be looked at."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "", ""
    return fields[0], fields[19]
