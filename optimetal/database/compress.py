"""A folder of database entries -> one file of records, and a table of what had to be left out.

Entries are decoded in parts, each by one worker and to a file of its own, and the parts joined in their order as they
come. A restarted run takes over the parts whose entries have not changed since.
"""

import json
import logging
import os
import shutil
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from hashlib import blake2b
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Final

from tqdm import tqdm

from optimetal.database.entries import BadEntry, EntryError, Record, read_entry
from optimetal.database.folders import EntryFile, entry_folders
from optimetal.database.quarantine import Quarantine
from optimetal.database.store import FORMAT, CrystalStore, write_records
from optimetal.files import write_text
from optimetal.workers import process_map

logger = logging.getLogger(__name__)

PART: Final = 512
"""Entries per part: about a second of work, and 8 MB of records."""

MAX_WORKERS: Final = 48
"""More wait anyway, for the disk and the one process that joins; 64 took more than 2 GB of memory together."""


def compress(
    folder: str | Path,
    records_file: str | Path,
    quarantine_file: str | Path,
    max_bad_share: float,
    jobs: int = 1,
) -> None:
    """Compress all entries of a folder.

    Finished parts lie in ``<records_file without suffix>.parts`` until all are joined.

    Args:
        folder: Holds the ``database_*`` folders.
        records_file: Columnar HDF5 file to write; in the order of folders and file names.
        quarantine_file: CSV of the files left out, with reason and detail; written in every case.
        max_bad_share: Share of bad files (0 to 1) above which the run stops.
        jobs: Worker processes at most; the result does not depend on it.

    Raises:
        FileNotFoundError: If the folder holds no entries.
        ValueError: If more than the allowed share of the files is bad.
        OSError: If the disk is full or cannot be written to.
    """
    folders = entry_folders(folder)
    num_entries = sum(map(len, folders.values()))
    if not num_entries:
        raise FileNotFoundError(
            f"expected folders database_*/ with JSON entries in {folder}, found none: check `database.folder`"
        )
    place = Path(records_file).with_suffix(".parts")
    with (
        Quarantine(quarantine_file, max_bad_share * num_entries) as quarantine,
        tqdm(desc="entries", total=num_entries, disable=None) as bar,
        closing(_outcomes(_parts(folders, place), jobs, bar)) as outcomes,
    ):
        num_records = write_records(records_file, quarantine.good(outcomes))
    shutil.rmtree(place)
    logger.info("%d of %d entries compressed", num_records, num_entries)


@dataclass(frozen=True)
class _Part:
    """Some entries of a folder, and where they are collected."""

    folder: Path
    files: list[EntryFile]
    stem: Path

    @property
    def records_file(self) -> Path:
        """Records, if any entry is good."""
        return self.stem.with_suffix(".h5")

    @property
    def summary_file(self) -> Path:
        """Written last: what became of the entries."""
        return self.stem.with_suffix(".json")

    def fingerprint(self) -> str:
        """Changes when the result might."""
        files = (f"{name}\t{size}\t{modified}" for name, size, modified in self.files)
        inputs = [version("optimetal"), FORMAT, *files]
        return blake2b(os.fsencode("\n".join(inputs)), digest_size=16).hexdigest()


def _parts(folders: dict[Path, list[EntryFile]], place: Path) -> list[_Part]:
    return [
        _Part(folder, files[start : start + PART], place / f"{folder.name}-{start // PART:03d}")
        for folder, files in folders.items()
        for start in range(0, len(files), PART)
    ]


def _outcomes(parts: list[_Part], jobs: int, bar: tqdm) -> Generator[Record | BadEntry]:
    """Records and bad entries of all parts, one after the other; a repeated mat_id is a bad entry."""
    missing = [part for part in parts if not _is_finished(part)]
    to_write = {part.stem for part in missing}
    logger.info("%d of %d parts are there already", len(parts) - len(missing), len(parts))
    seen: set[str] = set()
    with process_map(min(jobs, len(missing), MAX_WORKERS), [__name__]) as map_parts:
        written = map_parts(_write_part, missing)
        for part in parts:
            if part.stem in to_write:
                next(written)
            yield from _part_outcomes(part, seen)
            bar.update(len(part.files))


def _part_outcomes(part: _Part, seen: set[str]) -> Iterator[Record | BadEntry]:
    summary = json.loads(part.summary_file.read_bytes())
    for name, reason, detail in summary["bad"]:
        yield BadEntry(str(part.folder / name), reason, detail)
    if not summary["good"]:
        return
    kept = []
    for row, (mat_id, name) in enumerate(summary["good"]):
        if mat_id in seen:
            detail = f"{mat_id} was read before"
            yield BadEntry(str(part.folder / name), "duplicate mat_id", detail)
        else:
            seen.add(mat_id)
            kept.append(row)
    with CrystalStore(part.records_file) as store:
        yield from store.records(kept)


def _write_part(part: _Part) -> None:
    """Decode the entries of a part, in a worker."""
    good: list[tuple[str, str]] = []
    bad: list[tuple[str, str, str]] = []

    def records() -> Iterator[Record]:
        for file in part.files:
            try:
                record = read_entry(part.folder / file.name)
            except EntryError as error:
                bad.append((file.name, error.reason, error.detail))
            else:
                good.append((record.mat_id, file.name))
                yield record

    stream = records()
    if first := next(stream, None):
        write_records(part.records_file, chain([first], stream))
    summary = {"inputs": part.fingerprint(), "good": good, "bad": bad}
    write_text(part.summary_file, json.dumps(summary))


def _is_finished(part: _Part) -> bool:
    """Whether a part need not be done again.

    Where a file could not be read, it is tried again: it may have been the network's fault.
    """
    try:
        summary = json.loads(part.summary_file.read_bytes())
    except (FileNotFoundError, ValueError):
        return False
    unread = any(reason == "unreadable" for _, reason, _ in summary["bad"])
    is_whole = part.records_file.exists() or not summary["good"]
    return summary["inputs"] == part.fingerprint() and is_whole and not unread
