"""The published data on figshare: what there is, what of it is needed, and how it comes to disk.

Of a download folder, ``lock.json`` says which contents it holds; ``<article>/`` holds the files as they
are on figshare, and what is unpacked from them lies beside.
"""

import errno
import json
import logging
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, ValidationError, model_validator
from tqdm import tqdm

from optimetal.database.archives import SUFFIXES, is_archive, is_packed, unpack
from optimetal.database.transfer import Client, file_size, md5_of, part_of
from optimetal.database.validate import PUBLISHED_SPLITS
from optimetal.files import locked, write_text

logger = logging.getLogger(__name__)

PAGE_SIZE: Final = 100
"""Files asked for at a time."""

UNPACKED_RATIO: Final = 3.0
"""Size of entries over that of their archive, for the estimate before the download: digits pack to a third."""


class RemoteFile(BaseModel):
    """A file of an article."""

    model_config = ConfigDict(frozen=True)

    id: int
    name: str
    size: NonNegativeInt
    """Bytes."""
    md5: str = Field(pattern="^[0-9a-f]{32}$")
    address: str = Field(default="", exclude=True)
    """Where it is; no part of what it is."""


class Article(BaseModel):
    """An article of figshare: a version and its files."""

    model_config = ConfigDict(frozen=True)

    id: int
    version: int
    files: tuple[RemoteFile, ...]

    @model_validator(mode="after")
    def _names_are_file_names(self) -> Self:
        names = [file.name for file in self.files]
        odd = [n for n in names if re.search(r"[/\\:\0]", n) or n in ("", ".", "..", "lock.json")]
        if odd or len(set(names)) < len(names):
            raise ValueError(f"expected different plain file names, got {odd or names}")
        return self


@dataclass(frozen=True)
class Source:
    """Published data: articles, and what of them is of use."""

    articles: tuple[int, ...]
    """Their numbers on figshare."""
    folder: str
    """Name of the folder of unpacked files."""
    wanted: Callable[[str], bool]
    """Whether a file of the article is downloaded."""
    place: Callable[[PurePosixPath], str | None]
    """Where a file of an archive goes, see :func:`optimetal.database.archives.unpack`."""
    note: str = ""
    """Why other files are left out."""


def _place_of_entry(path: PurePosixPath) -> str | None:
    """Entries go to the folder ``database_*`` they are in, however deep an archive has it."""
    folders = [part for part in path.parts[:-1] if part.startswith("database_")]
    if not folders or path.suffix != ".json" or path.name.startswith("."):
        return None
    return f"{folders[-1]}/{path.name}"


def _is_split_or_archive(name: str) -> bool:
    return _place_of_split(PurePosixPath(name)) is not None or (
        is_archive(name) and not name.lower().startswith("graph")
    )


def _place_of_split(path: PurePosixPath) -> str | None:
    return path.name if path.stem in PUBLISHED_SPLITS and path.suffix == ".h5" else None


SOURCES: Final = {
    "figshare_full": Source((31111798, 31112491), "database", is_packed, _place_of_entry),
    "figshare_ml": Source(
        (31112554,),
        "dataset",
        _is_split_or_archive,
        _place_of_split,
        "its .pt files are pickles of Python objects, which can run any code when they are loaded; "
        "graphs are built here from the records",
    ),
}
"""Source of the configuration -> published data."""


def list_article(number: int, url: str, client: Client) -> Article:
    """An article as figshare lists it at the moment.

    Raises:
        OSError: If figshare does not answer.
        ValueError: If the answer cannot be understood.
    """
    address = f"{url}/articles/{number}"
    try:
        version = client.json(address)["version"]
        files = [_remote_file(file, url) for file in _pages(f"{address}/files", client)]
        return Article(id=number, version=version, files=tuple(sorted(files, key=lambda f: f.name)))
    except OSError as error:
        raise OSError(
            f"cannot list article {number}: {error}; check the network and `database.url`"
        ) from error
    except (KeyError, TypeError, ValidationError) as error:
        raise ValueError(
            f"cannot understand what {address} says ({_short(error)}): check `database.url`"
        ) from error


def _short(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return repr(error)
    faults = error.errors(include_url=False)
    return "; ".join(
        f"{'.'.join(map(str, f['loc']))}: {f['msg']}, got {f['input']!r:.80}" for f in faults
    )


def _pages(address: str, client: Client) -> list[dict[str, Any]]:
    files: dict[int, dict[str, Any]] = {}
    page = 1
    while True:
        answer = client.json(address, page=page, page_size=PAGE_SIZE)
        new = {file["id"]: file for file in answer if file["id"] not in files}
        if not new:  # the end, or a server that always gives the same page
            return list(files.values())
        files |= new
        page += 1


def _remote_file(answer: dict[str, Any], url: str) -> RemoteFile:
    if answer.get("is_link_only"):
        raise ValueError(f"{answer['name']} is only a link to another place")
    return RemoteFile(
        id=answer["id"],
        name=answer["name"],
        size=answer["size"],
        md5=answer.get("computed_md5") or answer.get("supplied_md5") or "",
        address=answer.get("download_url") or f"{url}/file/download/{answer['id']}",
    )


def download(
    source: str, folder: Path, url: str, jobs: int = 1, client: Client | None = None
) -> list[Path]:
    """Bring the files of a source to a folder; those that are there and right stay.

    Waits while another process does so in the same folder.

    Args:
        source: Key of :data:`SOURCES`.
        folder: Where to put them, and the list of contents, ``lock.json``.
        url: Address of figshare's interface or of a mirror of it.
        jobs: Files fetched at the same time.
        client: What reads from the server.

    Returns:
        The files.

    Raises:
        OSError: If figshare or a file cannot be had, or the disk is too small.
        ValueError: If the contents are not those of ``lock.json``, or a file not the listed one, or packed in
            a way that cannot be unpacked.
    """
    client, url = client or Client(), url.rstrip("/")
    with locked(folder):
        articles = [list_article(number, url, client) for number in SOURCES[source].articles]
        wanted = _wanted(source, articles)
        _lock(folder / "lock.json", articles, SOURCES[source].wanted)
        missing = {path: file for path, file in _paths(folder, wanted) if not _is_right(path, file)}
        _check_space(folder, missing)
        _fetch_all(missing, url, jobs, client)
    return [path for path, _ in _paths(folder, wanted)]


def changes_since(folder: Path, url: str, client: Client | None = None) -> list[str]:
    """How the contents of figshare differ from those that were downloaded to a folder; nothing is fetched.

    Args:
        folder: That of :func:`download`.
        url: Address of figshare's interface or of a mirror of it.
        client: What reads from the server.

    Returns:
        One line for each article and file that is new, gone or different; none if all is the same.

    Raises:
        OSError: If figshare does not answer.
        ValueError: If its answer or ``lock.json`` cannot be understood.
    """
    client, url = client or Client(), url.rstrip("/")
    before = _read_lock(folder / "lock.json")
    return [*_changes(before, [list_article(a.id, url, client) for a in before]).values()]


def unpack_source(source: str, folder: Path) -> int:
    """Unpack what :func:`download` brought to a folder, into the source's own folder beside it.

    Waits while another process does so in the same folder.

    Returns:
        Number of unpacked files.

    Raises:
        FileNotFoundError: If a file is missing.
        ArchiveError: If an archive is damaged or malicious, or nothing of use is in them.
        OSError: If the disk is too small.
    """
    target = folder / SOURCES[source].folder
    with locked(folder), _room_in(folder):
        files = list(_paths(folder, _wanted(source, _read_lock(folder / "lock.json"))))
        if absent := [str(path) for path, file in files if file_size(path) != file.size]:
            raise FileNotFoundError(
                f"expected the downloaded {', '.join(absent)}: run `download` again"
            )
        number = unpack([path for path, _ in files], target, SOURCES[source].place)
    if note := SOURCES[source].note:
        logger.info("what was left out stays packed: %s", note)
    logger.info("%d files in %s; the archives beside it may be removed", number, target)
    return number


def _lock(path: Path, articles: Sequence[Article], wanted: Callable[[str], bool]) -> None:
    """Write down the contents, or make sure that what is wanted of them is as written down earlier."""
    if not path.exists():
        content = {"articles": [article.model_dump() for article in articles]}
        write_text(path, json.dumps(content, indent=2) + "\n")
        return
    changes = _changes(_read_lock(path), articles)
    lines = "\n".join(f"  {change}" for change in changes.values())
    if any(wanted(name) for _, name in changes):
        raise ValueError(
            f"figshare has other contents now than those of {path}:\n{lines}\n"
            "Nothing was downloaded, so that contents are not mixed. To take the new ones, remove "
            f"{path.parent}/*.json: archives that are still the right ones stay. To have both, set another "
            "`database.download_folder`."
        )
    if changes:
        logger.info("figshare has changed what is not needed:\n%s", lines)


def _read_lock(path: Path) -> list[Article]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return [Article.model_validate(article) for article in content["articles"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"cannot read the list of contents {path}: {error}; download again, without it"
        ) from error


def _changes(before: Iterable[Article], now: Iterable[Article]) -> dict[tuple[int, str], str]:
    """Article and file, none for the article itself -> how it differs, if it does."""
    old, new = _contents(before), _contents(now)
    changes = {}
    for key in old | new:
        what = f"{key[0]}/{key[1]}" if key[1] else f"article {key[0]}"
        if key not in new:
            changes[key] = f"{what} is gone"
        elif key not in old:
            changes[key] = f"{what} is new"
        elif old[key] != new[key]:
            changes[key] = f"{what}: was {old[key]}, is {new[key]}"
    return changes


def _contents(articles: Iterable[Article]) -> dict[tuple[int, str], str]:
    contents = {}
    for article in articles:
        contents[article.id, ""] = f"version {article.version}"
        for file in article.files:
            contents[article.id, file.name] = f"{file.size} bytes, MD5 {file.md5}"
    return contents


def _wanted(source: str, articles: Iterable[Article]) -> dict[int, list[RemoteFile]]:
    """Article -> files of it that are needed."""
    files = {article.id: article.files for article in articles}
    wanted = {n: [f for f in files[n] if SOURCES[source].wanted(f.name)] for n in files}
    for number, all_files in files.items():
        if left_out := [f.name for f in all_files if f not in wanted[number]]:
            note = f" ({SOURCES[source].note})" if SOURCES[source].note else ""
            logger.info("article %d: not downloaded: %s%s", number, ", ".join(left_out), note)
        if not wanted[number]:
            raise ValueError(
                f"article {number} has no file that can be used: {[f.name for f in all_files]}; expected archives "
                "(zip, tar) or train.h5, val.h5 and test.h5"
            )
        if unknown := [
            f.name for f in wanted[number] if is_packed(f.name) and not is_archive(f.name)
        ]:
            raise ValueError(
                f"article {number} has {', '.join(unknown)}, but only {', '.join(SUFFIXES)} can be unpacked here: "
                "download and unpack it by hand, and set `database: {source: folder, folder: ...}`"
            )
    return wanted


def _paths(folder: Path, files: dict[int, list[RemoteFile]]) -> Iterable[tuple[Path, RemoteFile]]:
    for number, of_article in files.items():
        for file in of_article:
            yield folder / str(number) / file.name, file


def _is_right(path: Path, file: RemoteFile) -> bool:
    return path.exists() and file_size(path) == file.size and md5_of(path) == file.md5


def _check_space(folder: Path, missing: dict[Path, RemoteFile]) -> None:
    """Make sure that the disk takes what is missing, and what it unpacks to."""
    download = sum(file.size - file_size(part_of(path)) for path, file in missing.items())
    unpacked = sum(
        file.size * (UNPACKED_RATIO if is_archive(file.name) else 1) for file in missing.values()
    )
    free = shutil.disk_usage(folder).free
    logger.info("%d files to download, %.2f GB", len(missing), download / 1e9)
    if download + unpacked > free:
        raise OSError(
            f"{folder} has {free / 1e9:.1f} GB free, but the download needs {download / 1e9:.1f} GB and unpacked data "
            f"about {unpacked / 1e9:.1f} GB more: make room, or set `database.download_folder` to a larger disk"
        )


def _fetch_all(files: dict[Path, RemoteFile], url: str, jobs: int, client: Client) -> None:
    """Fetch files side by side; one that fails does not stop the others, all failures are told."""
    total = sum(file.size for file in files.values())
    there = sum(file_size(part_of(path)) for path in files)
    with _progress(total, there) as report, ThreadPoolExecutor(jobs) as pool:
        tasks = [pool.submit(_fetch, p, f, url, client, report) for p, f in files.items()]
        try:
            failures = [error for task in tasks if (error := task.exception())]
        except BaseException:  # interrupted: the threads must end too
            client.stopped.set()
            raise
    if failures:
        kind = ValueError if all(isinstance(f, ValueError) for f in failures) else OSError
        raise kind("\n".join(map(str, failures)))


@contextmanager
def _progress(total: int, there: int) -> Iterator[Callable[[int], None]]:
    """Takes the bytes that come: a bar on a terminal, and for a job without one a line in the log per percent."""
    lock, percent = Lock(), max(1, total // 100)

    def report(num_bytes: int) -> None:
        nonlocal there
        with lock:
            before, there = there, there + num_bytes
            bar.update(num_bytes)
            if there // percent > before // percent:
                logger.info("%.2f of %.2f GB are there", there / 1e9, total / 1e9)

    options = {"unit": "B", "unit_scale": True, "disable": None}
    with tqdm(total=total, initial=there, desc="download", **options) as bar:
        yield report


def _fetch(
    path: Path, file: RemoteFile, url: str, client: Client, report: Callable[[int], None]
) -> None:
    # figshare's download addresses are at times closed to programs when its interface is not
    addresses = dict.fromkeys([file.address, f"{url}/file/download/{file.id}"])
    with _room_in(path.parent):
        client.fetch([*addresses], path, file.size, file.md5, report)
    logger.info("%s: %d bytes, MD5 %s", path, file.size, file.md5)


@contextmanager
def _room_in(folder: Path) -> Iterator[None]:
    """Say what to do where a disk, or someone's share of it, got full in spite of the check beforehand."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        advice = "make room and start again, or set `database.download_folder` to a larger disk"
        text = f"{os.strerror(error.errno)}: {advice}"
        raise OSError(error.errno, text, str(folder)) from error
