"""Learning curves of one study, a panel per model, first seed of every size."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from optimetal.plots import style
from optimetal.plots.evaluation import draw_learning_curves
from optimetal.scaling.fits import in_study
from optimetal.workflow import logged


def main(runs: pd.DataFrame, histories: dict[str, pd.DataFrame], stem: Path) -> None:
    style.use()
    runs = runs[runs["seed"] == runs["seed"].min()].sort_values(["num_train", "num_params", "lr"])
    models = list(dict.fromkeys(runs["model"]))
    rows = -(-len(models) // 2)
    fig, axes = plt.subplots(rows, 2, figsize=style.figure_size(2, 0.36 * rows), squeeze=False)
    for ax, model in zip(axes.flat, models, strict=False):
        of_model = runs[runs["model"] == model]
        names = [run.removeprefix(f"{model}/").partition("_seed")[0] for run in of_model["run"]]
        draw_learning_curves(ax, dict(zip(names, of_model["run"].map(histories), strict=True)))
        ax.set_title(of_model["label"].iloc[0], loc="left")
    for ax in np.ravel(axes)[len(models) :]:
        ax.set_axis_off()
    style.add_source_note(fig, runs["source"].iloc[0])
    style.save(fig, stem)


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        histories = {
            "/".join(Path(file).parts[-3:-1]): pd.read_csv(file)
            for file in snakemake.input.histories
        }
        main(
            in_study(pd.read_parquet(snakemake.input.runs), snakemake.wildcards.study),
            histories,
            Path(snakemake.output[0]).with_suffix(""),
        )
