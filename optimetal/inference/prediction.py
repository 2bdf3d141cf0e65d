"""What comes out of a prediction: spectra with units, colour, uncertainty and their limits."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pandas as pd
import spglib
from jaxtyping import Complex, Float
from numpy.typing import NDArray
from pymatgen.core import Structure

from optimetal.inference.preparation import spglib_cell
from optimetal.optics.color import lab_to_hex, lab_to_srgb, material_lab
from optimetal.optics.constants import EPS0_OVER_HBAR, HC
from optimetal.optics.drude import BROADENING, total_dielectric
from optimetal.optics.grid import ENERGY
from optimetal.optics.response import (
    absorption_coefficient,
    energy_loss,
    reflectivity,
    refractive_index,
)
from optimetal.optics.sum_rules import f_sum, kramers_kronig_residual
from optimetal.symmetry import SymmetryError, call_spglib

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from optimetal.optics.measured import Measurement

RGB_WAVELENGTHS: Final = (650, 550, 450)
"""nm; red, green and blue light."""

_SYMMETRY_TOLERANCE: Final = 0.01  # Å, usual for relaxed structures


class Quantity(NamedTuple):
    """A real spectrum that follows from the interband part and the Drude frequency."""

    unit: str
    """As in the name of a column: "", "per_cm", "S_per_m"."""
    compute: Callable[[NDArray, NDArray], NDArray]
    """(..., NUM_ENERGIES) complex ε_inter and (...) ω_D in eV -> (..., NUM_ENERGIES) real."""


def _conductivity(eps_inter: NDArray, drude_frequency: NDArray) -> NDArray[np.complex128]:
    """S/m; that of the Drude term is ε₀ ω_D² / (γ - iω), finite at 0 eV too."""
    strength = np.square(np.asarray(drude_frequency, dtype=float))[..., np.newaxis]
    drude = strength / (BROADENING - 1j * ENERGY)
    return EPS0_OVER_HBAR * (drude - 1j * ENERGY * (eps_inter - 1))


QUANTITIES: Final[dict[str, Quantity]] = {
    "eps_inter_real": Quantity("", lambda eps, drude: eps.real),
    "eps_inter_imag": Quantity("", lambda eps, drude: eps.imag),
    "eps_real": Quantity("", lambda eps, drude: total_dielectric(eps, drude).real),
    "eps_imag": Quantity("", lambda eps, drude: total_dielectric(eps, drude).imag),
    "n": Quantity("", lambda eps, drude: refractive_index(total_dielectric(eps, drude)).real),
    "k": Quantity("", lambda eps, drude: refractive_index(total_dielectric(eps, drude)).imag),
    "reflectivity": Quantity("", lambda eps, drude: reflectivity(total_dielectric(eps, drude))),
    "absorption": Quantity(
        "per_cm", lambda eps, drude: absorption_coefficient(ENERGY, total_dielectric(eps, drude))
    ),
    "energy_loss": Quantity("", lambda eps, drude: energy_loss(total_dielectric(eps, drude))),
    "conductivity_real": Quantity("S_per_m", lambda eps, drude: _conductivity(eps, drude).real),
    "conductivity_imag": Quantity("S_per_m", lambda eps, drude: _conductivity(eps, drude).imag),
}
"""Name -> spectrum of :meth:`Prediction.quantity`; at 0 eV Im ε, n and k of a metal are infinite."""


@dataclass(frozen=True, eq=False)
class Color:
    """Colour of a polished surface in daylight (D65, CIE 1931 2° observer)."""

    lab: Float[np.ndarray, "3"]
    """CIE L*, a*, b*."""
    lab_spread: Float[np.ndarray, "3"]
    """Standard deviation of each over the members; 0 for a single network."""

    @property
    def srgb(self) -> Float[np.ndarray, "3"]:
        """Red, green, blue in 0..1, clipped to what a screen can show."""
        return lab_to_srgb(self.lab)

    @property
    def hex(self) -> str:
        """sRGB as "#rrggbb"."""
        return lab_to_hex(self.lab)[0]

    def __repr__(self) -> str:
        values = _with_spreads(self.lab, self.lab_spread, ".1f")
        return f"L* {values[0]}, a* {values[1]}, b* {values[2]}  {self.hex}"


@dataclass(frozen=True, eq=False, repr=False)
class Prediction:
    """Predicted optical response of one crystal, averaged over the directions.

    Spectra are (NUM_ENERGIES,) arrays on ``energy``. They follow from the mean of the members'
    interband dielectric functions and Drude frequencies; :meth:`spread` tells how far the members
    disagree. That is no error bar: members err together where the training set has gaps.
    """

    name: str
    structure: Structure
    """The cell that was used."""
    members_eps_inter: Complex[np.ndarray, "num_members num_energies"]
    """Interband dielectric function from each network."""
    members_drude_frequency: Float[np.ndarray, " num_members"]
    """Drude frequency from each network, eV."""
    model: str
    """Name of the model."""
    source: str
    """What it learned from, e.g. "surrogate, not ab initio"."""
    warnings: tuple[str, ...] = ()
    """Reasons to distrust the prediction, a sentence each."""
    notes: tuple[str, ...] = ()
    """What was done to the structure, a sentence each."""

    # Crystal

    @property
    def num_members(self) -> int:
        """Number of networks; a single one has no spread."""
        return len(self.members_drude_frequency)

    @cached_property
    def formula(self) -> str:
        """Reduced formula."""
        return self.structure.composition.reduced_formula

    @cached_property
    def space_group(self) -> str:
        """Symbol and number, such as "Fm-3m (225)", up to 0.01 Å; "unknown" if not found."""
        cell = spglib_cell(self.structure)
        try:
            return call_spglib(spglib.get_spacegroup, cell, symprec=_SYMMETRY_TOLERANCE)
        except SymmetryError:
            return "unknown"

    # What the networks predict

    @property
    def energy(self) -> Float[np.ndarray, " num_energies"]:
        """Photon energies, eV."""
        return ENERGY

    @cached_property
    def eps_inter(self) -> Complex[np.ndarray, " num_energies"]:
        """Interband part of the dielectric function."""
        return self.members_eps_inter.mean(axis=0, dtype=complex)

    @cached_property
    def eps_inter_spread(self) -> Float[np.ndarray, "num_energies 2"]:
        """Standard deviation of its real and imaginary part over the members."""
        parts = [self.spread(name) for name in ("eps_inter_real", "eps_inter_imag")]
        return np.stack(parts, axis=-1)

    @cached_property
    def drude_frequency(self) -> float:
        """Drude frequency ω_D, eV."""
        return float(self.members_drude_frequency.mean(dtype=float))

    @cached_property
    def drude_frequency_spread(self) -> float:
        """Its standard deviation over the members, eV."""
        return float(self.members_drude_frequency.std(dtype=float))

    # What follows

    def quantity(self, name: str) -> Float[np.ndarray, " num_energies"]:
        """A spectrum of QUANTITIES by its name.

        Raises:
            ValueError: If there is no such quantity.
        """
        return _quantity(name).compute(self.eps_inter, np.asarray(self.drude_frequency))

    def spread(self, name: str) -> Float[np.ndarray, " num_energies"]:
        """Population standard deviation of a spectrum of QUANTITIES over the members.

        NaN where the quantity is infinite, 0 for a single network.

        Raises:
            ValueError: If there is no such quantity.
        """
        members = self.members_eps_inter.astype(complex), self.members_drude_frequency
        with np.errstate(invalid="ignore"):
            return _quantity(name).compute(*members).std(axis=0)

    @cached_property
    def eps(self) -> Complex[np.ndarray, " num_energies"]:
        """Total dielectric function, with the Drude term (damping 0.1 eV); infinite at 0 eV."""
        return total_dielectric(self.eps_inter, self.drude_frequency)

    @cached_property
    def n(self) -> Float[np.ndarray, " num_energies"]:
        """Refractive index."""
        return self.quantity("n")

    @cached_property
    def k(self) -> Float[np.ndarray, " num_energies"]:
        """Extinction coefficient."""
        return self.quantity("k")

    @cached_property
    def reflectivity(self) -> Float[np.ndarray, " num_energies"]:
        """Reflectivity at normal incidence, 0 to 1."""
        return self.quantity("reflectivity")

    @cached_property
    def absorption(self) -> Float[np.ndarray, " num_energies"]:
        """Absorption coefficient of the intensity, 1/cm."""
        return self.quantity("absorption")

    @cached_property
    def energy_loss(self) -> Float[np.ndarray, " num_energies"]:
        """Energy-loss function Im(-1/ε)."""
        return self.quantity("energy_loss")

    @cached_property
    def conductivity(self) -> Complex[np.ndarray, " num_energies"]:
        """Optical conductivity, S/m; at 0 eV that of the Drude term."""
        return _conductivity(self.eps_inter, np.asarray(self.drude_frequency))

    @cached_property
    def color(self) -> Color:
        """Colour of a polished surface."""
        members = material_lab(self.members_eps_inter, self.members_drude_frequency)
        return Color(material_lab(self.eps_inter, self.drude_frequency), members.std(axis=0))

    @cached_property
    def reflectivity_rgb(self) -> Float[np.ndarray, "3"]:
        """Reflectivity for red, green and blue light: at 650, 550 and 450 nm."""
        return np.interp(HC / np.array(RGB_WAVELENGTHS), ENERGY, self.reflectivity)

    @cached_property
    def kramers_kronig_residual(self) -> float:
        """Share of Re ε_inter that does not follow from Im ε_inter; 0 for a causal spectrum.

        See :func:`optimetal.optics.sum_rules.kramers_kronig_residual`.
        """
        return float(kramers_kronig_residual(ENERGY, self.eps_inter))

    @cached_property
    def f_sum(self) -> float:
        """Plasma frequency of all electrons that absorb up to 20 eV, eV.

        See :func:`optimetal.optics.sum_rules.f_sum`.
        """
        return float(f_sum(ENERGY, self.eps_inter, self.drude_frequency))

    # Forms for people

    def to_dataframe(self) -> pd.DataFrame:
        """All spectra, one row per energy.

        Columns are ``energy_eV`` and QUANTITIES with their units, each followed by its spread where
        there are several members. ``attrs`` holds name, formula, model, source, warnings and what
        is no spectrum.
        """
        columns = {"energy_eV": ENERGY}
        for name, (unit, _) in QUANTITIES.items():
            columns["_".join(filter(None, (name, unit)))] = self.quantity(name)
            if self.num_members > 1:
                columns["_".join(filter(None, (name, "spread", unit)))] = self.spread(name)
        table = pd.DataFrame(columns)
        table.attrs.update(self.summary())
        return table

    def summary(self) -> dict[str, Any]:
        """Everything but the spectra, as plain JSON; units in the names."""
        return {
            "name": self.name,
            "formula": self.formula,
            "space_group": self.space_group,
            "num_atoms": len(self.structure),
            "model": self.model,
            "num_members": self.num_members,
            "source": self.source,
            "drude_frequency_eV": self.drude_frequency,
            "drude_frequency_spread_eV": self.drude_frequency_spread,
            "lab": self.color.lab.tolist(),
            "lab_spread": self.color.lab_spread.tolist(),
            "srgb": self.color.hex,
            **{
                f"reflectivity_{wavelength}nm": float(value)
                for wavelength, value in zip(RGB_WAVELENGTHS, self.reflectivity_rgb, strict=True)
            },
            "kramers_kronig_residual": self.kramers_kronig_residual,
            "f_sum_eV": self.f_sum,
            "warnings": list(self.warnings),
            "notes": list(self.notes),
        }

    def plot(self, measured: "Measurement | None" = None) -> "Figure":
        """Spectra with the spread as a band, colour, facts, source and warnings.

        See :func:`optimetal.inference.figure.prediction_figure`.

        Args:
            measured: Optical constants to compare with, from
                :func:`optimetal.optics.measured.default_measurement` for instance.
        """
        from optimetal.inference.figure import prediction_figure  # matplotlib is slow to import

        return prediction_figure(self, measured)

    def facts(self) -> list[tuple[str, str]]:
        """Title and text of what is worth knowing at a glance, without the warnings."""
        atoms = f"{len(self.structure)} atom{'s' * (len(self.structure) > 1)}"
        members = f", {self.num_members} members" if self.num_members > 1 else ""
        spread = self.drude_frequency_spread if self.num_members > 1 else 0
        drude = _with_spreads([self.drude_frequency], [spread], ".2f")[0]
        red, green, blue = self.reflectivity_rgb
        light = ", ".join(f"{wavelength}" for wavelength in RGB_WAVELENGTHS)
        return [
            ("Crystal", f"{self.formula}, {self.space_group}, {atoms}"),
            ("Drude frequency", f"{drude} eV (damping {BROADENING:g} eV)"),
            ("Colour", repr(self.color)),
            ("Reflectivity", f"{red:.2f}, {green:.2f}, {blue:.2f} ({light} nm)"),
            ("Kramers-Kronig", f"{self.kramers_kronig_residual:.0%} of Re ε is not causal"),
            ("f-sum", f"plasma frequency {self.f_sum:.1f} eV to {ENERGY[-1]:g} eV"),
            ("Model", self.model + members),
            ("Source", self.source),
        ]

    def _lines(self) -> Iterator[tuple[str, str]]:
        yield from self.facts()
        yield from (("Note", note) for note in self.notes)
        yield from (("Warning", warning) for warning in self.warnings)

    def __repr__(self) -> str:
        rows = (f"  {title:<16} {text}" for title, text in self._lines())
        return "\n".join([f"Prediction for {self.name}", *rows])

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left'>{title}</th>"
            f"<td style='text-align:left'>{escape(text)}</td></tr>"
            for title, text in self._lines()
        )
        swatch = (
            f"<div style='width:6em;height:2em;border:1px solid;background:{self.color.hex}'></div>"
        )
        return f"<b>{escape(self.name)}</b>{swatch}<table>{rows}</table>"


def _quantity(name: str) -> Quantity:
    if name not in QUANTITIES:
        raise ValueError(f"Expected one of the spectra {', '.join(QUANTITIES)}, got {name!r}.")
    return QUANTITIES[name]


def _with_spreads(values: Any, spreads: Any, digits: str) -> list[str]:
    """Each value with its spread, where there is one."""
    return [
        f"{value:{digits}} ± {spread:{digits}}" if spread else f"{value:{digits}}"
        for value, spread in zip(values, spreads, strict=True)
    ]
