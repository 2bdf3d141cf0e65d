"""Unpacking of archives from elsewhere: inside one folder, plain files only, whole or not at all."""

import gzip
import logging
import lzma
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Final

from tqdm import tqdm

logger = logging.getLogger(__name__)

_TAR: Final = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tbz", ".tar.xz", ".txz")

SUFFIXES: Final = (".zip", *_TAR)
"""Names of archives that can be unpacked."""

OTHER_SUFFIXES: Final = (".7z", ".rar", ".zst", ".tzst", ".gz", ".bz2", ".xz", ".001")
"""Names of what is packed in another way, or in pieces."""

MAX_RATIO: Final = 50
"""Unpacked size over archive size above which an archive is a bomb; JSON full of numbers has 3."""

ALWAYS_ALLOWED: Final = 100_000_000
"""Unpacked bytes that are no bomb whatever the ratio."""

HEADER: Final = 512
"""Bytes that a file costs besides its content, so that many empty ones count too."""


_DAMAGE: Final = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    gzip.BadGzipFile,
    EOFError,
    RuntimeError,  # a zip with a password
    NotImplementedError,  # one packed in an unknown way
)
"""What the standard library raises for archives that cannot be read."""


class ArchiveError(ValueError):
    """An archive that is damaged or that no honest packer makes; nothing of it was kept."""


@dataclass(frozen=True)
class Member:
    """A plain file of an archive."""

    name: str
    size: int
    """Declared size in bytes."""
    modified: float
    """Time of the last change, s since 1970; kept, so that a second unpacking gives the same files."""
    open: Callable[[], IO[bytes]]


Place = Callable[[PurePosixPath], str | None]
"""Path in an archive -> path in the folder, or none for a file that is left out."""


def is_archive(name: str) -> bool:
    """Whether a file of this name can be unpacked."""
    return name.lower().endswith(SUFFIXES)


def is_packed(name: str) -> bool:
    """Whether a file of this name is an archive, of a kind that can be unpacked or not."""
    return name.lower().endswith(SUFFIXES + OTHER_SUFFIXES)


def unpack(files: Sequence[Path], folder: Path, place: Place) -> int:
    """Unpack archives, and copy files that are none, to a folder that replaces an earlier one.

    All goes to ``<folder>.part``, which is renamed at the end; a killed run begins again.

    Args:
        files: Archives or plain files.
        folder: Where their contents shall be.
        place: Where a file goes. It is given the path in the archive, below the archive's name
            without suffix; for a plain file the name.

    Returns:
        Number of files in the folder.

    Raises:
        ArchiveError: If an archive is damaged, holds anything but plain files and folders, leads
            out of the folder, unpacks to absurd sizes, two files have the same place, or no file
            has one.
        OSError: If the disk is too small.
    """
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        number = sum(_unpack_one(file, part, place) for file in files)
        if not number:
            raise ArchiveError(f"nothing of use in {', '.join(map(str, files))}")
        _replace(folder, part)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return number


def _unpack_one(file: Path, folder: Path, place: Place) -> int:
    left_out, written = [], 0
    root = PurePosixPath(_stem(file.name)) if is_archive(file.name) else PurePosixPath()
    try:
        for member in tqdm(_members(file), file.name, disable=None):
            where = place(root / member.name)
            if where is None:
                left_out.append(member.name)
                continue
            _write(member, folder / where, file)
            written += 1
    except _DAMAGE as error:
        raise ArchiveError(
            f"{file} is damaged: {error}; remove it and download it again"
        ) from error
    names = f": {', '.join(left_out[:5])}{' ...' * (len(left_out) > 5)}" if left_out else ""
    logger.info("%s: %d files unpacked, %d left out%s", file.name, written, len(left_out), names)
    return written


def _members(file: Path) -> Iterator[Member]:
    """Plain files of an archive, in its order; of any other file, that file itself."""
    name = file.name.lower()
    if not is_archive(name):
        info = file.stat()
        yield Member(file.name, info.st_size, info.st_mtime, partial(open, file, "rb"))
    elif name.endswith(".zip"):
        yield from _zip_members(file)
    else:
        yield from _tar_members(file)


def _zip_members(file: Path) -> Iterator[Member]:
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        guard = _Guard(file)
        for entry in entries:  # all of them before anything is written
            guard.add(entry.file_size)
            _check_name(entry.filename, file)
            kind = stat.S_IFMT(entry.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise ArchiveError(f"{file}: expected plain files, {entry.filename!r} is none")
        for entry in entries:
            if not entry.is_dir():
                # zipfile reads no more than the declared size, and checks it and the CRC
                content = partial(archive.open, entry)
                yield Member(entry.filename, entry.file_size, _time(entry), content)


def _tar_members(file: Path) -> Iterator[Member]:
    # as a stream: looking at all members first would unpack a compressed archive twice
    with tarfile.open(file, "r|*") as archive:
        guard = _Guard(file)
        for entry in archive:
            guard.add(entry.size)
            if not (entry.isreg() or entry.isdir()) or entry.issparse():
                raise ArchiveError(f"{file}: expected plain files, {entry.name!r} is none")
            _check_name(entry.name, file)
            tarfile.data_filter(entry, "/nowhere")  # the standard library's own list of tricks
            if entry.isreg():
                content = partial(_content, archive, entry)
                yield Member(entry.name, entry.size, entry.mtime, content)


def _time(entry: zipfile.ZipInfo) -> float:
    try:
        return datetime(*entry.date_time).timestamp()
    except ValueError:  # some packers write a month 0
        return 0.0


def _content(archive: tarfile.TarFile, entry: tarfile.TarInfo) -> IO[bytes]:
    content = archive.extractfile(entry)
    assert content is not None  # only folders and devices have none
    return content


class _Guard:
    """Stops an archive whose declared sizes are absurd or more than the disk can take."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.total = 0
        self.most = max(ALWAYS_ALLOWED, MAX_RATIO * file.stat().st_size)
        self.free = shutil.disk_usage(file.parent).free

    def add(self, size: int) -> None:
        """Count one more member."""
        self.total += size + HEADER
        if self.total > self.most:
            raise ArchiveError(
                f"{self.file} unpacks to more than {self.most / 1e9:.1f} GB, {MAX_RATIO} times its size: a bomb?"
            )
        if self.total > self.free:
            raise OSError(
                f"{self.file} unpacks to more than the {self.free / 1e9:.1f} GB that are free in "
                f"{self.file.parent}: make room, or set `database.download_folder` to a larger disk"
            )


def _check_name(name: str, file: Path) -> None:
    """Make sure that a name stays inside a folder, on every system."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or any(c in str(path) for c in ("\\", ":", "\0")):
        raise ArchiveError(f"{file}: {name!r} leads out of the folder; nothing was unpacked")


def _write(member: Member, path: Path, file: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        raise ArchiveError(f"{file}: a second file for the place {path.name!r}")
    with open(path, "xb") as target, member.open() as source:
        shutil.copyfileobj(source, target, 1 << 20)
        if target.tell() != member.size:
            raise ArchiveError(f"{file}: {member.name!r} has not the declared size")
    os.utime(path, (member.modified, member.modified))


def _replace(folder: Path, part: Path) -> None:
    old = folder.with_name(folder.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        os.replace(folder, old)
    os.replace(part, folder)
    shutil.rmtree(old, ignore_errors=True)


def _stem(name: str) -> str:
    suffix = max((s for s in SUFFIXES if name.lower().endswith(s)), key=len)
    return name[: -len(suffix)]
