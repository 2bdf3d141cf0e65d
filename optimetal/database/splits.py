"""Who is trained on and who is tested on: splits by composition and training subsets."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from optimetal.database.store import CrystalStore, write_records
from optimetal.files import whole_file

SPLITS: Final = ("train", "val", "test")

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
    split_files: dict[str, Path],
    table_file: str | Path,
    ratios: tuple[float, float, float],
    seed: int,
) -> None:
    """Write the records of each split, sorted by mat_id, and a table that says where each went."""
    with CrystalStore(records_file) as store:
        members = split_by_composition(store.compositions, ratios, seed)
        tables = []
        for name, rows in members.items():
            rows = rows[np.argsort(np.array(store.mat_ids)[rows], kind="stable")]
            write_records(split_files[name], store.records(rows.tolist()))
            tables.append(
                pd.DataFrame(
                    {
                        "mat_id": [store.mat_ids[row] for row in rows],
                        "composition": [store.compositions[row] for row in rows],
                        "split": name,
                    }
                )
            )
    with whole_file(table_file) as temporary:
        pd.concat(tables).to_csv(temporary, index=False)
