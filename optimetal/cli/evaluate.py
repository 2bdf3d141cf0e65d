"""``optimetal evaluate``: the workflow's test of an ensemble, for any model and dataset."""

from pathlib import Path
from typing import Any

import h5py
import pandas as pd

from optimetal.cli.terminal import console, plain_table, usable_device
from optimetal.config.project import GraphSettings, PlotSettings
from optimetal.config.training import TrainingSettings
from optimetal.database import store
from optimetal.evaluation.evaluate import evaluate
from optimetal.evaluation.figures import save_figures
from optimetal.evaluation.results import ENSEMBLE, Evaluation, save_evaluation
from optimetal.evaluation.tables import evaluation_latex, evaluation_table
from optimetal.files import write_text
from optimetal.graphs import packed
from optimetal.graphs.build import build_graphs
from optimetal.graphs.packed import PackedGraphs
from optimetal.inference.models import Ensemble, load_model
from optimetal.tables import write_table

_SHOWN = {
    "loss": "Loss",
    "eps_real_mae": "MAE Re ε",
    "eps_imag_mae": "MAE Im ε",
    "eps_imag_sc": "SC Im ε",
    "drude_mae": "|Δω_D| (eV)",
    "drude_r2": "R² ω_D",
    "delta_e": "ΔE",
}
"""Metric -> heading on the terminal."""


def run(model: str, dataset: Path, output: Path | None, device: str, batch_size: int) -> None:
    """Test, print the metrics and write what the workflow writes.

    Raises:
        ValueError: If the dataset is none, or was made for other cutoffs.
        OSError: If something cannot be found or written.
    """
    ensemble = load_model(model, usable_device(device))
    graphs = _graphs(dataset, ensemble)
    evaluation = evaluate(
        dict(zip(_names(ensemble), ensemble.members, strict=True)),
        graphs,
        TrainingSettings(),
        batch_size,
        ensemble.device,
    )
    table = evaluation_table({ensemble.label: evaluation.summary})
    if output is not None:
        _write(evaluation, table, output)
    _print(table, graphs, output)


def _graphs(dataset: Path, ensemble: Ensemble) -> PackedGraphs:
    """Graphs with targets from a file of either, or built from the records of crystals."""
    if not dataset.is_file():
        raise FileNotFoundError(f"Expected a dataset or graphs at {dataset}, found no file.")
    settings = ensemble.settings
    if _format(dataset) == packed.FORMAT:
        return packed.load(dataset)
    with store.CrystalStore(dataset) as crystals:
        tolerance = GraphSettings().quotient_tolerance
        return build_graphs(crystals, settings.cutoff, settings.triplet_cutoff, tolerance)


def _format(dataset: Path) -> Any:
    try:
        with h5py.File(dataset, "r") as file:
            return file.attrs.get("format")
    except OSError as error:
        raise ValueError(
            f"Expected an HDF5 file of crystals with spectra, such as dataset/test.h5, at {dataset}: {error}"
        ) from error


def _names(ensemble: Ensemble) -> list[str]:
    """Seeds of the members; their files where seeds are unknown or repeated."""
    seeds = [str(card.get("seed")) for card in ensemble.cards]
    if "None" in seeds or len(set(seeds)) < len(seeds):
        return [str(file) for file in ensemble.files]
    return seeds


def _write(evaluation: Evaluation, table: pd.DataFrame, output: Path) -> None:
    note = evaluation.summary["source"]
    save_evaluation(evaluation, output)
    write_table(output / "evaluation", table, note)
    write_text(output / "evaluation.tex", evaluation_latex(table, note))
    members = evaluation.materials.set_index("member")
    save_figures(
        members.loc[[ENSEMBLE]].reset_index(drop=True),
        evaluation.predictions,
        evaluation.targets,
        output / "figures",
        PlotSettings(),
        note,
    )


def _print(table: pd.DataFrame, graphs: PackedGraphs, output: Path | None) -> None:
    out = console()
    shown = plain_table()
    shown.add_column("Member")
    for heading in _SHOWN.values():
        shown.add_column(heading, justify="right")
    for _, row in table[table["statistic"] == "mean"].iterrows():
        shown.add_row(str(row["member"]), *(f"{row[metric]:.3f}" for metric in _SHOWN))
    out.print(shown)
    out.print(f"{len(graphs):,} crystals; source: {graphs.source or 'unknown'}")
    if output:
        out.print(f"Written to {output}", soft_wrap=True)
