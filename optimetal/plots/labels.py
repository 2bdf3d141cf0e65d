"""Axis labels with their units, and the fixed look of every model: one place for both."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import matplotlib as mpl
import numpy as np
from matplotlib.colors import to_hex


@dataclass(frozen=True)
class Quantity:
    """A quantity that is plotted: its name or symbol, and its unit ("" where it has none)."""

    name: str
    unit: str = ""

    @property
    def label(self) -> str:
        """Axis label, ``name (unit)``."""
        return f"{self.name} ({self.unit})" if self.unit else self.name


QUANTITIES: Final[dict[str, Quantity]] = {
    # optics
    "energy": Quantity("Photon energy $\\hslash\\omega$", "eV"),
    "eps_real": Quantity("Re $\\varepsilon$"),
    "eps_imag": Quantity("Im $\\varepsilon$"),
    "eps_inter": Quantity("Interband $\\varepsilon_{\\mathrm{inter}}$"),
    "eps_inter_real": Quantity("Re $\\varepsilon_{\\mathrm{inter}}$"),
    "eps_inter_imag": Quantity("Im $\\varepsilon_{\\mathrm{inter}}$"),
    "drude_frequency": Quantity("Drude frequency $\\omega_{\\mathrm{D}}$", "eV"),
    "drude_frequency_target": Quantity("Target $\\omega_{\\mathrm{D}}$", "eV"),
    "drude_frequency_predicted": Quantity("Predicted $\\omega_{\\mathrm{D}}$", "eV"),
    "reflectivity": Quantity("Reflectivity $R$"),
    "wavelength": Quantity("Wavelength $\\lambda$", "nm"),
    "refractive_index": Quantity("Refractive index $n$"),
    "extinction": Quantity("Extinction coefficient $k$"),
    "absorption": Quantity("Absorption coefficient $\\alpha$", "cm$^{-1}$"),
    "energy_loss": Quantity("Energy loss $-$Im $\\varepsilon^{-1}$"),
    "conductivity": Quantity("Optical conductivity Re $\\sigma$", "S m$^{-1}$"),
    # metrics of one material
    "loss": Quantity("Loss $L$"),
    "loss_eps": Quantity("Loss of $\\varepsilon_{\\mathrm{inter}}$"),
    "loss_drude": Quantity("Loss of $\\omega_{\\mathrm{D}}$"),
    "eps_real_mae": Quantity("MAE of Re $\\varepsilon_{\\mathrm{inter}}$"),
    "eps_imag_mae": Quantity("MAE of Im $\\varepsilon_{\\mathrm{inter}}$"),
    "eps_real_r2": Quantity("$R^2$ of Re $\\varepsilon_{\\mathrm{inter}}$"),
    "eps_imag_r2": Quantity("$R^2$ of Im $\\varepsilon_{\\mathrm{inter}}$"),
    "eps_real_sc": Quantity("Similarity SC of Re $\\varepsilon_{\\mathrm{inter}}$"),
    "eps_imag_sc": Quantity("Similarity SC of Im $\\varepsilon_{\\mathrm{inter}}$"),
    "drude_diff": Quantity("$\\Delta\\omega_{\\mathrm{D}}$", "eV"),
    "drude_rel_diff": Quantity("$\\Delta\\omega_{\\mathrm{D}}\\,/\\,\\omega_{\\mathrm{D}}$"),
    "drude_mae": Quantity("$|\\Delta\\omega_{\\mathrm{D}}|$", "eV"),
    "drude_mape": Quantity("$|\\Delta\\omega_{\\mathrm{D}}|\\,/\\,\\omega_{\\mathrm{D}}$", "%"),
    "delta_e": Quantity("Colour difference $\\Delta E$"),
    # training runs
    "epoch": Quantity("Epoch"),
    "lr": Quantity("Learning rate $\\eta$"),
    "grad_norm": Quantity("Gradient norm"),
    "train_loss": Quantity("Training loss"),
    "val_loss": Quantity("Validation loss $L$"),
    "val_eps": Quantity("Validation loss of $\\varepsilon_{\\mathrm{inter}}$"),
    "val_drude": Quantity("Validation loss of $\\omega_{\\mathrm{D}}$", "eV"),
    "num_train": Quantity("Training materials $D$"),
    "num_params": Quantity("Parameters $N$"),
    "width": Quantity("Hidden width $h$"),
    "lr_exponent": Quantity("Learning-rate exponent $\\gamma$"),
    "num_layers": Quantity("Message-passing layers"),
    "spectra_multiplier": Quantity("Spectra width / hidden width"),
    "spectra_dim": Quantity("Width of the spectrum head"),
    "seconds": Quantity("Training time", "s"),
    "hours": Quantity("Cost of a training", "h"),
    "compute": Quantity("Compute $N D \\times$ epochs"),
    "aicc": Quantity("AICc"),
    # data
    "num_atoms": Quantity("Atoms per unit cell"),
    "num_materials": Quantity("Materials"),
    "share_materials": Quantity("Share of materials", "%"),
}


@dataclass(frozen=True)
class ModelLook:
    """How a model appears in every figure."""

    label: str
    color: str
    marker: str


MODELS: Final[dict[str, ModelLook]] = {
    "optimate": ModelLook("OptiMate", "#6B6B6B", "D"),
    "2b_cgc": ModelLook("OptiMetal2B (CGC)", "#009E73", "^"),
    "2b_tc": ModelLook("OptiMetal2B (TC)", "#0072B2", "s"),
    "3b_tc": ModelLook("OptiMetal3B (TC)", "#D55E00", "o"),
}
"""Models of the study; colours of Okabe and Ito, told apart by any colour vision."""

_OTHER_COLORS: Final = ("#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D31", "#5E4FA2")
_OTHER_MARKERS: Final = ("v", "P", "X", "<", ">", "h")


def sequence_colors(count: int) -> list[str]:
    """Colours of an ordered family, such as sizes, dark to light, without the palest."""
    return [to_hex(color) for color in mpl.colormaps["viridis"](np.linspace(0, 0.88, count))]


def label(key: str) -> str:
    """Axis label of a quantity, with its unit.

    Raises:
        ValueError: If no label is declared for the key.
    """
    if key not in QUANTITIES:
        known = ", ".join(QUANTITIES)
        raise ValueError(f"no label for {key!r}: declare it in QUANTITIES or use one of {known}")
    return QUANTITIES[key].label


def model_looks(keys: Iterable[str]) -> dict[str, ModelLook]:
    """Label, colour and marker of each model.

    The models of the study keep theirs in every figure. Any other takes the next of a fixed cycle
    in order of name, so that equal sets of models look equal whatever order they come in.

    Args:
        keys: Model keys, such as "3b_tc"; repeats are ignored.

    Returns:
        One look per key, in the order of first appearance.
    """
    unique = list(dict.fromkeys(keys))
    others = {
        key: ModelLook(
            key,
            _OTHER_COLORS[rank % len(_OTHER_COLORS)],
            # the next marker in the next round of the colours, so that no two models look equal
            _OTHER_MARKERS[(rank + rank // len(_OTHER_COLORS)) % len(_OTHER_MARKERS)],
        )
        for rank, key in enumerate(sorted(set(unique) - set(MODELS)))
    }
    return {key: MODELS.get(key) or others[key] for key in unique}


def formula(composition: str) -> str:
    """Chemical formula with subscripts: "Cu3Au" becomes "Cu₃Au", as matplotlib text."""
    return re.sub(r"([0-9.]+)", r"$_{\\mathrm{\1}}$", composition)
