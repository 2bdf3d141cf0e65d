"""Lists of identifiers that say who is trained on and who is tested on, such as the published ones."""

import gzip
from pathlib import Path
from typing import Final

SPLITS: Final = ("train", "val", "test")


def list_files(folder: str | Path) -> dict[str, Path]:
    """Split -> file of its list: ``train.txt`` ..., or ``train.txt.gz`` where only that is there."""
    files = {name: Path(folder, f"{name}.txt") for name in SPLITS}
    packed = {name: path.with_name(f"{path.name}.gz") for name, path in files.items()}
    packed_only = {name for name in SPLITS if packed[name].exists() and not files[name].exists()}
    return {name: packed[name] if name in packed_only else files[name] for name in SPLITS}


def read_lists(folder: str | Path) -> dict[str, list[str]]:
    """Identifiers of each split, one per line of the files of :func:`list_files`.

    Raises:
        FileNotFoundError: If a list is missing.
        ValueError: If a list cannot be read, or an identifier is in the lists twice.
    """
    lists = {name: _read_list(path) for name, path in list_files(folder).items()}
    total = sum(map(len, lists.values()))
    if total != (different := len(set().union(*lists.values()))):
        raise ValueError(
            f"Expected lists without repetition in {folder}, got {different} different names among {total}."
        )
    return lists


def _read_list(path: Path) -> list[str]:
    if not path.exists():
        raise FileNotFoundError(
            f"Expected a list of identifiers at {path} or {path.name}.gz: check `splits.folder`."
        )
    open_text = gzip.open if path.suffix == ".gz" else open
    try:
        with open_text(path, "rt", encoding="utf-8") as file:
            return file.read().split()
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise ValueError(f"Expected a list of identifiers in {path}, got: {error}") from error
