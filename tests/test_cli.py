"""The command line."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import torch
from pymatgen.core import Structure
from pymatgen.io.vasp import Poscar
from typer.testing import CliRunner

import optimetal
from optimetal.cli import app
from optimetal.compat import architecture_from_published, load_published
from optimetal.config.training import TrainingSettings
from optimetal.database.entries import Record
from optimetal.database.published_h5 import read_published
from optimetal.database.store import CrystalStore, write_records
from optimetal.evaluation.evaluate import evaluate
from optimetal.graphs.build import build_graphs
from optimetal.graphs.packed import save
from optimetal.models import build_model
from optimetal.models.weights import load_model, save_model
from optimetal.optics.grid import NUM_ENERGIES

mpl.use("Agg")

EXAMPLES = Path(__file__).parents[1] / "examples"

PLAIN = {
    "type": "optimetal_2b_no_residual",
    "node_embedding_dict": {"type": "group_period"},
    "edge_embedding_dict": {"type": "gaussian", "num_basis": 4},
    "message_passing_dict": {"num_layers": 1, "heads": 2},
    "pooling_dict": {"type": "mean"},
    "hidden_dim": 4,
    "spectra_dim": 4,
    "depth": 1,
}


@pytest.fixture
def weights():
    torch.manual_seed(0)
    state = build_model(architecture_from_published(PLAIN)).state_dict()
    heads = {"heads.eps_inter.mlp": "spectra_mlp", "heads.drude_frequency.mlp": "drude_mlp"}
    for ours, theirs in {"trunk.": "", **heads}.items():
        state = {key.replace(ours, theirs): value for key, value in state.items()}
    return state


@pytest.fixture
def checkpoint(tmp_path, weights):
    config = {"architecture": PLAIN, "seed": 1, "num_train_data": 2500}
    content = {"epoch": 12, "model_state_dict": weights, "config_dict": config, "precision": None}
    torch.save(content, tmp_path / "old.pt")
    return tmp_path / "old.pt"


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_version():
    result = run("--version")
    assert (result.exit_code, result.output) == (0, f"optimetal {version('optimetal')}\n")


def test_help_names_the_commands():
    assert "convert-checkpoint" in run("--help").output
    assert "--force" in run("convert-checkpoint", "--help").output


def test_a_checkpoint_is_converted(checkpoint, weights, tmp_path):
    new = tmp_path / "folder" / "new.safetensors"
    result = run("convert-checkpoint", checkpoint, new)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == f"wrote {new}: optimetal_2b_no_residual, epoch 12\n"
    network, architecture, card = load_model(new)
    assert architecture.hidden_dim == 4
    assert (card["seed"], card["num_train"], card["precision"]) == (1, 2500, "fp32")
    for name, values in load_published(PLAIN, weights).state_dict().items():
        assert torch.equal(network.state_dict()[name], values)


def test_nothing_is_overwritten_without_being_told_to(checkpoint, tmp_path):
    new = tmp_path / "new.safetensors"
    new.write_text("precious")
    result = run("convert-checkpoint", checkpoint, new)
    assert result.exit_code == 1
    assert result.stderr == f"error: {new} exists: overwrite it with --force\n"
    assert new.read_text() == "precious"
    assert run("convert-checkpoint", checkpoint, new, "--force").exit_code == 0
    assert load_model(new)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file"),
        ([1], "dictionary with `model_state_dict`"),
        ({"model_state_dict": {}, "config_dict": {"architecture": {"type": "a"}}}, "unknown type"),
        (  # a message of several lines
            {"model_state_dict": {}, "config_dict": {"architecture": PLAIN | {"depth": -1}}},
            "optimetal_2b_no_residual.depth Input should be greater than 0",
        ),
        ({"epoch": print}, "refused `builtins.print`"),
    ],
)
def test_faults_are_one_line_and_leave_nothing_behind(tmp_path, content, message):
    old, new = tmp_path / "old.pt", tmp_path / "new.safetensors"
    if content is not None:
        torch.save(content, old)
    result = run("convert-checkpoint", old, new)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert not new.exists()


def test_a_missing_argument_is_a_usage_error():
    assert run("convert-checkpoint", "old.pt").exit_code == 2


def test_as_a_program(checkpoint, tmp_path):
    """What the installed script does, in a process of its own."""
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    assert project["scripts"]["optimetal"] == "optimetal.cli:app"
    code = "import sys; from optimetal.cli import app; sys.argv[0] = 'optimetal'; app()"
    command = [sys.executable, "-c", code, "convert-checkpoint", str(checkpoint)]
    done = subprocess.run([*command, str(tmp_path / "new.safetensors")], check=False)
    assert done.returncode == 0
    assert (tmp_path / "new.safetensors").is_file()
    fault = subprocess.run([*command, str(checkpoint)], capture_output=True, text=True, check=False)
    assert fault.returncode == 1
    assert fault.stderr == f"error: {checkpoint} exists: overwrite it with --force\n"


# Prediction


CARD = {"source": "surrogate, not ab initio", "num_train": 100, "label": "Small"}


@pytest.fixture
def model(tmp_path, small_architectures, monkeypatch):
    """Name of an ensemble of two fresh networks, the only model there is."""
    for seed in (1, 42):
        torch.manual_seed(seed)
        network = build_model(small_architectures["2b_cgconv"])
        file = tmp_path / "models" / "small" / f"seed{seed}.safetensors"
        save_model(network, file, CARD | {"seed": seed, "test": {"loss": 0.5, "num_materials": 9}})
    monkeypatch.setenv("OPTIMETAL_MODELS", str(tmp_path / "models"))
    monkeypatch.chdir(tmp_path)
    return "small"


@pytest.fixture
def crystals(tmp_path):
    """Folder with Cu and AuAl2 (CIF), W (POSCAR)."""
    folder = tmp_path / "crystals"
    folder.mkdir()
    for name in ("Cu.cif", "AuAl2.cif", "W.POSCAR"):
        shutil.copy(EXAMPLES / name, folder)
    return folder


def rows(output):
    """Lines of the printed table below its rule."""
    lines = output.splitlines()
    rule = next(n for n, line in enumerate(lines) if line.startswith("───"))
    return [line.split() for line in lines[rule + 1 : lines.index("", rule)]]


def test_predictions_are_printed_as_a_table(model, crystals):
    result = run("predict", crystals)
    assert result.exit_code == 0, result.output
    names = ["AuAl2", "Cu", "W"]
    structures = [Structure.from_file(crystals / f"{n}.cif") for n in names[:2]]
    structures.append(Poscar.from_file(crystals / "W.POSCAR").structure)
    expected = optimetal.predict(structures, model, names=names)
    for row, prediction in zip(rows(result.stdout), expected, strict=True):
        frequency, spread = prediction.drude_frequency, prediction.drude_frequency_spread
        assert row[:2] == [prediction.name, prediction.formula]
        assert row[2:5] == [f"{frequency:.2f}", "±", f"{spread:.2f}"]
        assert row[5:8] == [f"{value:.1f}" for value in prediction.color.lab]
        assert row[8] == prediction.color.hex
        assert row[9:] == [f"{value:.2f}" for value in prediction.reflectivity_rgb]
    assert "Model Small (2 members; ± is their spread)" in result.stdout
    assert "surrogate, not ab initio" in result.stdout
    assert result.stderr == ""


def test_a_single_network_has_no_spread(model, crystals):
    result = run("predict", crystals / "Cu.cif", "-m", "models/small/seed1.safetensors")
    assert "±" not in result.stdout
    assert "a single network" in result.stdout


def test_several_models_are_one_ensemble(model, crystals):
    files = [f"models/small/seed{seed}.safetensors" for seed in (1, 42)]
    together = run("predict", crystals, "-m", files[0], "-m", files[1])
    assert rows(together.stdout) == rows(run("predict", crystals, "-m", model).stdout)


def test_the_colour_is_shown_on_terminals_that_can(model, crystals, monkeypatch):
    """As its background, in 24 bits."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLORTERM", "truecolor")
    result = CliRunner().invoke(app, ["predict", str(crystals / "Cu.cif")], color=True)
    copper = optimetal.predict(Structure.from_file(crystals / "Cu.cif"), model)
    channels = (round(255 * float(value)) for value in copper.color.srgb)
    assert f"48;2;{';'.join(map(str, channels))}m" in result.stdout


def test_a_bad_file_is_named_and_skipped(model, crystals):
    (crystals / "Bad.cif").write_text("nothing")
    result = run("predict", crystals, "-o", "out")
    assert result.exit_code == 3
    assert [row[0] for row in rows(result.stdout)] == ["AuAl2", "Cu", "W"]
    assert result.stderr.startswith("Skipped 1 of 4:\n")
    assert "Bad.cif: expected a CIF with a unit cell" in result.stderr
    summary = pd.read_csv("out/summary.csv").set_index("name")
    assert list(summary.index) == ["AuAl2", "Bad", "Cu", "W"]
    assert list(summary.index[summary["error"].notna()]) == ["Bad"]


def test_nothing_predicted_is_a_failure(model, crystals):
    (crystals / "Bad.cif").write_text("nothing")
    result = run("predict", crystals / "Bad.cif", "gone.cif")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "Skipped 2 of 2" in result.stderr
    assert "gone.cif: there is no such file" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["crystals", "-m", "unheard-of"], "There is no model 'unheard-of'"),
        (["models"], "found none: known are"),
        (["crystals", "--quantities", "eps,color"], "expected some of eps, n, k"),
        (["crystals", "--device", "abacus"], "expected a device such as auto, cpu or cuda"),
        (["crystals", "-o", "crystals/Cu.cif"], "Cu.cif"),
    ],
)
def test_faults_of_the_request_are_one_line(model, crystals, arguments, message):
    result = run("predict", *arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("option", [["--format", "csv"], ["--figure"]])
def test_what_is_written_needs_a_place(model, crystals, option):
    result = run("predict", crystals, *option)
    assert result.exit_code == 2
    assert "--output" in result.stderr


def test_everything_that_can_be_written(model, crystals):
    (crystals / "W.POSCAR").unlink()
    arguments = ["--format", "csv", "--format", "parquet", "--format", "json", "--compare"]
    result = run("predict", crystals, "-o", "out", *arguments, "--quantities", "n, k")
    assert result.exit_code == 0, result.output
    figure = run("predict", crystals / "Cu.cif", "-o", "out", "--figure")
    assert figure.exit_code == 0, figure.output
    assert "Written to out" in figure.stdout
    files = {str(path.relative_to("out")) for path in Path("out").rglob("*") if path.is_file()}
    assert files == {
        "summary.csv",
        "measured.csv",
        "spectra.parquet",
        *(f"spectra/{name}.{suffix}" for name in ("AuAl2", "Cu") for suffix in ("csv", "json")),
        "figures/Cu.pdf",
        "figures/Cu.png",
    }
    table = pd.read_csv("out/spectra/Cu.csv", comment="#")
    assert list(table) == ["energy_eV", "n", "n_spread", "k", "k_spread"]


def test_results_are_no_input_of_the_next_run(model, crystals):
    first, second = (run("predict", ".", "-o", "out", "--format", "json") for _ in range(2))
    assert first.exit_code == second.exit_code == 0
    assert first.stdout == second.stdout


def test_measurements_stand_below_predictions(model, crystals):
    result = run("predict", crystals, "--compare")
    table = rows(result.stdout)
    assert [row[0] for row in table] == ["AuAl2", "measured", "Cu", "measured", "W", "measured"]
    purple = table[1]
    delta_e = float(purple[purple.index("ΔE") + 1])
    lab = np.array([row[-7:-4] for row in table[:2]], float)
    assert delta_e == pytest.approx(np.linalg.norm(lab[0] - lab[1]), abs=0.2)
    assert lab[1, 1] > 5  # AuAl2 is reddish ...
    assert lab[1, 2] < -5  # ... and bluish: purple
    assert "Measured, Cu: Johnson and Christy 1972" in result.stdout


def test_of_many_crystals_the_first_are_printed(model, crystals, monkeypatch):
    monkeypatch.setattr("optimetal.cli.predict.SHOWN", 2)
    (crystals / "Bad.cif").write_text("nothing")
    bad = [crystals / "Bad.cif"] * 3
    result = run("predict", crystals, *bad, crystals / "Cu.cif")
    assert [row[0] for row in rows(result.stdout)] == ["AuAl2", "Cu"]
    assert "... and 2 more crystals" in result.stdout
    assert result.stderr.startswith("Skipped 4 of 8:\n")
    assert "... and 2 more" in result.stderr


def test_warnings_stand_below_the_table_and_name_their_crystals(model, crystals, tmp_path):
    """These networks are said to know nothing but copper."""
    folder = tmp_path / "models" / "copper"
    for file in (tmp_path / "models" / "small").iterdir():
        network, _, card = load_model(file)
        domain = {"elements": ["Cu"], "max_atoms": 99, "nearest": [1, 9]}
        save_model(network, folder / file.name, card | {"domain": domain})
    result = run("predict", crystals, "-m", "copper")
    lines = [line for line in result.stdout.splitlines() if line.startswith("Warning")]
    assert any(line.startswith("Warning, AuAl2:") and "Al" in line for line in lines)
    assert not any("Cu" in line.split(":")[0] for line in lines if "element" in line)


def test_two_processes_and_small_batches_change_nothing(model, crystals):
    plain = run("predict", crystals)
    result = run("predict", crystals, "--jobs", 2, "--batch-size", 1)
    assert result.stdout == plain.stdout


# Models


def test_info_lists_the_models(model):
    result = run("info")
    assert result.exit_code == 0
    (row,) = (line.split() for line in result.stdout.splitlines()[2:])
    assert row[:5] == ["small", "Small", "2", "100", "0.5"]


def test_info_says_where_models_are_looked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("OPTIMETAL_MODELS", str(tmp_path / "empty"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("optimetal.inference.models.user_data_path", lambda name: tmp_path / name)
    result = run("info")
    assert result.exit_code == 0
    assert "No model found" in result.stdout
    assert "results/models" in result.stdout
    missing = run("predict", EXAMPLES)
    assert missing.exit_code == 1
    assert "There is no model" in missing.stderr


def test_info_shows_a_card(model):
    result = run("info", model)
    shown = dict(
        re.split(r"\s{2,}", line.strip(), maxsplit=1)
        for line in result.stdout.splitlines()
        if "  " in line.strip()
    )
    assert shown["Model"] == "Small"
    assert shown["Source of the data"] == "surrogate, not ab initio"
    assert shown["Architecture"] == "optimetal_2b"
    assert shown["Seed"] == "1, 42"
    assert shown["Test: Loss"] == "0.5"
    assert shown["Test: Colour difference ΔE"] == "unknown"
    assert shown["Domain: elements"] == "unknown"


def test_a_converted_checkpoint_can_be_shown_and_used(checkpoint, crystals, tmp_path):
    """Its card knows less than those of our own trainings."""
    new = tmp_path / "new.safetensors"
    run("convert-checkpoint", checkpoint, new)
    assert run("info", new).exit_code == 0
    result = run("predict", crystals, "-m", new)
    assert result.exit_code == 0, result.output


# Test


@pytest.fixture
def dataset(tmp_path, prototypes):
    """Crystals with made-up spectra, enough for quarters of the loss."""
    rng = np.random.default_rng(0)
    records = [
        Record(
            mat_id=name,
            composition="X",
            e_above_hull=0.0,
            lattice=crystal.lattice.astype(np.float32),
            atomic_numbers=crystal.atomic_numbers,
            positions=crystal.positions.astype(np.float32),
            drude_frequency=float(rng.uniform(2, 9)),
            eps_inter=rng.uniform(0, 2, (NUM_ENERGIES, 2))
            .astype(np.float32)
            .view(np.complex64)[:, 0],
            source="surrogate, not ab initio",
        )
        for name, crystal in list(prototypes.items())[:5]
    ]
    write_records(tmp_path / "test.h5", records)
    return tmp_path / "test.h5"


def test_evaluate_is_the_evaluation_of_the_library(model, dataset, tmp_path):
    """From crystals or from their graphs; what is written and printed are the same numbers."""
    loaded = optimetal.load_model(model)
    with CrystalStore(dataset) as store:
        graphs = build_graphs(store, loaded.settings.cutoff, loaded.settings.triplet_cutoff, 1e-4)
    save(graphs, tmp_path / "graphs.h5")
    members = dict(zip(["1", "42"], loaded.members, strict=True))
    expected = evaluate(members, graphs, TrainingSettings()).summary
    for arguments in ([dataset, "-o", "out"], [tmp_path / "graphs.h5"]):
        result = run("evaluate", model, *arguments)
        assert result.exit_code == 0, result.output
        (row,) = (line.split() for line in result.stdout.splitlines() if "ensemble" in line)
        assert row[1] == f"{expected['ensemble']['mean']['loss']:.3f}"
        assert "5 crystals; source: surrogate, not ab initio" in result.stdout
    written = json.loads(Path("out/metrics.json").read_text())
    for member in ("1", "42", "ensemble"):
        assert written[member]["mean"] == pytest.approx(expected[member]["mean"], rel=1e-5)
    out = {str(path.relative_to("out")) for path in Path("out").rglob("*.*")}
    figures = ("histograms", "drude_frequency", "random_materials", "quartiles")
    assert out == {
        "metrics.json",
        "materials.parquet",
        "predictions.h5",
        *(f"evaluation.{suffix}" for suffix in ("csv", "html", "tex")),
        *(f"figures/{figure}.{suffix}" for figure in figures for suffix in ("pdf", "png")),
    }


def test_evaluate_without_output_prints_only(model, dataset, tmp_path):
    before = set(tmp_path.rglob("*"))
    assert run("evaluate", model, dataset).exit_code == 0
    assert set(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("content", "message"), [(None, "found no file"), ("text", "Expected an HDF5 file")]
)
def test_what_is_no_dataset(model, tmp_path, content, message):
    if content:
        (tmp_path / "wrong.h5").write_text(content)
    result = run("evaluate", model, tmp_path / "wrong.h5")
    assert (result.exit_code, result.stdout) == (1, "")
    assert message in result.stderr


def test_a_dataset_is_exported_in_the_published_layout(dataset, tmp_path):
    new = tmp_path / "folder" / "published.h5"
    result = run("export-dataset", dataset, new)
    assert result.exit_code == 0, result.output
    assert f"wrote {new}: 5 crystals, surrogate, not ab initio\n" in result.stdout
    with CrystalStore(dataset) as store:
        ours = {record.mat_id: record for record in store.records(range(5))}
    theirs = list(read_published(new))
    assert [record.mat_id for record in theirs] == sorted(ours)
    for record in theirs:
        assert record.source == "surrogate, not ab initio"
        np.testing.assert_array_equal(record.eps_inter, ours[record.mat_id].eps_inter)
        np.testing.assert_array_equal(record.positions, ours[record.mat_id].positions)
    again = run("export-dataset", dataset, new)
    assert again.exit_code == 1 and "overwrite it with --force" in again.stderr
    assert run("export-dataset", dataset, new, "--force").exit_code == 0
    (tmp_path / "text.h5").write_text("text")
    wrong = run("export-dataset", tmp_path / "text.h5", tmp_path / "x.h5")
    assert wrong.exit_code == 1
    assert wrong.stderr.startswith(f"error: Expected an HDF5 file of crystal records at {tmp_path}")
    assert not (tmp_path / "x.h5").exists()


def test_help_and_version_import_nothing_slow():
    code = (
        "import sys; from optimetal.cli import app\n"
        "try: app(['predict', '--help'])\n"
        "except SystemExit: pass\n"
        "slow = {'torch', 'pymatgen', 'ase', 'pandas', 'matplotlib', 'numpy'} & set(sys.modules)\n"
        "sys.exit(str(slow) if slow else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Exit code: 0 if all were predicted, 3 if some" in " ".join(done.stdout.split())
