"""Figures of what the splits consist of."""

from pathlib import Path

import matplotlib.pyplot as plt

from optimetal.database.store import CrystalStore
from optimetal.plots import style
from optimetal.plots.dataset import draw_atoms_per_cell, draw_periodic_table, element_counts
from optimetal.workflow import logged


def main(records: dict[str, str], folder: Path) -> None:
    style.use()
    num_atoms, note = {}, ""
    for split, file in records.items():
        with CrystalStore(file) as store:
            num_atoms[split], note = store.num_atoms, store.source
            fig, ax = plt.subplots(figsize=style.figure_size(2, 0.45))
            counts = element_counts(store.compositions)
            draw_periodic_table(ax, counts, len(store), source_note=note)
            style.save(fig, folder / f"periodic_table_{split}")
    fig, ax = plt.subplots(figsize=style.figure_size(1, 0.7))
    draw_atoms_per_cell(ax, num_atoms, source_note=note)
    style.save(fig, folder / "atoms_per_cell")


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        records = {Path(file).stem: file for file in snakemake.input.records}
        main(records, Path(snakemake.output[0]).parent)
