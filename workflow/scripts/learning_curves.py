"""Learning curves of every study, a panel per model, first seed of every size."""

from pathlib import Path

import pandas as pd

from optimetal.config.variation import LEARNING_RATE
from optimetal.plots import style
from optimetal.plots.evaluation import draw_learning_curves
from optimetal.plots.legends import place_legends
from optimetal.scaling.fits import in_study
from optimetal.scaling.settings import combination_label, in_few_words
from optimetal.workflow import logged

MOST_NAMED = 10


def draw(
    runs: pd.DataFrame, histories: dict[str, pd.DataFrame], varied: list[str], stem: Path
) -> None:
    runs = runs[runs["seed"] == runs["seed"].min()].sort_values(["num_train", "num_params", "lr"])
    runs = in_few_words(runs, varied)
    models = list(dict.fromkeys(runs["model"]))
    fig, axes = style.panels(len(models), columns=min(2, len(models)))
    for ax, model in zip(axes, models, strict=True):
        of_model = runs[runs["model"] == model]
        curves = [histories[run] for run in of_model["run"]]
        draw_learning_curves(ax, dict(zip(curve_names(of_model, varied), curves, strict=True)))
        ax.set_title(of_model["label"].iloc[0], loc="left")
        if len(curves) > MOST_NAMED and (legend := ax.get_legend()):
            legend.remove()  # it would hide the curves; their colours still tell their order
    style.add_source_note(fig, runs["source"].iloc[0])
    place_legends(fig)
    style.save(fig, stem)


def curve_names(runs: pd.DataFrame, varied: list[str]) -> list[str]:
    """What tells the runs of one model apart: size of the data, width, learning rate, settings."""
    symbols = {"num_train": "$D$", "width": "$h$", "lr": r"$\eta$"}
    if LEARNING_RATE in varied:
        del symbols["lr"]
    varying = {column: symbol for column, symbol in symbols.items() if runs[column].nunique() > 1}
    settings = [path for path in varied if runs[path].nunique(dropna=False) > 1]
    if not (varying or settings):
        varying = {"num_train": "$D$"}
    return [
        ", ".join(
            [
                *filter(None, [combination_label(run, settings)]),
                *(f"{symbol} = {run[column]:g}" for column, symbol in varying.items()),
            ]
        )
        for _, run in runs.iterrows()
    ]


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        style.use()
        histories = {
            "/".join(Path(file).parts[-3:-1]): pd.read_csv(file)
            for file in (*snakemake.input.histories, *snakemake.input.later)
        }
        runs = pd.read_parquet(snakemake.input.runs)
        for (study, varied), figure in zip(
            snakemake.params.varied.items(), snakemake.output.figures, strict=True
        ):
            draw(in_study(runs, study), histories, varied, Path(figure).with_suffix(""))
