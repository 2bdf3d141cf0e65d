"""What later studies take over from the results of earlier ones."""

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from optimetal.config.run import Run
from optimetal.config.studies import Findings
from optimetal.config.variation import Choice, as_choice, key_of
from optimetal.scaling.learning_rate import fit_learning_rate


def best_settings(
    runs: Iterable[tuple[Run, float]], varied: Sequence[str], number: int
) -> list[Choice]:
    """Combinations of settings with the lowest loss.

    Args:
        runs: Trainings of one study with their validation losses.
        varied: Paths of the settings.
        number: How many combinations to return.

    Returns:
        Path -> value, best first by the mean over seeds (and sizes).

    Raises:
        ValueError: If there are fewer combinations.
    """
    losses: dict[str, list[float]] = {}
    for run, loss in runs:
        losses.setdefault(key_of(as_choice(run, varied)), []).append(loss)
    ranked = sorted(losses, key=lambda choice: (float(np.mean(losses[choice])), choice))
    if len(ranked) < number:
        raise ValueError(
            f"expected {number} combinations of {list(varied)} or more, got {len(ranked)}"
        )
    return [json.loads(choice) for choice in ranked[:number]]


def combined(settings: Iterable[Sequence[Choice]]) -> list[Choice]:
    """Every combination of settings of several studies; where two name the same setting, the last one wins."""
    return [
        {key: v for choice in chosen for key, v in choice.items()} for chosen in product(*settings)
    ]


def exponents(
    runs: pd.DataFrame, reference_widths: Mapping[str, int], models: Iterable[str]
) -> dict[str, float]:
    """gamma of the learning-rate rule for some models, fitted to the best learning rates of a study, to 3 decimals.

    A model that the study lacks takes the gamma of its only model, as in the published study.

    Args:
        runs: Table of the trainings of the study.
        reference_widths: Model of the study -> width that its learning rate belongs to.
        models: Models that need a gamma.

    Raises:
        ValueError: If the study has several models and lacks one of these.
    """
    fitted = {
        str(model): round(
            float(fit_learning_rate(of_model, reference_widths[str(model)])["gamma"].iloc[0]), 3
        )
        for model, of_model in runs.groupby("model")
    }
    needed = list(models)
    if missing := sorted(set(needed) - set(fitted)):
        if len(fitted) > 1:
            raise ValueError(
                f"no learning rates of {missing} among those of {sorted(fitted)}: add them"
            )
        fitted |= dict.fromkeys(missing, *fitted.values())
    return {model: fitted[model] for model in needed}


def read_findings(taken_over: str | Path | None, rates: str | Path | None) -> Findings:
    """Findings of a study from its files.

    Args:
        taken_over: File of the settings and exponents of other studies; none: it follows from no other.
        rates: File of what its searches found; none: it has none, or they are not known yet.
    """
    content: dict[str, Any] = json.loads(Path(taken_over).read_text()) if taken_over else {}
    found = json.loads(Path(rates).read_text()) if rates else {}
    return Findings(**content, rates=found)
