"""Files are written whole or not at all."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Path to write to; it becomes ``path`` only when the block ends without an error.

    The temporary file lies beside the target, so the final rename is atomic, and it is flushed
    to disk first, so that a power failure leaves the old file or the new one. The name keeps the
    target's extension for writers that look at it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        yield temporary
        with open(temporary, "rb+") as handle:
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextmanager
def locked(folder: str | Path, *, active: bool = True) -> Iterator[None]:
    """Wait until no other process is in such a block of the same folder; whoever is killed leaves none behind.

    Args:
        folder: Is made where there is none.
        active: Whether to wait at all.
    """
    if not active:
        yield
        return
    Path(folder).mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
