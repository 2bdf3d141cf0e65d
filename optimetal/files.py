"""Files are written whole or not at all."""

import errno
import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

logger = logging.getLogger(__name__)


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Path to write to; it becomes ``path`` only when the block ends without an error.

    The temporary file lies beside the target, so the final rename is atomic, and it is flushed
    to disk first, so that a power failure leaves the old file or the new one. The name keeps the
    target's extension for writers that look at it.

    Raises:
        OSError: If the disk, or one's share of it, gets full; whatever a writer says, it names the file.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        yield temporary
        with open(temporary, "rb+") as handle:
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    except Exception as error:  # formats have writers with errors of their own
        number = _full_disk(error)
        if number is None or getattr(error, "filename", None) not in (None, str(temporary)):
            raise
        text = f"{os.strerror(number)}: free some and start again. Incomplete, removed"
        raise OSError(number, text, str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def _full_disk(error: Exception) -> int | None:
    """Number of the system's error where it says that the disk, or one's share of it, is full."""
    number = error.errno if isinstance(error, OSError) else None
    full = (errno.ENOSPC, errno.EDQUOT)
    return next((n for n in full if n == number or os.strerror(n) in str(error)), None)


def write_text(path: str | Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextmanager
def locked(folder: str | Path, *, active: bool = True) -> Iterator[None]:
    """Wait until no other process is in such a block of the same folder; whoever is killed leaves none behind.

    Over a network file system, processes of other machines may not be seen.

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
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            logger.info("%s: another process is at work there, waiting for its end", folder)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
