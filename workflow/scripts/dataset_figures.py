"""Figures of what the splits and the training subsets consist of."""

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from optimetal.database.splits import subset
from optimetal.database.store import CrystalStore
from optimetal.plots import style
from optimetal.plots.dataset import draw_atoms_per_cell, draw_periodic_table, element_counts
from optimetal.workflow import logged


def read_materials(file: str) -> tuple[pd.DataFrame, str]:
    """Composition and atoms per cell of each material, and where the data come from."""
    with CrystalStore(file) as store:
        columns = {"composition": store.compositions, "num_atoms": store.num_atoms}
        return pd.DataFrame(columns), store.source


def main(records: dict[str, str], sizes: list[int], folder: Path) -> None:
    style.use()
    found = {split: read_materials(file) for split, file in records.items()}
    splits = {split: table for split, (table, _) in found.items()}
    train, note = found["train"]
    subsets = {size: train.iloc[subset(len(train), size)] for size in sizes}
    for name, table in {**splits, **{f"train_{size}": t for size, t in subsets.items()}}.items():
        fig, ax = plt.subplots(figsize=style.figure_size(2, 0.45))
        counts = element_counts(table["composition"])
        draw_periodic_table(ax, counts, len(table), source_note=note)
        style.save(fig, folder / f"periodic_table_{name}")
        plt.close(fig)
    fig, ax = plt.subplots(figsize=style.figure_size(1, 0.7))
    num_atoms = {split: table["num_atoms"] for split, table in splits.items()}
    draw_atoms_per_cell(ax, num_atoms, source_note=note)
    style.save(fig, folder / "atoms_per_cell")
    fig, ax = plt.subplots(figsize=style.figure_size(2, 0.4))
    num_atoms = {f"D = {size:,}": table["num_atoms"] for size, table in subsets.items()}
    draw_atoms_per_cell(ax, num_atoms, source_note=note)
    style.save(fig, folder / "atoms_per_cell_subsets")


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        records = {Path(file).stem: file for file in snakemake.input.records}
        main(records, snakemake.params.sizes, Path(snakemake.output[0]).parent)
