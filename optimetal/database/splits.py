"""Who is trained on and who is tested on: splits by composition and training subsets."""

import hashlib
import logging
import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from tqdm import tqdm

from optimetal.database.lists import SPLITS, read_lists
from optimetal.database.store import CrystalStore, write_records
from optimetal.database.validate import PUBLISHED_SPLITS
from optimetal.files import whole_file
from optimetal.scaling.published_files import LISTS

logger = logging.getLogger(__name__)

SUBSET_SEED: Final = 42
"""Subsets are the same for all runs, whatever the seed of a training."""


def split_by_composition(
    compositions: Sequence[str], ratios: tuple[float, float, float], seed: int
) -> dict[str, np.ndarray]:
    """Positions of the materials of each split; a composition is in one split only.

    The sorted unique formulas are shuffled with NumPy's legacy generator, the first ``int(0.8 n)`` (for ratio 0.8) are
    train, the next val, the rest test, as in the published system.

    Args:
        compositions: Reduced formula of each material.
        ratios: Shares of the unique formulas in train, val and test; they sum to 1.
        seed: Seed of the shuffle.

    Raises:
        ValueError: If a split would be empty.
    """
    formulas = np.unique(np.asarray(compositions))
    np.random.RandomState(seed).shuffle(formulas)
    num_train, num_val = int(ratios[0] * len(formulas)), int(ratios[1] * len(formulas))
    parts = np.split(formulas, [num_train, num_train + num_val])
    if not all(map(len, parts)):
        raise ValueError(
            f"{len(formulas)} different compositions are too few for splits of {ratios}: one would be empty; add "
            "crystals or change `splits.ratios`."
        )
    members = [np.flatnonzero(np.isin(compositions, part)) for part in parts]
    return dict(zip(SPLITS, members, strict=True))


def split_by_lists(
    mat_ids: Sequence[str], lists: Mapping[str, Sequence[str]]
) -> dict[str, np.ndarray]:
    """Positions of the materials of each split, as listed; what is listed but missing is logged.

    Args:
        mat_ids: Identifier of each material.
        lists: Split -> identifiers.

    Raises:
        ValueError: If a material is in no list, or a split would be empty.
    """
    split_of = {mat_id: name for name, listed in lists.items() for mat_id in listed}
    if unlisted := [mat_id for mat_id in mat_ids if mat_id not in split_of]:
        raise ValueError(
            f"Expected materials of the lists, got {len(unlisted)} others such as {unlisted[0]}: add them to lists of "
            "your own (`splits.folder`), or split by composition (`splits.method`)."
        )
    splits = np.array([split_of[mat_id] for mat_id in mat_ids])
    members = {name: np.flatnonzero(splits == name) for name in lists}
    for name, rows in members.items():
        if not rows.size:
            raise ValueError(f"None of the {len(lists[name])} materials listed for {name} is here.")
        if missing := len(lists[name]) - rows.size:
            logger.warning(
                "%d of the %d materials of %s are missing", missing, len(lists[name]), name
            )
    return members


def published_differences(table: pd.DataFrame) -> list[str]:
    """How splits differ from those of the published study, one line for each that does; none: they are the same.

    Identifiers are compared by the SHA-256 of the published lists, which hold one per line, sorted.

    Args:
        table: With ``mat_id`` and ``split``.
    """
    differences = []
    for split, published in PUBLISHED_SPLITS.items():
        mat_ids = table.loc[table["split"] == split, "mat_id"]
        if len(mat_ids) != published:
            differences.append(f"{split} has {len(mat_ids)} crystals instead of {published}")
        elif digest(mat_ids) != LISTS[f"{split}.txt"].sha256:
            differences.append(f"{split} has other crystals")
    return differences


def digest(mat_ids: Iterable[str]) -> str:
    """SHA-256 of a list of identifiers, one per line, sorted."""
    return hashlib.sha256("".join(f"{mat_id}\n" for mat_id in sorted(mat_ids)).encode()).hexdigest()


def subset(num_total: int, num_train: int) -> list[int]:
    """Positions of a training subset, in the published order (not ascending).

    Args:
        num_total: Size of the training set, which is stored sorted by mat_id.
        num_train: Size of the subset.

    Raises:
        ValueError: If the subset would be larger than the training set.
    """
    if num_train > num_total:
        raise ValueError(
            f"Expected a training subset of at most {num_total} crystals (the training set), got {num_train}: change "
            "`num_train` of the study or enlarge the database."
        )
    return random.Random(SUBSET_SEED).sample(range(num_total), num_train)


def split_records(
    records_file: str | Path,
    split_files: Mapping[str, Path],
    table_file: str | Path,
    ratios: tuple[float, float, float],
    seed: int,
    lists: str | Path | None = None,
    published: bool = False,
) -> None:
    """Write the records of each split, sorted by mat_id, and a table that says where each went.

    Args:
        records_file: Records of all crystals.
        split_files: Split -> file of records to write.
        table_file: CSV to write: mat_id, composition and split of each crystal.
        ratios: Shares of the unique formulas in train, val and test.
        seed: Seed of the shuffle.
        lists: Folder with lists of identifiers (:func:`optimetal.database.lists.read_lists`), which
            then decide instead.
        published: Whether the records are those of the published database, or a part of them: a
            split by composition is then compared with the published one, and the log says how it differs.

    Raises:
        ValueError: If a split would be empty, or a material is in none of the lists.
        OSError: If a file cannot be read or written.
    """
    with CrystalStore(records_file) as store:
        if lists is None:
            members = split_by_composition(store.compositions, ratios, seed)
        else:
            members = split_by_lists(store.mat_ids, read_lists(lists))
        names = np.array(store.mat_ids)
        tables = []
        for name, rows in members.items():
            rows = rows[np.argsort(names[rows], kind="stable")]
            bar = tqdm(store.records(rows.tolist()), name, len(rows), disable=None)
            write_records(split_files[name], bar)
            compositions = [store.compositions[row] for row in rows]
            columns = {"mat_id": names[rows], "composition": compositions, "split": name}
            tables.append(pd.DataFrame(columns))
            logger.info("%s: %d crystals", name, len(rows))
    table = pd.concat(tables)
    if published and lists is None:
        _log_differences(table)
    with whole_file(table_file) as temporary:
        table.to_csv(temporary, index=False)


def _log_differences(table: pd.DataFrame) -> None:
    """Say whether a split by composition is the published one: one entry less shuffles all formulas anew."""
    if differences := published_differences(table):
        logger.warning(
            "not the published splits: %s. Where entries are missing or the settings are others, formulas go to other "
            "splits; `splits: {method: published}` keeps each crystal in its published one",
            "; ".join(differences),
        )
    else:
        logger.info("the published splits, crystal by crystal")
