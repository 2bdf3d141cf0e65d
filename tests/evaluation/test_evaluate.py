"""Test of networks and ensembles: predictions, metrics, files."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from optimetal.cards import read_card
from optimetal.config.training import TrainingSettings
from optimetal.evaluation.evaluate import evaluate, load_members, predict
from optimetal.evaluation.members import publish_members
from optimetal.evaluation.results import (
    ENSEMBLE,
    read_predictions,
    save_evaluation,
)
from optimetal.evaluation.tables import evaluation_latex, evaluation_table
from optimetal.graphs.neighbours import crystal_graph
from optimetal.graphs.packed import pack
from optimetal.models import build_model
from optimetal.models.weights import save_model
from optimetal.optics.grid import NUM_ENERGIES
from optimetal.tasks import optics_task, task_loss


@pytest.fixture(scope="module")
def graphs():
    numbers = [13, 29, 47, 79, 11]
    generator = np.random.default_rng(0)
    return pack(
        [
            crystal_graph((2.9 + 0.1 * n) * np.eye(3), [z], np.zeros((1, 3)), 5.5, 4.0)
            for n, z in enumerate(numbers)
        ],
        5.5,
        4.0,
        {
            "eps_inter": generator.normal(size=(5, NUM_ENERGIES, 2)) ** 2,
            "drude_frequency": generator.uniform(2, 9, 5),
            "lab": generator.uniform(20, 90, (5, 3)),
        },
        mat_ids=list("abcde"),
        compositions=["Al", "Cu", "Ag", "Au", "Na"],
        source="invented",
    )


@pytest.fixture
def members(small_architectures):
    architecture = small_architectures["2b_transformer"]
    networks = {}
    for seed in (1, 2):
        torch.manual_seed(seed)
        networks[str(seed)] = build_model(architecture)
    return networks


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_predictions_do_not_depend_on_the_batch(members, graphs, batch_size):
    whole = predict(members["1"], graphs, 100)
    parts = predict(members["1"], graphs, batch_size)
    for name, values in whole.items():
        np.testing.assert_allclose(parts[name], values, atol=1e-5)


def test_the_mean_loss_is_that_of_training(members, graphs):
    training = TrainingSettings(eps_weight=0.7, drude_weight=1.3, eps_loss="mse")
    evaluation = evaluate({"1": members["1"]}, graphs, training)
    batch = graphs.batch(torch.arange(5))
    task = optics_task("mse", "mae", 0.7, 1.3)
    with torch.no_grad():
        loss, _ = task_loss(task, members["1"].eval()(batch), batch.targets)
    assert evaluation.summary["1"]["mean"]["loss"] == pytest.approx(loss.item(), rel=1e-5)


def test_the_ensemble_is_the_mean_of_its_members(members, graphs):
    evaluation = evaluate(members, graphs, TrainingSettings())
    single = [predict(member, graphs, 5)["drude_frequency"] for member in members.values()]
    np.testing.assert_allclose(evaluation.predictions["drude_frequency"], np.mean(single, 0))
    np.testing.assert_allclose(evaluation.spread["drude_frequency"], np.std(single, 0), atol=1e-6)
    assert set(evaluation.summary) == {"source", "1", "2", ENSEMBLE}


def test_an_ensemble_of_one_is_its_member(members, graphs):
    evaluation = evaluate({"1": members["1"]}, graphs, TrainingSettings())
    assert evaluation.summary["1"] == evaluation.summary[ENSEMBLE]
    assert not evaluation.spread["eps_inter"].any()


def test_an_evaluation_comes_back_from_its_files(members, graphs, tmp_path):
    evaluation = evaluate(members, graphs, TrainingSettings())
    save_evaluation(evaluation, tmp_path)
    mean, target, source = read_predictions(tmp_path / "predictions.h5")
    np.testing.assert_array_equal(mean["eps_inter"], evaluation.predictions["eps_inter"])
    np.testing.assert_array_equal(target["drude_frequency"], graphs.targets["drude_frequency"])
    assert source == "invented"
    materials = pd.read_parquet(tmp_path / "materials.parquet")
    assert materials.groupby("member")["mat_id"].apply(list).to_dict() == {
        name: list("abcde") for name in ("1", "2", ENSEMBLE)
    }
    assert json.loads((tmp_path / "metrics.json").read_text()) == evaluation.summary


def test_foreign_predictions_are_refused(tmp_path):
    import h5py

    with h5py.File(tmp_path / "other.h5", "w"):
        pass
    with pytest.raises(ValueError, match="optimetal-predictions-1"):
        read_predictions(tmp_path / "other.h5")


def test_members_are_loaded_by_seed_and_must_agree(members, tmp_path, small_architectures):
    files = []
    for seed, model in members.items():
        files.append(tmp_path / f"{seed}.safetensors")
        save_model(model, files[-1], {"seed": int(seed), "num_train": 4})
    assert list(load_members(files)) == ["1", "2"]
    other = small_architectures["2b_cgconv"]
    save_model(build_model(other), tmp_path / "x.safetensors", {"seed": 3, "num_train": 4})
    with pytest.raises(ValueError, match="differ in the seed alone"):
        load_members([*files, tmp_path / "x.safetensors"])
    failed = {"seed": 4, "num_train": 4, "state": "diverged"}
    save_model(model, tmp_path / "y.safetensors", failed)
    with pytest.raises(ValueError, match=r"y\.safetensors diverged in training"):
        load_members([*files, tmp_path / "y.safetensors"])


def test_tables_have_a_row_per_member_and_statistic(members, graphs):
    evaluation = evaluate(members, graphs, TrainingSettings())
    table = evaluation_table({"A & B": evaluation.summary})
    rows = [(m, s) for m in ("seed 1", "seed 2", ENSEMBLE) for s in ("mean", "median", "std")]
    assert list(table[["member", "statistic"]].itertuples(index=False, name=None)) == rows
    assert (table["num_materials"] == 5).all()
    assert table["drude_r2"].notna().tolist() == 3 * [True, False, False]
    errors = evaluation.materials.query("member == '2'")["drude_diff"]
    of_seed = table[table["member"] == "seed 2"].set_index("statistic")["drude_diff"]
    assert of_seed.to_dict() == pytest.approx(
        {"mean": errors.mean(), "median": errors.median(), "std": errors.std(ddof=0)}
    )
    latex = evaluation_latex(table, "surrogate, not ab initio")
    assert latex.count(r"A \& B") == 9
    assert "surrogate, not ab initio" in latex


def test_members_are_published_with_what_the_test_found(members, graphs, tmp_path):
    files = []
    for seed, model in members.items():
        files.append(tmp_path / f"run{seed}.safetensors")
        save_model(model, files[-1], {"seed": int(seed)})
    evaluation = evaluate(members, graphs, TrainingSettings())
    publish_members(files, evaluation.summary, "A model", tmp_path / "models")
    rows = evaluation.materials.query("member == '2'")
    card = read_card(tmp_path / "models" / "seed2.safetensors")
    assert (card["label"], card["seed"], card["test"]["num_materials"]) == ("A model", 2, 5)
    for name, column in {
        "loss": "loss",
        "eps_imag_mae": "eps_imag_mae",
        "delta_e": "delta_e",
    }.items():
        assert card["test"][name] == pytest.approx(rows[column].mean())
    assert card["test"]["drude_mae"] == pytest.approx(rows["drude_diff"].abs().mean())
    assert card["test"]["drude_r2"] == evaluation.summary["2"]["drude_r2"]
