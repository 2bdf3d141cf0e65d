"""The measurements of the published study, as a table of training runs.

They are data files of the repository MaxGrossmann/optimetal (MIT). Nothing of them is kept here;
only what the files do not say, such as the learning rates of the scaling studies, is.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd

SEEDS: Final = (1, 42, 137)
SOURCE: Final = "ab initio (published)"
_REFERENCE_WIDTH: Final = 256
_NUM_TRAIN: Final = 20_000
"""Of every study that does not vary it."""

SCALING_FILE: Final = "scaling_results.json"
GRID_FILE: Final = "scaling_grid_results.json"
LEARNING_RATE_FILE: Final = "transformer_scaling_results.json"
RESIDUAL_FILE: Final = "other/mlp_addnorm_results.json"
SPECTRA_FILE: Final = "other/spectra_dim_results.json"


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
    epochs: int = 500


_OPTIMATE: Final = _Model("optimate", "OptiMate", ("optimate",))
_CGC: Final = _Model("2b_cgc", "OptiMetal2B (CGC)", ("2b", "variant1"), lr=1e-3)
_TC2: Final = _Model("2b_tc", "OptiMetal2B (TC)", ("2b", "variant2"), lr=6e-4, scales_lr=True)
_TC3: Final = _Model("3b_tc", "OptiMetal3B (TC)", ("3b",), lr=4e-4, scales_lr=True)
# the first architecture of the ablation study, with and without x + MLP(x) and norm after each layer
_RESIDUAL: Final = _Model("2b_gat", "MP with MLP + add & norm", ("residual",), epochs=200)
_PLAIN: Final = _Model("2b_gat_plain", "MP only", ("no_residual",), epochs=200)


@dataclass(frozen=True)
class _Point:
    """One setting of a study, which every seed was trained with."""

    study: str
    model: _Model
    width: int = _REFERENCE_WIDTH
    num_train: int = _NUM_TRAIN
    detail: str = ""

    @property
    def name(self) -> str:
        size = f"{self.study}/{self.model.key}/data{self.num_train}_width{self.width}"
        return f"{size}_{self.detail}" if self.detail else size


RUN_COLUMNS: Final[tuple[str, ...]] = (
    *("run", "studies", "model", "label", "num_train", "width", "num_params", "seed", "lr"),
    *("num_layers", "spectra_dim", "epochs", "val_loss", "val_eps", "val_drude", "source"),
)


def read_published_runs(folder: Path) -> pd.DataFrame:
    """Read the published measurements.

    Args:
        folder: Folder with the files of ``published_files.FILES``.

    Returns:
        One row per training run with the columns ``RUN_COLUMNS``. ``studies`` is a list of one of
        "data_scaling", "parameter_scaling", "grid", "learning_rate_scaling", "residual_block" and
        "spectra_width": the published studies share no run. Losses are the reported ones, up to
        1e-3 above the true minimum. OptiMate has width 0, as it is no family of widths. The message
        passing layers and the width of the spectrum head are those of the study that varies them.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a seed is missing or occurs twice; the message names the point.
    """
    folder = Path(folder)
    scaling = read_json(folder / SCALING_FILE)
    rows = [
        *_data_scaling(scaling["data"]),
        *_parameter_scaling(scaling["parameter"]),
        *_grid(read_json(folder / GRID_FILE)),
        *_learning_rate_scaling(read_json(folder / LEARNING_RATE_FILE)),
        *_residual_block(read_json(folder / RESIDUAL_FILE)),
        *_spectra_width(read_json(folder / SPECTRA_FILE)),
    ]
    runs = pd.DataFrame(rows, columns=list(RUN_COLUMNS))
    return runs.astype({"num_layers": "Int64", "spectra_dim": "Int64"})


def read_json(path: Path) -> Any:
    """Contents of one of the result files.

    Raises:
        FileNotFoundError: If it is missing.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"no published measurements at {path}: let the workflow download them (no "
            "`published.folder`), or get them from research/ of the repository "
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
            point = _Point("data_scaling", model, width, num_train)
            yield from _rows(point, entries, lr=model.lr)


def _parameter_scaling(results: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for model in (_CGC, _TC2, _TC3):
        yield from _widths("parameter_scaling", model, _NUM_TRAIN, _at(results, model))


def _grid(results: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for model in (_TC2, _TC3):
        for num_train, widths in _by_number(results[model.path[0]]):
            yield from _widths("grid", model, num_train, widths)


def _learning_rate_scaling(results: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for exponent, widths in results.items():
        for width, entries in _by_number(widths):
            # at the reference width every exponent is the same rate: only the name differs
            point = _Point("learning_rate_scaling", _TC2, width, detail=f"exponent{exponent}")
            yield from _rows(point, entries)


def _residual_block(results: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for model in (_RESIDUAL, _PLAIN):
        for layers, entries in _by_number(_at(results, model)):
            point = _Point("residual_block", model, detail=f"layers{layers}")
            yield from _rows(point, entries, num_layers=layers)


def _spectra_width(results: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for width, multipliers in _by_number(results):
        for multiplier, entries in _by_number(multipliers):
            point = _Point("spectra_width", _TC2, width, detail=f"spectra{multiplier * width}")
            yield from _rows(point, entries, spectra_dim=multiplier * width)


def _widths(
    study: str, model: _Model, num_train: int, widths: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    counts = {}
    for width, entries in _by_number(widths):
        _require_seeds(_Point(study, model, width, num_train), entries)
        counts[width] = entries[0]["num_parameter"]
    for width, entries in _by_number(widths):
        shrink = counts[_REFERENCE_WIDTH] / counts[width] if model.scales_lr else 1.0
        yield from _rows(_Point(study, model, width, num_train), entries, lr=model.lr * shrink)


def _rows(
    point: _Point, entries: list[dict[str, Any]], **columns: float
) -> Iterator[dict[str, Any]]:
    _require_seeds(point, entries)
    for entry in entries:
        # the learning rate is in some files only
        lr = {"lr": entry["lr"]} if "lr" in entry else {}
        yield {
            "run": f"{point.name}_seed{entry['seed']}",
            "studies": [point.study],
            "model": point.model.key,
            "label": point.model.label,
            "num_train": point.num_train,
            "width": point.width,
            "num_params": entry["num_parameter"],
            "seed": int(entry["seed"]),
            "epochs": point.model.epochs,
            "val_loss": entry["val_loss"],
            "val_eps": entry["eps_loss"],
            "val_drude": entry["drude_loss"],
            "source": SOURCE,
            **columns,
            **lr,
        }


def _require_seeds(point: _Point, entries: list[dict[str, Any]]) -> None:
    expected, seeds = list(map(str, SEEDS)), [str(entry.get("seed", "none")) for entry in entries]
    if sorted(seeds) != sorted(expected):
        raise ValueError(
            f"expected the seeds {', '.join(expected)} in {point.name}, got "
            f"{', '.join(seeds) or 'none'}: the result file is incomplete, get it again"
        )


def _by_number(results: dict[str, Any]) -> list[tuple[int, Any]]:
    return sorted(((int(key), value) for key, value in results.items()), key=lambda item: item[0])
