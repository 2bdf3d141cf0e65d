"""The measurements of the published study, as a table of training runs.

They are three data files of the repository MaxGrossmann/optimetal (MIT). Nothing of them is kept
here; only what the files do not say, the widths and learning rates of the study, is.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd

SEEDS: Final = (1, 42, 137)
SOURCE: Final = "ab initio (published)"
_EPOCHS: Final = 500
_REFERENCE_WIDTH: Final = 256
_PARAMETER_SCALING_NUM_TRAIN: Final = 20_000

SCALING_FILE: Final = "scaling_results.json"
GRID_FILE: Final = "scaling_grid_results.json"
LEARNING_RATE_FILE: Final = "transformer_scaling_results.json"


@dataclass(frozen=True)
class _Model:
    key: str
    label: str
    path: tuple[str, ...]
    """Where the model stands in the files."""
    lr: float = float("nan")
    """At the reference width; the study does not say it for OptiMate."""
    scales_lr: bool = False
    """Whether lr falls as 1 / N (transformers)."""


_OPTIMATE: Final = _Model("optimate", "OptiMate", ("optimate",))
_CGC: Final = _Model("2b_cgc", "OptiMetal2B (CGC)", ("2b", "variant1"), lr=1e-3)
_TC2: Final = _Model("2b_tc", "OptiMetal2B (TC)", ("2b", "variant2"), lr=6e-4, scales_lr=True)
_TC3: Final = _Model("3b_tc", "OptiMetal3B (TC)", ("3b",), lr=4e-4, scales_lr=True)

RUN_COLUMNS: Final[tuple[str, ...]] = (
    *("run", "studies", "model", "label", "num_train", "width", "num_params", "seed", "lr"),
    *("epochs", "val_loss", "val_eps", "val_drude", "source"),
)


def read_published_runs(folder: Path) -> pd.DataFrame:
    """Read the published measurements.

    Args:
        folder: Folder with ``scaling_results.json``, ``scaling_grid_results.json`` and
            ``transformer_scaling_results.json``.

    Returns:
        One row per training run with the columns ``RUN_COLUMNS``. ``studies`` is a list of one of
        "data_scaling", "parameter_scaling", "grid" and "learning_rate_scaling": the published
        studies share no run. Losses are the reported ones, up to 1e-3 above the true minimum.
        OptiMate has width 0, as it is no family of widths.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a seed is missing or occurs twice; the message names the point.
    """
    folder = Path(folder)
    scaling = _load(folder / SCALING_FILE)
    rows = [
        *_data_scaling(scaling["data"]),
        *_parameter_scaling(scaling["parameter"]),
        *_grid(_load(folder / GRID_FILE)),
        *_learning_rate_scaling(_load(folder / LEARNING_RATE_FILE)),
    ]
    return pd.DataFrame(rows, columns=list(RUN_COLUMNS))


def _load(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise FileNotFoundError(
            f"no published measurements at {path}: download them from research/ of the repository "
            "MaxGrossmann/optimetal"
        )
    return json.loads(path.read_text(encoding="utf-8"))


def _at(results: dict[str, Any], model: _Model) -> dict[str, Any]:
    for key in model.path:
        results = results[key]
    return results


def _data_scaling(results: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for model in (_OPTIMATE, _CGC, _TC2, _TC3):
        width = 0 if model is _OPTIMATE else _REFERENCE_WIDTH
        for num_train, entries in _by_number(_at(results, model)):
            yield from _rows("data_scaling", model, num_train, width, entries, model.lr)


def _parameter_scaling(results: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for model in (_CGC, _TC2, _TC3):
        yield from _widths(
            "parameter_scaling", model, _PARAMETER_SCALING_NUM_TRAIN, _at(results, model)
        )


def _grid(results: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for model in (_TC2, _TC3):
        for num_train, widths in _by_number(results[model.path[0]]):
            yield from _widths("grid", model, num_train, widths)


def _learning_rate_scaling(results: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for exponent, widths in results.items():
        for width, entries in _by_number(widths):
            rows = _rows(
                "learning_rate_scaling", _TC2, _PARAMETER_SCALING_NUM_TRAIN, width, entries
            )
            for row in rows:
                # at the reference width every exponent is the same rate: only the name differs
                yield {**row, "run": f"{row['run']}_exponent{float(exponent):g}"}


def _widths(
    study: str, model: _Model, num_train: int, widths: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    num_params0 = widths[str(_REFERENCE_WIDTH)][0]["num_parameter"]
    for width, entries in _by_number(widths):
        shrink = num_params0 / entries[0]["num_parameter"] if model.scales_lr else 1.0
        yield from _rows(study, model, num_train, width, entries, model.lr * shrink)


def _rows(
    study: str,
    model: _Model,
    num_train: int,
    width: int,
    entries: list[dict[str, Any]],
    lr: float = float("nan"),
) -> Iterator[dict[str, Any]]:
    where = f"{study}/{model.key}/data{num_train}_width{width}"
    seeds = sorted(int(entry["seed"]) for entry in entries)
    if seeds != sorted(SEEDS):
        raise ValueError(f"expected seeds {sorted(SEEDS)} in {where}, got {seeds}")
    for entry in entries:
        yield {
            "run": f"{where}_seed{entry['seed']}",
            "studies": [study],
            "model": model.key,
            "label": model.label,
            "num_train": num_train,
            "width": width,
            "num_params": entry["num_parameter"],
            "seed": int(entry["seed"]),
            "lr": entry.get("lr", lr),
            "epochs": _EPOCHS,
            "val_loss": entry["val_loss"],
            "val_eps": entry["eps_loss"],
            "val_drude": entry["drude_loss"],
            "source": SOURCE,
        }


def _by_number(results: dict[str, Any]) -> list[tuple[int, Any]]:
    return sorted(((int(key), value) for key, value in results.items()), key=lambda item: item[0])
