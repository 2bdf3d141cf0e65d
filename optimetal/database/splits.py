"""Who is trained on and who is tested on: splits by composition and training subsets."""

import logging
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from tqdm import tqdm

from optimetal.database.lists import SPLITS, read_lists
from optimetal.database.store import CrystalStore, write_records
from optimetal.files import whole_file

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
    with whole_file(table_file) as temporary:
        pd.concat(tables).to_csv(temporary, index=False)
