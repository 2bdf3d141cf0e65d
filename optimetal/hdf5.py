"""HDF5 files are written whole or not at all, also where the disk is full."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from glob import escape
from pathlib import Path
from typing import Any

import h5py

from optimetal.files import whole_file


@contextmanager
def new_hdf5(path: str | Path, **options: Any) -> Iterator[Any]:
    """HDF5 file to write (h5py has no annotations); it appears when the block ends without an error.

    What a killed process left of the same file is removed.

    Args:
        path: Where it shall be.
        options: For ``h5py.File``.

    Raises:
        OSError: If it cannot be written; the message names the file, see :func:`optimetal.files.whole_file`.
    """
    path = Path(path)
    for remains in path.parent.glob(f".{escape(path.stem)}.*.part{path.suffix}"):
        remains.unlink()
    with whole_file(path) as temporary, _closed_at_any_rate(temporary, options) as file:
        yield file


@contextmanager
def _closed_at_any_rate(path: Path, options: dict[str, Any]) -> Iterator[Any]:
    # HDF5 insists on writing what it still holds, and crashes the process at its end where it cannot: so it holds
    # no data (rdcc_nbytes=0), and after an error there is room for the rest
    file = h5py.File(path, "w", libver="latest", rdcc_nbytes=0, **options)
    try:
        yield file
        file.flush()
    except BaseException:
        os.truncate(path, 0)
        raise
    finally:
        file.close()
