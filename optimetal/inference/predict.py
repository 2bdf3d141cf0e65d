"""Structures in, predictions out."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Union, overload

import numpy as np
from pymatgen.core import Structure

from optimetal.evaluation import evaluate
from optimetal.graphs.packed import pack
from optimetal.inference.models import Ensemble, load_model
from optimetal.inference.prediction import Prediction
from optimetal.inference.preparation import Prepared, prepare
from optimetal.optics.sum_rules import passive as without_gain

if TYPE_CHECKING:
    from ase import Atoms

Crystal = Union[Structure, "Atoms"]
Model = Ensemble | str | Path | Sequence[str | Path] | None

BATCH_ROWS: Final = 200_000
"""Edges and three-body pairs of one forward pass: low-symmetry cells of hundreds of atoms come in
smaller batches, so that they fit into memory too."""

ROUNDING: Final = 1e-6
"""Share of the absorption that single precision cannot tell from zero."""

NOTABLE_GAIN: Final = 0.01
"""Share of the absorption above which unphysical gain is worth a warning."""


@overload
def predict(
    structures: Crystal,
    model: Model = None,
    *,
    names: str | None = None,
    batch_size: int = 64,
    passive: bool = False,
    reduce: bool = True,
) -> Prediction: ...


@overload
def predict(
    structures: Iterable[Crystal],
    model: Model = None,
    *,
    names: Sequence[str] | None = None,
    batch_size: int = 64,
    passive: bool = False,
    reduce: bool = True,
) -> list[Prediction]: ...


def predict(
    structures: Any,
    model: Model = None,
    *,
    names: str | Sequence[str] | None = None,
    batch_size: int = 64,
    passive: bool = False,
    reduce: bool = True,
) -> Prediction | list[Prediction]:
    """Optical spectra and colours of crystals.

    Args:
        structures: pymatgen Structure or ASE Atoms, or several of either.
        model: Anything :func:`optimetal.load_model` takes, or what it returned (faster for many
            calls).
        names: What to call them; their reduced formulas if not given.
        batch_size: Crystals per forward pass, at most; no result depends on it.
        passive: Whether to set negative values of Im ε, of the interband part, to 0.
        reduce: Whether to reduce cells to primitive ones; no prediction depends on it.

    Returns:
        One prediction for one structure, a list for several.

    Raises:
        ValueError: If a structure cannot be predicted; it is named.
    """
    one = not isinstance(structures, Iterable) or _is_crystal(structures)
    several = [structures] if one else list(structures)
    labels = _names(names, len(several))
    ensemble = model if isinstance(model, Ensemble) else load_model(model)
    settings = replace(ensemble.settings, reduce=reduce)
    prepared = []
    for number, (structure, name) in enumerate(zip(several, labels, strict=True)):
        try:
            prepared.append(prepare(structure, name, settings))
        except ValueError as error:
            raise ValueError(
                f"{_called(name, number, structure)} cannot be predicted. {error}"
            ) from error
    predictions = predict_prepared(ensemble, prepared, batch_size=batch_size, passive=passive)
    return predictions[0] if one else predictions


def _called(name: str | None, number: int, structure: Any) -> str:
    formula = getattr(structure, "formula", None) or getattr(structure, "symbols", "")
    return f"Structure {name or number} ({formula})" if formula else f"Structure {name or number}"


def _is_crystal(structures: Iterable) -> bool:
    """Crystals are iterable too, as are paths, which :func:`prepare` refuses with a reason."""
    kinds = "lattice", "get_atomic_numbers"
    return isinstance(structures, str) or any(hasattr(structures, kind) for kind in kinds)


def _names(names: str | Sequence[str] | None, count: int) -> Sequence[str | None]:
    if names is None:
        return [None] * count
    listed = [names] if isinstance(names, str) else list(names)
    if len(listed) != count:
        raise ValueError(f"Expected one name per structure, got {len(listed)} for {count}.")
    return listed


def predict_prepared(
    ensemble: Ensemble,
    prepared: Sequence[Prepared],
    *,
    batch_size: int = 64,
    passive: bool = False,
) -> list[Prediction]:
    """Predictions for structures that were prepared with ``ensemble.settings``, in their order.

    Args:
        ensemble: The networks.
        prepared: May be empty.
        batch_size: As for :func:`predict`.
        passive: As for :func:`predict`.

    Raises:
        ValueError: If ``batch_size`` is not positive.
    """
    if batch_size < 1:
        raise ValueError(f"Expected a batch size of 1 or more, got {batch_size}.")
    return [
        _prediction(ensemble, each, eps_inter, drude_frequency, passive)
        for batch in _batches(prepared, batch_size)
        for each, eps_inter, drude_frequency in zip(
            batch, *_member_outputs(ensemble, batch), strict=True
        )
    ]


def _batches(prepared: Iterable[Prepared], batch_size: int) -> Iterator[list[Prepared]]:
    """Neighbours in the list, at most ``batch_size`` of them and BATCH_ROWS rows."""
    batch, rows = [], 0
    for each in prepared:
        more = each.graph.edge_length.size + each.graph.triplet_cosine.size
        if batch and (len(batch) == batch_size or rows + more > BATCH_ROWS):
            yield batch
            batch, rows = [], 0
        batch.append(each)
        rows += more
    if batch:
        yield batch


def _member_outputs(ensemble: Ensemble, batch: Sequence[Prepared]) -> tuple[np.ndarray, np.ndarray]:
    """(B, num_members, num_energies) complex ε and (B, num_members) Drude frequencies."""
    settings = ensemble.settings
    graphs = pack((each.graph for each in batch), settings.cutoff, settings.triplet_cutoff)
    outputs = [
        evaluate.predict(member, graphs, len(batch), ensemble.device) for member in ensemble.members
    ]
    parts = np.stack([output["eps_inter"] for output in outputs], axis=1)
    drude_frequency = np.stack([output["drude_frequency"] for output in outputs], axis=1)
    return parts[..., 0] + 1j * parts[..., 1], drude_frequency


def _prediction(
    ensemble: Ensemble,
    prepared: Prepared,
    eps_inter: np.ndarray,
    drude_frequency: np.ndarray,
    passive: bool,
) -> Prediction:
    clipped, gain = without_gain(eps_inter)
    return Prediction(
        name=prepared.name,
        structure=prepared.structure,
        members_eps_inter=clipped if passive else eps_inter,
        members_drude_frequency=drude_frequency,
        model=ensemble.label,
        source=ensemble.source,
        warnings=(
            *prepared.warnings,
            *_gain_warning(float(gain.mean()), passive),
            *_missing_part_warning(eps_inter),
        ),
        notes=prepared.notes,
    )


def _gain_warning(gain: float, passive: bool) -> Iterator[str]:
    if passive and gain > ROUNDING:
        yield f"Negative values of Im ε, {gain:.2%} of its absolute area, were set to 0."
    elif gain > NOTABLE_GAIN:
        yield (
            f"Im ε is negative in places, an unphysical gain of {gain:.1%} of its absolute area; "
            "`passive` sets such values to 0."
        )


def _missing_part_warning(eps_inter: np.ndarray) -> Iterator[str]:
    if not np.real(eps_inter).any():
        yield (
            "This model knows Im ε of the interband part only: Re ε and the Drude frequency are 0, and "
            "what follows from them (n, k, reflectivity, colour, energy loss) means nothing."
        )
