"""Trainings by the settings that a study varied."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from optimetal.config.run import Run
from optimetal.config.variation import in_words, setting

SIZES: Final = ("num_train", "width")
"""Columns of the sizes that every study may vary."""


def with_settings(
    runs: pd.DataFrame, configs: Iterable[str | Path], varied: Sequence[str]
) -> pd.DataFrame:
    """Add a column for every varied setting.

    Args:
        runs: Table of training runs.
        configs: The ``config.json`` of each.
        varied: Paths of settings, which become names of columns.

    Returns:
        The table with the values: numbers, text, or sections as words; missing where a network has no such setting.
    """
    rows = []
    for file in configs if varied else ():
        run = Run.model_validate_json(Path(file).read_text(encoding="utf-8"))
        values = {path: in_words(setting(run, path)) for path in varied}
        rows.append({"run": run.name, **values})
    columns = pd.DataFrame(rows, columns=["run", *varied]).apply(_of_one_kind)
    return runs.merge(columns, on="run", how="left", validate="one_to_one")


def settings_table(runs: pd.DataFrame, varied: Sequence[str]) -> pd.DataFrame:
    """Mean loss of every combination of settings and sizes.

    Args:
        runs: Table of the training runs of one study, with a column for each setting.
        varied: The varied settings.

    Returns:
        One row per model, size and combination: ``model``, ``label``, ``num_train``, ``width``, the settings,
        ``num_params``, ``lr``, ``val_loss`` (mean over the seeds), ``val_loss_std`` (ddof 0; missing for a single seed)
        and ``num_seeds``.
    """
    keys = ["model", "label", *SIZES, *varied]
    grouped = runs.groupby(keys, sort=True, dropna=False, observed=True)
    return grouped.agg(
        num_params=("num_params", "first"),
        lr=("lr", "first"),
        val_loss=("val_loss", "mean"),
        val_loss_std=("val_loss", lambda loss: loss.std(ddof=0) if len(loss) > 1 else np.nan),
        num_seeds=("seed", "size"),
    ).reset_index()


def by_settings(runs: pd.DataFrame, varied: Sequence[str]) -> pd.DataFrame:
    """The runs with every combination of settings as a model of its own, for fits and their figures.

    Args:
        runs: Table of the training runs of one study, with a column for each setting.
        varied: Settings that tell models apart; what does not vary is left out of their names.
    """
    varying = [path for path in varied if len(set(runs[path].map(format_value))) > 1]
    if not varying:
        return runs
    named = in_few_words(runs, varying)[varying]
    words = named.apply(lambda row: combination_label(row, varying), axis=1)
    return runs.assign(model=runs["model"] + ": " + words, label=runs["label"] + ", " + words)


def in_few_words(table: pd.DataFrame, varied: Iterable[str]) -> pd.DataFrame:
    """The table with sections in as few words as tell them apart: their type, and what differs within a type.

    Of "constant" and "cosine, period none, minimum 0", "constant" and "cosine" remain.
    """
    return table.assign(**{path: _told_apart(pd.Series(table[path])) for path in varied})


def combination_label(row: pd.Series, columns: Iterable[str]) -> str:
    """Values of some settings or sizes in words, such as "num layers 3, h = 64"."""
    symbols = {"num_train": "D = ", "width": "h = "}
    return ", ".join(
        symbols.get(column, f"{setting_name(column)} ") + format_value(row[column])
        for column in columns
    )


def setting_name(path: str) -> str:
    """Last part of a path in words."""
    return path.rpartition(".")[2].replace("_", " ")


def format_value(value: object) -> str:
    """A value without needless digits; "none" where there is none."""
    if value is None or value != value:  # only NaN differs from itself
        return "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _told_apart(column: pd.Series) -> pd.Series:
    sections = {value: value.split(", ") for value in column.unique() if isinstance(value, str)}
    common: dict[str, set[str]] = {}
    for kind, *entries in sections.values():
        common[kind] = common.get(kind, set(entries)) & set(entries)
    short = {
        value: ", ".join(
            [kind, *(entry for entry in entries if entry not in common[kind])]
        ).replace("_", " ")
        for value, (kind, *entries) in sections.items()
    }
    return column.map(lambda value: short.get(value, value)) if short else column


def _of_one_kind(column: pd.Series) -> pd.Series:
    """Values as text where numbers and text are mixed, which files of tables cannot hold."""
    kind = pd.api.types.infer_dtype(column, skipna=True)
    return column.map(format_value) if kind in ("mixed", "mixed-integer") else column
