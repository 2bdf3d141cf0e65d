"""Predictions on disk: what is read back is what was predicted."""

import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from pymatgen.core import Structure

from optimetal.inference import output
from optimetal.inference.comparison import compare, comparison_writer
from optimetal.inference.output import (
    QUANTITIES,
    SUMMARY_COLUMNS,
    spectra_table,
    spectra_writer,
    summary_writer,
    write_figure,
)
from optimetal.inference.predict import predict
from optimetal.inference.stream import Outcome
from optimetal.optics.grid import ENERGY, NUM_ENERGIES


@pytest.fixture
def predictions(ensemble, copper, gold_copper, low_symmetry):
    structures = [copper, gold_copper, low_symmetry]
    return predict(structures, ensemble, names=["Cu", "below/Cu3Au", "AlCu2"])


def written(folder, form, prediction) -> dict[str, np.ndarray]:
    """Columns of the spectra of one crystal, read back."""
    if form == "csv":
        table = pd.read_csv(folder / f"spectra/{prediction.name}.csv", comment="#")
        return {name: values.to_numpy(float) for name, values in table.items()}
    if form == "json":
        content = json.loads((folder / f"spectra/{prediction.name}.json").read_text())
        return {name: np.array(values, float) for name, values in content["spectra"].items()}
    table = pd.read_parquet(folder / "spectra.parquet").set_index("name")
    row = table.loc[prediction.name].dropna()
    return {str(k): np.asarray(v, float) for k, v in row.items() if np.size(v) == NUM_ENERGIES}


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_every_format_gives_every_quantity_back(tmp_path, predictions, form):
    with spectra_writer(tmp_path, form) as write:
        for prediction in predictions:
            write(prediction)
    for prediction in predictions:
        found = written(tmp_path, form, prediction)
        expected = prediction.to_dataframe()
        assert list(found) == list(expected.columns)
        for name, values in expected.items():
            values = values.to_numpy(float)
            infinite = ~np.isfinite(values)
            assert not infinite[1:].any()  # at 0 eV only
            np.testing.assert_allclose(
                found[name][~infinite], values[~infinite], rtol=1e-6, atol=1e-30, err_msg=name
            )
            assert not np.isfinite(found[name][infinite]).any()


def test_spectra_are_those_of_the_prediction(predictions):
    """Quantity by quantity, not through the table of all."""
    prediction = predictions[0]
    expected = {
        "energy_eV": ENERGY,
        "eps_real": prediction.eps.real,
        "eps_imag": prediction.eps.imag,
        "n": prediction.n,
        "k": prediction.k,
        "reflectivity": prediction.reflectivity,
        "absorption_per_cm": prediction.absorption,
        "energy_loss": prediction.energy_loss,
        "conductivity_real_S_per_m": prediction.conductivity.real,
        "conductivity_imag_S_per_m": prediction.conductivity.imag,
        "eps_inter_imag_spread": prediction.eps_inter_spread[:, 1],
    }
    table = spectra_table(prediction)
    for name, values in expected.items():
        np.testing.assert_allclose(table[name], values, rtol=1e-6, atol=1e-30, err_msg=name)


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_only_what_is_asked_for(predictions, quantity):
    columns = list(spectra_table(predictions[0], [quantity]).columns)
    expected = [c for c in predictions[0].to_dataframe() if c.startswith(quantity)]
    if quantity in ("n", "k"):
        expected = [quantity, f"{quantity}_spread"]
    assert columns == ["energy_eV", *expected]


@pytest.mark.parametrize("quantities", [["refraction"], ["eps", ""], []])
def test_unknown_quantities_are_refused_before_anything_is_written(tmp_path, quantities):
    with (
        pytest.raises(ValueError, match="expected some of eps, n, k"),
        spectra_writer(tmp_path, "parquet", quantities),
    ):
        pass
    assert not any(tmp_path.iterdir())


def test_a_single_network_has_no_columns_of_spread(save_member, tmp_path, copper):
    prediction = predict(copper, save_member(tmp_path / "one.safetensors"))
    assert not any("spread" in column for column in spectra_table(prediction).columns)


def test_parquet_of_several_row_groups(tmp_path, predictions, monkeypatch):
    monkeypatch.setattr(output, "ROW_GROUP", 2)
    with spectra_writer(tmp_path, "parquet", ["n"]) as write:
        for prediction in predictions:
            write(prediction)
        assert not (tmp_path / "spectra.parquet").exists()  # until all are there
    file = pq.ParquetFile(tmp_path / "spectra.parquet")
    assert file.num_row_groups == 2
    table = file.read().to_pandas()
    assert list(table["name"]) == ["Cu", "below/Cu3Au", "AlCu2"]
    assert list(table["formula"]) == ["Cu", "Cu3Au", "AlCu2"]
    np.testing.assert_allclose(table["n"][2][1:], predictions[2].n[1:], rtol=1e-6)
    for row, prediction in zip(table.itertuples(), predictions, strict=True):
        assert row.drude_frequency_eV == pytest.approx(prediction.drude_frequency, rel=1e-5)
        assert tuple(row.warnings) == prediction.warnings


def test_json_holds_structure_and_summary(tmp_path, predictions):
    prediction = predictions[0]
    with spectra_writer(tmp_path, "json", ["n"]) as write:
        write(prediction)
    content = json.loads((tmp_path / "spectra" / "Cu.json").read_text())
    assert Structure.from_dict(content["structure"]) == prediction.structure
    assert content["source"] == "surrogate, not ab initio"
    assert content["spectra"]["n"][0] is None  # infinite at 0 eV
    assert content["lab"] == pytest.approx(prediction.color.lab)


def test_csv_says_where_the_numbers_come_from(tmp_path, predictions):
    with spectra_writer(tmp_path, "csv", ["n"]) as write:
        write(predictions[1])
    first = (tmp_path / "spectra" / "below" / "Cu3Au.csv").read_text().splitlines()[0]
    assert first == "# Cu3Au, model small: surrogate, not ab initio"


def test_summary(tmp_path, predictions):
    with summary_writer(tmp_path / "summary.csv") as write:
        for prediction in predictions:
            write(Outcome(prediction.name, "some/file", prediction))
        write(Outcome("bad", "bad.cif", error='no "cell", sorry'))
    table = pd.read_csv(tmp_path / "summary.csv")
    assert tuple(table.columns) == SUMMARY_COLUMNS
    assert list(table["name"]) == ["Cu", "below/Cu3Au", "AlCu2", "bad"]
    assert table["error"][3] == 'no "cell", sorry'
    assert table["error"][:3].isna().all()
    assert table.iloc[3][list(SUMMARY_COLUMNS[2:-1])].isna().all()
    for (_, row), prediction in zip(table.iterrows(), predictions, strict=False):
        lab = row[["L", "a", "b"]].astype(float)
        np.testing.assert_allclose(lab, prediction.color.lab, rtol=1e-4, atol=1e-4)
        light = [row[f"reflectivity_{wavelength}nm"] for wavelength in (650, 550, 450)]
        np.testing.assert_allclose(light, prediction.reflectivity_rgb, rtol=1e-4)
        assert row["drude_frequency_eV"] == pytest.approx(prediction.drude_frequency, rel=1e-5)
        assert row["srgb"] == prediction.color.hex
        assert row["num_atoms"] == len(prediction.structure)


@pytest.mark.parametrize("kind", ["summary", "parquet", "measured"])
def test_an_interrupted_run_leaves_no_half_file(tmp_path, predictions, monkeypatch, kind):
    folder = tmp_path / "out"
    writer = {
        "summary": lambda: summary_writer(folder / "summary.csv"),
        "parquet": lambda: spectra_writer(folder, "parquet"),
        "measured": lambda: comparison_writer(folder / "measured.csv"),
    }[kind]
    monkeypatch.setattr(output, "ROW_GROUP", 1)
    with pytest.raises(KeyboardInterrupt), writer() as write:
        for prediction in predictions:
            write(Outcome("x", "x", prediction) if kind == "summary" else prediction)
        assert len(list(folder.iterdir())) == 1  # under another name
        raise KeyboardInterrupt
    assert not any(folder.iterdir())


def test_a_failing_disk_leaves_the_old_spectra(tmp_path, predictions, monkeypatch):
    with spectra_writer(tmp_path, "csv", ["n"]) as write:
        write(predictions[0])
        old = (tmp_path / "spectra" / "Cu.csv").read_text()
        monkeypatch.setattr("os.fsync", lambda handle: (_ for _ in ()).throw(OSError("disk full")))
        with pytest.raises(OSError, match="disk full"):
            write(predictions[0])
    assert (tmp_path / "spectra" / "Cu.csv").read_text() == old
    assert [file.name for file in (tmp_path / "spectra").iterdir()] == ["Cu.csv"]


def test_nothing_predicted_gives_no_parquet(tmp_path):
    with spectra_writer(tmp_path, "parquet"):
        pass
    assert not any(tmp_path.iterdir())


def test_figures_come_as_pdf_and_png_and_show_the_measurement(tmp_path, predictions):
    write_figure(tmp_path / "plain", predictions[0])
    write_figure(tmp_path / "beside", predictions[0], compare=True)
    plain, beside = (tmp_path / kind / "figures" / "Cu" for kind in ("plain", "beside"))
    for stem in (plain, beside):
        assert stem.with_suffix(".pdf").read_bytes().startswith(b"%PDF")
        assert stem.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    assert plain.with_suffix(".png").read_bytes() != beside.with_suffix(".png").read_bytes()


def test_comparison_with_measured_copper(tmp_path, predictions):
    """Johnson and Christy: copper reflects red light well and blue light half as well."""
    comparison = compare(predictions[0])
    assert comparison is not None
    red, _, blue = comparison.reflectivity_rgb
    assert red == pytest.approx(0.94, abs=0.02)
    assert blue == pytest.approx(0.54, abs=0.03)
    distance = np.linalg.norm(predictions[0].color.lab - comparison.measurement.lab)
    assert comparison.delta_e == pytest.approx(distance)
    with comparison_writer(tmp_path / "measured.csv") as write:
        for prediction in predictions:
            write(prediction)
    table = pd.read_csv(tmp_path / "measured.csv")
    assert list(table["name"]) == ["Cu"]  # nobody measured the others
    assert table["delta_e"][0] == pytest.approx(comparison.delta_e, rel=1e-4)
    assert "Johnson" in table["reference"][0]


def test_errors_of_a_perfect_prediction_vanish(predictions):
    """Against itself: n, k and R measured at the grid's own energies."""
    comparison = compare(predictions[0])
    measured = comparison.measurement.eps_at(ENERGY)
    energy = comparison.measurement.energy

    class Perfect:
        def quantity(self, name):
            index = np.sqrt(measured)
            reflected = np.abs(index[1:] - 1) ** 2 / np.abs(index[1:] + 1) ** 2
            return {"n": index.real, "k": index.imag, "reflectivity": np.append(0, reflected)}[name]

    perfect = type(comparison)(Perfect(), comparison.measurement)
    assert energy.max() > 3.3
    assert max(perfect.mean_errors.values()) < 1e-12
    assert min(comparison.mean_errors.values()) > 1e-3
