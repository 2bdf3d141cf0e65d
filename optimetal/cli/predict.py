"""``optimetal predict``: files in, a short table and what was asked for out."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from numpy.typing import NDArray
from rich.table import Table
from rich.text import Text
from tqdm import tqdm

from optimetal.cli.terminal import console, plain_table, usable_device
from optimetal.inference.comparison import Comparison, compare, comparison_writer
from optimetal.inference.models import Ensemble, load_model
from optimetal.inference.output import (
    Format,
    check_quantities,
    spectra_writer,
    summary_writer,
    write_figure,
)
from optimetal.inference.stream import Outcome, predict_files
from optimetal.inference.structures import StructureFile, find_files

if TYPE_CHECKING:
    from optimetal.inference.prediction import Prediction

SHOWN: Final = 20
"""Crystals, and skipped ones, that are printed."""

_NAMED: Final = 5  # crystals that a warning names

_FILES_PER_JOB: Final = 200  # a process that reads them takes two seconds to start

SOME_SKIPPED, NOTHING_DONE = 3, 1


@dataclass(frozen=True)
class Request:
    """What is asked for."""

    output: Path | None
    formats: tuple[Format, ...]
    quantities: tuple[str, ...]
    figure: bool
    compare: bool
    passive: bool
    jobs: int | None
    batch_size: int


@dataclass
class Report:
    """What will be printed: the first crystals and how many there were."""

    table: Table
    num_predicted: int = 0
    num_skipped: int = 0
    num_doubtful: int = 0
    warnings: dict[str, list[str]] = field(default_factory=dict)
    """Sentence -> names of the crystals shown that it is about."""
    references: dict[str, list[str]] = field(default_factory=dict)
    """Source of the measurements shown -> formulas of what was measured."""
    skipped: list[Outcome] = field(default_factory=list)


def run(files: Sequence[Path], model: list[str] | None, device: str, request: Request) -> int:
    """Predict, write and print; returns the exit code.

    Raises:
        ValueError: If a model, folder or quantity is not what it should be.
        OSError: If something cannot be found or written.
    """
    check_quantities(request.quantities)
    found = find_files(files, leave_out=request.output)
    ensemble = load_model(model[0] if model and len(model) == 1 else model, usable_device(device))
    report = Report(_table())
    with _writers(request) as writers:
        for outcome in tqdm(
            predict_files(
                ensemble,
                found,
                jobs=request.jobs or _jobs(found),
                batch_size=request.batch_size,
                passive=request.passive,
            ),
            total=len(found),
            unit=" crystals",
            disable=None,
        ):
            for write in writers:
                write(outcome)
            _take(report, outcome, request.compare)
    _print(report, ensemble, request)
    if not report.num_predicted:
        return NOTHING_DONE
    return SOME_SKIPPED if report.num_skipped else 0


def _jobs(files: Sequence[StructureFile]) -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(cores or 1, len(files) // _FILES_PER_JOB))


@contextmanager
def _writers(request: Request) -> Iterator[list[Callable[[Outcome], None]]]:
    with ExitStack() as stack:
        folder = request.output
        if folder is None:
            yield []
            return
        writers = [stack.enter_context(summary_writer(folder / "summary.csv"))]
        for form in request.formats:
            write = stack.enter_context(spectra_writer(folder, form, request.quantities))
            writers.append(_of_predictions(write))
        if request.figure:
            writers.append(_of_predictions(partial(write_figure, folder, compare=request.compare)))
        if request.compare:
            write = stack.enter_context(comparison_writer(folder / "measured.csv"))
            writers.append(_of_predictions(write))
        yield writers


def _of_predictions(write: Callable[["Prediction"], None]) -> Callable[[Outcome], None]:
    def write_outcome(outcome: Outcome) -> None:
        if outcome.prediction:
            write(outcome.prediction)

    return write_outcome


def _table() -> Table:
    table = plain_table()
    table.add_column("Crystal", max_width=24, overflow="fold")
    table.add_column("Formula", no_wrap=True)
    table.add_column("ω_D (eV)", no_wrap=True, justify="right")
    table.add_column("L*    a*    b*", no_wrap=True, justify="right")
    table.add_column("Colour", no_wrap=True)
    table.add_column("R 650/550/450", no_wrap=True)
    return table


def _take(report: Report, outcome: Outcome, measured: bool) -> None:
    prediction = outcome.prediction
    if prediction is None:
        report.num_skipped += 1
        if report.num_skipped <= SHOWN:
            report.skipped.append(outcome)
        return
    report.num_predicted += 1
    report.num_doubtful += bool(prediction.warnings)
    if report.num_predicted > SHOWN:
        return
    _add_prediction(report.table, prediction)
    for warning in prediction.warnings:
        report.warnings.setdefault(warning, []).append(prediction.name)
    if measured and (comparison := compare(prediction)):
        _add_measurement(report, comparison)


def _add_prediction(table: Table, prediction: "Prediction") -> None:
    color = prediction.color
    table.add_row(
        prediction.name,
        prediction.formula,
        _drude_frequency(prediction),
        _lab(color.lab),
        _swatch(color.hex),
        _reflectivities(prediction.reflectivity_rgb),
    )


def _add_measurement(report: Report, comparison: Comparison) -> None:
    report.table.add_row(
        "  measured",
        "",
        f"ΔE {comparison.delta_e:.1f}",
        _lab(comparison.lab),
        _swatch(comparison.srgb),
        _reflectivities(comparison.reflectivity_rgb),
        style="italic",
    )
    source = comparison.measurement
    formulas = report.references.setdefault(f"{source.label}. {source.reference}", [])
    if source.formula not in formulas:
        formulas.append(source.formula)


def _drude_frequency(prediction: "Prediction") -> str:
    value = f"{prediction.drude_frequency:.2f}"
    several = prediction.num_members > 1
    return f"{value} ± {prediction.drude_frequency_spread:.2f}" if several else value


def _lab(lab: NDArray) -> str:
    return " ".join(f"{value:5.1f}" for value in lab)


def _reflectivities(values: NDArray) -> str:
    return " ".join(f"{value:.2f}" for value in values)


def _swatch(color: str) -> Text:
    """A patch of the colour, which a terminal without colours leaves blank, and its code."""
    return Text.assemble(("   ", f"on {color}"), f" {color}")


def _print(report: Report, ensemble: Ensemble, request: Request) -> None:
    out = console()
    if report.num_predicted:
        out.print(report.table)
        out.print()
        for line in (*_remarks(report), _model_line(ensemble)):
            out.print(line)
        if request.output:
            out.print(f"Written to {request.output}", soft_wrap=True)
    errors = console(stderr=True)
    for line in _skipped(report):
        errors.print(line, soft_wrap=True)


def _remarks(report: Report) -> Iterator[str]:
    more = report.num_predicted - SHOWN
    if more > 0:
        yield f"... and {more:,} more crystals: see summary.csv (--output FOLDER)"
    for warning, names in report.warnings.items():
        yield f"Warning, {_listed(names)}: {warning}"
    if more > 0 and report.num_doubtful:
        yield f"{report.num_doubtful:,} of all {report.num_predicted:,} crystals have warnings."
    for reference, formulas in report.references.items():
        yield f"Measured, {', '.join(formulas)}: {reference}"


def _listed(names: Sequence[str]) -> str:
    few = names[:_NAMED]
    return ", ".join(few) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")


def _model_line(ensemble: Ensemble) -> str:
    count = len(ensemble.members)
    members = f"{count} members; ± is their spread" if count > 1 else "a single network"
    return f"Model {ensemble.label} ({members}), learned from: {ensemble.source}."


def _skipped(report: Report) -> Iterator[str]:
    if report.num_skipped:
        yield f"Skipped {report.num_skipped:,} of {report.num_skipped + report.num_predicted:,}:"
    for outcome in report.skipped:
        yield f"  {outcome.file}: {outcome.error}"
    if report.num_skipped > SHOWN:
        yield f"  ... and {report.num_skipped - SHOWN:,} more"
