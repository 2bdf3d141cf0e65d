"""Predictions on disk: a summary table, spectra as CSV, JSON or Parquet, and figures.

Writers take one prediction after another and keep none, so that any number can pass. Every file
appears whole or not at all. Spectra are stored in single precision, that of the networks.
"""

import csv
import re
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
from pyarrow.parquet import ParquetWriter

from optimetal.files import whole_file, write_text
from optimetal.inference.prediction import QUANTITIES as SPECTRA
from optimetal.inference.prediction import RGB_WAVELENGTHS, Prediction
from optimetal.inference.stream import Outcome
from optimetal.tables import to_csv

QUANTITIES: Final = (
    "eps",
    "n",
    "k",
    "reflectivity",
    "absorption",
    "energy_loss",
    "conductivity",
)
"""What spectra can be written of: the columns of ``Prediction.to_dataframe`` that begin so."""

ROW_GROUP: Final = 128
"""Crystals held in memory before they go to the Parquet file, about 10 MB."""

Format = Literal["csv", "json", "parquet"]
Write = Callable[[Prediction], None]


def spectra_table(prediction: Prediction, quantities: Collection[str] = QUANTITIES) -> pd.DataFrame:
    """Some columns of :meth:`Prediction.to_dataframe`, in single precision; only these are computed.

    Args:
        prediction: Of one crystal.
        quantities: Some of :data:`QUANTITIES`.

    Raises:
        ValueError: If a quantity is unknown.
    """
    check_quantities(quantities)
    wanted = re.compile(rf"({'|'.join(quantities)})(_|$)")
    columns = {"energy_eV": prediction.energy}
    for name, (unit, _) in SPECTRA.items():
        if wanted.match(name):
            columns["_".join(filter(None, (name, unit)))] = prediction.quantity(name)
            if prediction.num_members > 1:
                spread = "_".join(filter(None, (name, "spread", unit)))
                columns[spread] = prediction.spread(name)
    return pd.DataFrame(columns, dtype=np.float32)


def check_quantities(quantities: Collection[str]) -> None:
    """Refuse what no spectra can be written of.

    Raises:
        ValueError: If a quantity is unknown, or there is none.
    """
    unknown = [quantity for quantity in quantities if quantity not in QUANTITIES]
    if unknown or not quantities:
        raise ValueError(
            f"expected some of {', '.join(QUANTITIES)}, got {', '.join(unknown) or 'nothing'}"
        )


def summary_row(outcome: Outcome) -> dict[str, Any]:
    """One line of the summary: units in the keys; no numbers where there is no prediction."""
    row: dict[str, Any] = {"name": outcome.name, "file": outcome.file}
    if prediction := outcome.prediction:
        row |= _numbers(prediction)
        row["warnings"] = " ".join(prediction.warnings)
    return row | {"error": outcome.error}


def _numbers(prediction: Prediction) -> dict[str, Any]:
    lab, spread = prediction.color.lab, prediction.color.lab_spread
    return {
        "formula": prediction.formula,
        "num_atoms": len(prediction.structure),
        "drude_frequency_eV": _short(prediction.drude_frequency),
        "drude_frequency_spread_eV": _short(prediction.drude_frequency_spread),
        **{name: _short(value) for name, value in zip(("L", "a", "b"), lab, strict=True)},
        **{f"{n}_spread": _short(value) for n, value in zip(("L", "a", "b"), spread, strict=True)},
        "srgb": prediction.color.hex,
        **{
            f"reflectivity_{wavelength}nm": _short(value)
            for wavelength, value in zip(RGB_WAVELENGTHS, prediction.reflectivity_rgb, strict=True)
        },
        "model": prediction.model,
        "source": prediction.source,
    }


SUMMARY_COLUMNS: Final[tuple[str, ...]] = (
    "name",
    "file",
    "formula",
    "num_atoms",
    "drude_frequency_eV",
    "drude_frequency_spread_eV",
    "L",
    "a",
    "b",
    "L_spread",
    "a_spread",
    "b_spread",
    "srgb",
    "reflectivity_650nm",
    "reflectivity_550nm",
    "reflectivity_450nm",
    "model",
    "source",
    "warnings",
    "error",
)
"""Columns of ``summary.csv``."""


@contextmanager
def summary_writer(path: str | Path) -> Iterator[Callable[[Outcome], None]]:
    """Function that appends an outcome to a CSV table, which appears when the block ends."""
    with (
        whole_file(path) as temporary,
        open(temporary, "w", newline="", encoding="utf-8") as handle,
    ):
        writer: csv.DictWriter[str] = csv.DictWriter(handle, SUMMARY_COLUMNS, lineterminator="\n")
        writer.writeheader()

        def write(outcome: Outcome) -> None:
            writer.writerow(summary_row(outcome))

        yield write


@contextmanager
def spectra_writer(
    folder: str | Path, form: Format, quantities: Collection[str] = QUANTITIES
) -> Iterator[Write]:
    """Function that writes the spectra of a prediction.

    CSV and JSON are one file for each crystal, ``spectra/<name>.csv``; JSON holds its structure
    too, and null where a spectrum is infinite (0 eV). Parquet is one file, ``spectra.parquet``,
    with a row for each crystal and lists in its cells, which appears when the block ends.

    Args:
        folder: Where the files go.
        form: "csv", "json" or "parquet".
        quantities: Some of :data:`QUANTITIES`.

    Raises:
        ValueError: If a quantity is unknown.
    """
    check_quantities(quantities)
    if form == "parquet":
        with _parquet_writer(Path(folder) / "spectra.parquet", quantities) as write:
            yield write
    else:
        write_one = {"csv": _write_csv, "json": _write_json}[form]
        yield partial(write_one, Path(folder) / "spectra", quantities)


def _write_csv(folder: Path, quantities: Collection[str], prediction: Prediction) -> None:
    note = f"{prediction.formula}, model {prediction.model}: {prediction.source}"
    table = spectra_table(prediction, quantities)
    write_text(folder / f"{prediction.name}.csv", to_csv(table, note))


def _write_json(folder: Path, quantities: Collection[str], prediction: Prediction) -> None:
    table = spectra_table(prediction, quantities)
    content = {
        **prediction.summary(),
        "structure": prediction.structure.as_dict(),
        "spectra": {name: values.to_numpy() for name, values in table.items()},
    }
    with whole_file(folder / f"{prediction.name}.json") as temporary:
        temporary.write_bytes(orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY))


@contextmanager
def _parquet_writer(path: Path, quantities: Collection[str]) -> Iterator[Write]:
    rows: list[dict[str, Any]] = []
    with ExitStack() as stack:
        writer: ParquetWriter | None = None

        def flush() -> None:
            nonlocal writer
            table = _parquet_table(rows)
            if writer is None:  # the first rows tell the columns
                temporary = stack.enter_context(whole_file(path))
                writer = stack.enter_context(_packed_writer(temporary, table.schema))
            writer.write_table(table)
            rows.clear()

        def write(prediction: Prediction) -> None:
            rows.append(_parquet_row(prediction, quantities))
            if len(rows) == ROW_GROUP:
                flush()

        yield write
        if rows:
            flush()


def _packed_writer(path: Path, schema: pa.Schema) -> ParquetWriter:
    """Spectra hardly repeat a number: their bytes of equal weight side by side compress better."""
    spectra: Any = [f"{field.name}.list.element" for field in schema if field.type == _SPECTRUM]
    return ParquetWriter(
        path, schema, compression="zstd", use_dictionary=False, use_byte_stream_split=spectra
    )


_SPECTRUM: Final = pa.list_(pa.float32())


def _parquet_row(prediction: Prediction, quantities: Collection[str]) -> dict[str, Any]:
    spectra = spectra_table(prediction, quantities)
    return {
        "name": prediction.name,
        **_numbers(prediction),
        "warnings": list(prediction.warnings),
        **{str(name): values.to_numpy() for name, values in spectra.items()},
    }


def _parquet_table(rows: list[dict[str, Any]]) -> pa.Table:
    kinds = {str: pa.string(), int: pa.int64(), float: pa.float64(), list: pa.list_(pa.string())}
    schema = pa.schema(
        [(name, kinds.get(type(value), _SPECTRUM)) for name, value in rows[0].items()]
    )
    return pa.Table.from_pylist(rows, schema)


def write_figure(folder: str | Path, prediction: Prediction, *, compare: bool = False) -> None:
    """Figure of one prediction, ``figures/<name>.pdf`` and ``.png``.

    Args:
        folder: Where ``figures`` is.
        prediction: Of one crystal.
        compare: Whether to draw measured n, k and reflectivity beside it where there are any.
    """
    import matplotlib.pyplot as plt  # slow to import, and only needed here

    from optimetal.inference.figure import prediction_figure
    from optimetal.optics.measured import default_measurement
    from optimetal.plots import style

    measured = default_measurement(prediction.formula) if compare else None
    with plt.style.context(style.STYLE):
        figure = prediction_figure(prediction, measured)
        style.save(figure, Path(folder) / "figures" / prediction.name)


def _short(value: float) -> float:
    """Six digits, more than any prediction deserves."""
    return float(f"{value:.6g}")
