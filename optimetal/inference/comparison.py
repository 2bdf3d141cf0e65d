"""Predictions beside measured optical constants of the same composition."""

import csv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from optimetal.files import whole_file
from optimetal.inference.prediction import RGB_WAVELENGTHS, Prediction
from optimetal.optics.color import VISIBLE, delta_e, lab_to_hex
from optimetal.optics.constants import HC
from optimetal.optics.grid import ENERGY
from optimetal.optics.measured import Measurement, default_measurement
from optimetal.optics.response import reflectivity, refractive_index


@dataclass(frozen=True, eq=False)
class Comparison:
    """A prediction and the most suitable measurement of its composition.

    The measured sample may have another crystal structure than the predicted one.
    """

    prediction: Prediction
    measurement: Measurement

    @cached_property
    def lab(self) -> Float[np.ndarray, "3"]:
        """Measured colour, CIE L*a*b*."""
        lab = self.measurement.lab
        assert lab is not None  # measurements are chosen to cover the visible
        return lab

    @cached_property
    def srgb(self) -> str:
        """Measured colour as "#rrggbb"."""
        return lab_to_hex(self.lab)[0]

    @cached_property
    def delta_e(self) -> float:
        """Difference of the predicted colour from the measured one."""
        return float(delta_e(self.prediction.color.lab, self.lab))

    @cached_property
    def reflectivity_rgb(self) -> Float[np.ndarray, "3"]:
        """Measured reflectivity at 650, 550 and 450 nm."""
        return reflectivity(self.measurement.eps_at(HC / np.array(RGB_WAVELENGTHS)))

    @cached_property
    def mean_errors(self) -> dict[str, float]:
        """Mean absolute error of n, k and the reflectivity over the visible energies."""
        measured = self.measurement.eps_at(ENERGY[VISIBLE])
        index = refractive_index(measured)
        spectra = {"n": index.real, "k": index.imag, "reflectivity": reflectivity(measured)}
        return {
            name: float(np.abs(self.prediction.quantity(name)[VISIBLE] - values).mean())
            for name, values in spectra.items()
        }


def compare(prediction: Prediction) -> Comparison | None:
    """Prediction beside the measurement of its composition; None where there is none."""
    measurement = default_measurement(prediction.formula)
    return None if measurement is None else Comparison(prediction, measurement)


COLUMNS = (
    "name",
    "formula",
    "L",
    "a",
    "b",
    "srgb",
    *(f"reflectivity_{wavelength}nm" for wavelength in RGB_WAVELENGTHS),
    "delta_e",
    "n_mae",
    "k_mae",
    "reflectivity_mae",
    "label",
    "reference",
)
"""Columns of ``measured.csv``: the measured values, then errors of the prediction in the visible."""


@contextmanager
def comparison_writer(path: str | Path) -> Iterator[Callable[[Prediction], None]]:
    """Function that appends the comparison of a prediction, where there is one, to a CSV table.

    The table appears when the block ends.
    """
    with (
        whole_file(path) as temporary,
        open(temporary, "w", newline="", encoding="utf-8") as handle,
    ):
        writer = csv.DictWriter(handle, COLUMNS, lineterminator="\n")
        writer.writeheader()

        def write(prediction: Prediction) -> None:
            if comparison := compare(prediction):
                writer.writerow(_row(comparison))

        yield write


def _row(comparison: Comparison) -> dict[str, Any]:
    light = zip(RGB_WAVELENGTHS, comparison.reflectivity_rgb.tolist(), strict=True)
    numbers = {
        **dict(zip(("L", "a", "b"), comparison.lab.tolist(), strict=True)),
        **{f"reflectivity_{wavelength}nm": value for wavelength, value in light},
        "delta_e": comparison.delta_e,
        **{f"{name}_mae": value for name, value in comparison.mean_errors.items()},
    }
    return {
        "name": comparison.prediction.name,
        "formula": comparison.prediction.formula,
        "srgb": comparison.srgb,
        "label": comparison.measurement.label,
        "reference": comparison.measurement.reference,
        **{name: f"{value:.6g}" for name, value in numbers.items()},
    }
