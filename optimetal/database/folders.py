"""Where entries lie: folders ``database_*`` of JSON files, listed without reading them.

Apart from what decodes entries, because a workflow lists them while it is planned.
"""

import os
from pathlib import Path
from typing import NamedTuple


class EntryFile(NamedTuple):
    """A JSON file; while size and time stay, so does its content."""

    name: str
    size: int
    """Bytes; -1 if it cannot be looked at, as a link to nowhere: then it cannot be read either."""
    modified: int
    """Time of the last change, ns; -1 likewise."""


def entry_folders(folder: str | Path) -> dict[Path, list[EntryFile]]:
    """All ``database_*`` folders in a folder and the files of each, none perhaps, both by name.

    Raises:
        FileNotFoundError: If there is no such folder.
    """
    try:
        with os.scandir(folder) as items:
            parts = [Path(i) for i in items if i.name.startswith("database_") and i.is_dir()]
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileNotFoundError(
            f"expected a folder with the database at {folder}, found none: check `database.folder`"
        ) from error
    return {part: _entry_files(part) for part in sorted(parts)}


def _entry_files(folder: Path) -> list[EntryFile]:
    with os.scandir(folder) as items:
        # a name that begins with a dot is an unfinished file of a killed process
        return sorted(
            _entry_file(i) for i in items if i.name.endswith(".json") and i.name[0] != "."
        )


def _entry_file(item: os.DirEntry[str]) -> EntryFile:
    try:
        stat = item.stat()
    except OSError:  # reading it tells why, and which one
        return EntryFile(item.name, -1, -1)
    return EntryFile(item.name, stat.st_size, stat.st_mtime_ns)
