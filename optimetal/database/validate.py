"""What is in a folder of entries, and whether it is the published database."""

import hashlib
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import pandas as pd

from optimetal.database.folders import entry_folders
from optimetal.files import whole_file

logger = logging.getLogger(__name__)

_COUNTS: Final = {
    1: (68,),
    2: (924,),
    3: (11854,),
    4: (14785, 14830, 14876, 14905, 14007),
    5: (14722, 14216),
    6: (14831, 4237),
    7: (7905,),
    8: (14402, 3744),
    9: (9287,),
    10: (14562, 14819, 2387),
}
"""Atoms per cell -> entries of part 1, 2 ... of the published database."""

PUBLISHED_FOLDERS: Final[dict[str, int]] = {
    f"database_nsite_{num_atoms}_part_{part}": count
    for num_atoms, counts in _COUNTS.items()
    for part, count in enumerate(counts, 1)
}
"""Folder of the published database -> entries in it; 201,361 in sum."""

PUBLISHED_SPLITS: Final = {"train": 160_728, "val": 20_179, "test": 20_454}
"""Split of the published data -> crystals in it."""


@dataclass(frozen=True)
class Inventory:
    """What a folder of entries holds."""

    counts: dict[str, int]
    """Folder ``database_*`` -> entries in it."""
    fingerprint: str
    """Changes when an entry is added, removed, renamed or written; not when the database is moved
    or copied with its times (``cp -a``, ``rsync -a``, unpacking)."""


def take_inventory(folder: str | Path) -> Inventory:
    """Count the entries of all folders ``database_*`` by names, sizes and times, without reading them.

    Equal contents under other times look like a change: to know better, all entries would have to
    be read, which takes as long as to compress them.

    Raises:
        FileNotFoundError: If there is no such folder.
    """
    digest = hashlib.blake2b(digest_size=16)
    counts = {}
    for part, files in entry_folders(folder).items():
        counts[part.name] = len(files)
        lines = (f"{file.name}\t{file.size}\t{file.modified}" for file in files)
        digest.update(os.fsencode("\n".join([part.name, *lines, ""])))
    return Inventory(counts, digest.hexdigest())


@dataclass(frozen=True)
class Deviations:
    """How a database differs from what it should be: one line per folder."""

    lacking: list[str]
    """Missing and short folders: the database is partial."""
    surplus: list[str]
    """Unknown and overfull folders: it is another database."""

    def faults(self, allow_partial: bool) -> list[str]:
        """All lines, if one of them is not acceptable."""
        acceptable = not self.surplus and (allow_partial or not self.lacking)
        return [] if acceptable else self.lacking + self.surplus


def deviations(
    counts: Mapping[str, int], expected: Mapping[str, int] = PUBLISHED_FOLDERS
) -> Deviations:
    """Compare the number of entries of each part with what is expected."""
    lacking, surplus = [], []
    for part, count in expected.items():
        found = counts.get(part)
        if found is None:
            lacking.append(f"{part} is missing ({count} entries)")
        elif found < count:
            lacking.append(f"{part} has {found} of {count} entries")
        elif found > count:
            surplus.append(f"{part} has {found} entries, {found - count} too many")
    unknown = [part for part in counts if part not in expected]
    surplus += [f"{part} is unknown ({counts[part]} entries)" for part in unknown]
    return Deviations(lacking, surplus)


def check_published(
    where: str | Path,
    counts: Mapping[str, int],
    allow_partial: bool,
    expected: Mapping[str, int] = PUBLISHED_FOLDERS,
) -> None:
    """Make sure that a database is the published one; what a partial one lacks is logged.

    Args:
        where: Where it lies, for messages.
        counts: Part of the database -> entries in it.
        allow_partial: Whether entries may be missing.
        expected: Part -> entries that it should have.

    Raises:
        ValueError: If it is not, with all that is missing and all that is too much.
    """
    found = deviations(counts, expected)
    summary = f"{sum(counts.values())} of {sum(expected.values())} entries"
    if faults := found.faults(allow_partial):
        lines = "\n".join(f"  {fault}" for fault in faults)
        raise ValueError(
            f"The database in {where} is not the published one ({summary}):\n{lines}\n"
            "Download or unpack again what is wrong; or set `database.allow_partial: true` to go on with entries "
            "missing, or `database.expected: any` (source folder) for a database of your own."
        )
    for line in found.lacking:
        logger.warning("partial database: %s", line)
    logger.info("%s: %s of the published database", where, summary)


class PlannedEntries:
    """A folder of entries as it is while a run is planned; it is looked at once, when first asked for."""

    def __init__(self, folder: str, published: bool, allow_partial: bool) -> None:
        """Its place, whether it must be the published database, and whether in part."""
        self.folder = folder
        self.published = published
        self.allow_partial = allow_partial

    @cached_property
    def _inventory(self) -> Inventory | None:
        return take_inventory(self.folder) if Path(self.folder).is_dir() else None

    @property
    def fingerprint(self) -> str:
        """Changes with the entries, see :class:`Inventory`; empty where there is no folder."""
        return self._inventory.fingerprint if self._inventory else ""

    @property
    def faults(self) -> list[str]:
        """What is not acceptable in a folder that is there."""
        if not self.published or self._inventory is None:
            return []
        return deviations(self._inventory.counts).faults(self.allow_partial)

    def missing(self) -> list[str]:
        """The folder, if it is not there, for a planner that needs it."""
        if Path(self.folder).is_dir():
            return []
        logger.error(
            "Expected the database in %s, found no folder: check `database.folder`.", self.folder
        )
        return [self.folder]


def write_inventory(
    folder: str | Path, table_file: str | Path, published: bool, allow_partial: bool
) -> None:
    """Write a CSV table of the folders of a database: folder, entries, and how many there should be.

    Args:
        folder: Holds the folders ``database_*``.
        table_file: Where to write.
        published: Whether it must be the published database.
        allow_partial: Whether entries of the published one may be missing.

    Raises:
        FileNotFoundError: If there is no folder.
        ValueError: If the database is not what it must be; no table is written then.
    """
    counts = take_inventory(folder).counts
    expected = PUBLISHED_FOLDERS if published else {}
    if published:
        check_published(folder, counts, allow_partial)
    parts = [*expected, *(part for part in counts if part not in expected)]
    with whole_file(table_file) as temporary:
        pd.DataFrame(
            {
                "folder": parts,
                "entries": [counts.get(part, 0) for part in parts],
                "expected": [expected.get(part, "") for part in parts],
            }
        ).to_csv(temporary, index=False)
