"""Every check of a study passes on sound results and fails, or notes, on the fault it is for."""

import random

import numpy as np
import pandas as pd
import pytest

from optimetal.checks import (
    Finding,
    check_code,
    check_finished,
    check_gradients,
    check_graphs,
    check_losses,
    check_parameter_counts,
    check_published_splits,
    check_seed_spread,
    check_settings,
    check_splits,
    check_study,
    check_subsets,
    check_training_crystals,
    divergence,
    findings_table,
    gradient_growth,
    verdict,
)
from optimetal.config.run import Run
from optimetal.database.splits import digest, subset
from optimetal.models import count_parameters

EPOCHS = 40
NAMES = [f"2b/data{size}_width8_lr0.001_seed{seed}" for size in (10, 20) for seed in (1, 2)]
TRAIN_IDS = [f"m{n:02}" for n in range(30)]


def make_run(num_train: int, seed: int, **training) -> Run:
    architecture = {
        "type": "optimetal_2b",
        "hidden_dim": 8,
        "message_passing": {"type": "transformer", "heads": 2},
    }
    training = {"epochs": EPOCHS, "drude_weight": 0.5, "learning_rate": 1e-3} | training
    return Run.model_validate(
        {
            "model": "2b",
            "architecture": architecture,
            "training": training,
            "num_train": num_train,
            "seed": seed,
        }
    )


def make_history(seed: int, epochs: int = EPOCHS) -> pd.DataFrame:
    """A sound training: falling losses, a gradient that scatters and doubles."""
    rng = np.random.default_rng(seed)
    epoch = np.arange(epochs)
    scatter = 1 + 0.001 * rng.normal(size=(3, epochs))
    fall = 1 + 3 * np.exp(-epoch / 8)
    history = pd.DataFrame({"epoch": epoch, "train_loss": fall * scatter[0]})
    history["grad_norm"] = 3 * (1 + epoch / epochs) * np.exp(0.2 * rng.normal(size=epochs))
    history["val_eps"], history["val_drude"] = 1.2 * fall * scatter[1], fall * scatter[2]
    history["val_loss"] = history["val_eps"] + 0.5 * history["val_drude"]
    return history.assign(recoveries=0)


def outcome(run: Run, history: pd.DataFrame) -> dict:
    best = history.loc[history["val_loss"].idxmin()]
    return {
        "run": run.name,
        "state": "done",
        "reason": "",
        "num_train": run.num_train,
        "width": run.width,
        "seed": run.seed,
        "lr": run.training.learning_rate,
        "num_params": count_parameters(run.architecture),
        "epochs": len(history),
        **best[["val_loss", "val_eps", "val_drude"]],
        "crystals": digest(TRAIN_IDS[i] for i in subset(len(TRAIN_IDS), run.num_train)),
        "version": "1.0",
        "commit": "abc",
    }


@pytest.fixture
def configs():
    runs = [make_run(size, seed) for size in (10, 20) for seed in (1, 2)]
    assert [run.name for run in runs] == NAMES
    return dict(zip(NAMES, runs, strict=True))


@pytest.fixture
def histories(configs):
    return {name: make_history(number) for number, name in enumerate(configs)}


@pytest.fixture
def runs(configs, histories):
    return pd.DataFrame([outcome(run, histories[name]) for name, run in configs.items()])


@pytest.fixture
def splits():
    rows = [("m1", "Cu", "train"), ("m2", "Cu", "train"), ("m3", "Al", "train")]
    rows += [("m4", "Au", "val"), ("m5", "Ag", "test")]
    return pd.DataFrame(rows, columns=["mat_id", "composition", "split"])


GRAPH_IDS = {"train": ["m1", "m2", "m3"], "val": ["m4"], "test": ["m5"]}


def severities(findings: list[Finding]) -> list[str]:
    return [finding.severity for finding in findings]


def set_value(runs: pd.DataFrame, column: str, value) -> pd.DataFrame:
    """The table with another value for the second training."""
    return runs.assign(**{column: runs[column].where(runs["run"] != NAMES[1], value)})


def assert_blames(findings: list[Finding], severity: str, reason: str) -> None:
    """The second training is blamed, alone and for this."""
    assert [(f.severity, f.runs) for f in findings] == [(severity, (NAMES[1],))]
    assert reason in findings[0].found


# Finished


def test_finished_trainings(configs, runs, histories):
    assert severities(check_finished(configs, runs, histories)) == ["ok"]


def test_a_training_without_outcome(configs, runs, histories):
    findings = check_finished(configs, runs[runs["run"] != NAMES[1]], histories)
    assert_blames(findings, "failure", "no outcome")


@pytest.mark.parametrize("loss", [np.nan, np.inf, 0.0, -1.0])
def test_an_unusable_loss(configs, runs, histories, loss):
    findings = check_finished(configs, set_value(runs, "val_loss", loss), histories)
    assert_blames(findings, "failure", f"validation loss {loss}")


def test_missing_epochs(configs, runs, histories):
    histories[NAMES[1]] = histories[NAMES[1]].iloc[:-3]
    findings = check_finished(configs, set_value(runs, "epochs", 37), histories)
    assert_blames(findings, "failure", "40 epochs asked for, 37 in history, 37 told")


def test_patience_may_end_a_training_but_not_lengthen_it(configs, runs, histories):
    configs[NAMES[1]] = make_run(10, 2, patience=5)
    histories[NAMES[1]] = make_history(1, 37)
    shorter = set_value(runs, "epochs", 37)
    assert severities(check_finished(configs, shorter, histories)) == ["ok"]
    histories[NAMES[1]] = make_history(1, 43)
    longer = set_value(runs, "epochs", 43)
    assert_blames(check_finished(configs, longer, histories), "failure", "43 in history")


def test_a_history_of_another_length_than_told(configs, runs, histories):
    findings = check_finished(configs, set_value(runs, "epochs", 39), histories)
    assert_blames(findings, "failure", "40 in history, 39 told")


# Settings, parameters


def test_settings_agree(configs, runs):
    assert severities(check_settings(configs, runs)) == ["ok"]


def test_a_folder_with_the_settings_of_another_training(configs, runs):
    configs[NAMES[1]] = make_run(10, 7)
    findings = check_settings(configs, runs)
    assert_blames(findings, "failure", "seed 7 in config.json, 2 in the table")


def test_parameters_are_counted_anew(configs, runs):
    assert severities(check_parameter_counts(configs, runs)) == ["ok"]
    counted = count_parameters(configs[NAMES[1]].architecture)
    findings = check_parameter_counts(configs, set_value(runs, "num_params", counted - 1))
    assert_blames(findings, "failure", f"{counted - 1} recorded, {counted} counted")


# Losses


def test_losses_are_the_sum_of_their_parts(configs, runs, histories):
    assert severities(check_losses(configs, runs, histories)) == ["ok"]


def test_a_reported_loss_that_is_another_sum(configs, runs, histories):
    findings = check_losses(configs, set_value(runs, "val_drude", 0.9), histories)
    assert_blames(findings, "failure", "reported, parts give")


def test_an_epoch_with_another_sum(configs, runs, histories):
    histories[NAMES[1]].loc[3, "val_eps"] *= 1.001
    assert_blames(
        check_losses(configs, runs, histories), "failure", "another sum in 1 of 40 epochs"
    )


def test_the_weights_of_the_parts_count(configs, runs, histories):
    configs[NAMES[1]] = make_run(10, 2, drude_weight=1.0)
    findings = check_losses(configs, runs, histories)
    assert_blames(findings, "failure", "another sum in 40 of 40 epochs")


def test_a_reported_loss_that_is_not_the_lowest(configs, runs, histories):
    last = histories[NAMES[1]].iloc[0]
    for column in ("val_loss", "val_eps", "val_drude"):
        runs = set_value(runs, column, last[column])
    assert_blames(check_losses(configs, runs, histories), "failure", "lowest is")


# Gradients


def test_sound_gradients(histories):
    assert severities(check_gradients(histories)) == ["ok"]
    assert 1 < gradient_growth(histories[NAMES[0]]) < 3


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("column", ["train_loss", "grad_norm", "val_loss"])
def test_numbers_that_are_not_finite(histories, column, value):
    histories[NAMES[1]].loc[12, column] = value
    assert_blames(check_gradients(histories), "failure", "not finite in epoch 12")


def test_growing_gradients(histories):
    epochs = histories[NAMES[1]]
    epochs["grad_norm"] *= np.exp(epochs["epoch"] / 5)
    assert_blames(check_gradients(histories), "failure", "typical gradient norm grew")


def test_gradients_that_explode_and_calm_down(histories):
    histories[NAMES[1]].loc[15:22, "grad_norm"] = 1e6
    assert_blames(check_gradients(histories), "failure", "typical gradient norm grew")


def test_a_single_bad_batch_is_no_divergence(histories):
    histories[NAMES[1]].loc[15, "grad_norm"] = 1e6
    assert severities(check_gradients(histories)) == ["ok"]


def test_the_size_of_gradients_says_nothing(histories):
    histories[NAMES[1]]["grad_norm"] *= 1e4
    assert severities(check_gradients(histories)) == ["ok"]
    falling = np.geomspace(100, 0.1, EPOCHS)
    assert divergence(histories[NAMES[1]].assign(grad_norm=falling)) == ""


def test_a_training_loss_that_comes_back(histories):
    histories[NAMES[1]].loc[30:, "train_loss"] = 2.5
    assert_blames(check_gradients(histories), "failure", "training loss ended at 2.3")


def test_short_histories_are_judged_by_finite_numbers_alone(histories):
    short = histories[NAMES[0]].head(2).assign(grad_norm=[1.0, 50.0])
    assert divergence(short) == ""
    assert divergence(short.assign(grad_norm=[1.0, np.inf])) == "not finite in epoch 1"
    (finding,) = check_gradients({NAMES[0]: short})
    assert "grow" not in finding.found
    assert "1 trainings of less than 10 epochs: too short to tell" in finding.found
    (finding,) = check_gradients(histories | {NAMES[0]: short})
    assert finding.found.startswith("3 trainings; typical gradients grow")


def test_a_training_that_was_given_up_is_judged_by_what_it_said(configs, runs, histories):
    histories[NAMES[1]] = histories[NAMES[1]].head(0)
    diverged = set_value(set_value(runs, "state", "diverged"), "val_loss", np.inf)
    assert severities(check_finished(configs, diverged, histories)) == ["ok"]
    said = {NAMES[1]: "not finite"}
    assert_blames(check_gradients(histories, given_up=said), "failure", "not finite")
    findings = check_gradients(histories, [NAMES[1]], said)
    assert_blames(findings, "note", "not finite")


def test_divergence_is_a_result_where_settings_are_tried_out(histories):
    histories[NAMES[1]].loc[30:, "grad_norm"] = 1e6
    findings = check_gradients(histories, exploratory=[NAMES[1]])
    assert_blames(findings, "note", "grew")


def test_recoveries_are_noted(histories):
    histories[NAMES[1]].loc[20:, "recoveries"] = 2
    assert_blames(check_gradients(histories), "note", "2 recoveries")


# Seeds


def test_spread_over_seeds(runs):
    assert severities(check_seed_spread(runs)) == ["ok"]


def test_a_spread_above_the_limit_is_listed():
    runs = pd.DataFrame({"run": NAMES, "val_loss": [1.0, 1.08, 2.0, 2.01]})
    finding, rest = check_seed_spread(runs)
    # the sample standard deviation of two values is their distance over sqrt(2)
    assert (finding.severity, finding.found) == ("note", f"{100 * 0.08 / 2**0.5 / 1.04:.3g} %")
    assert finding.runs == tuple(NAMES[:2])
    assert (rest.severity, rest.found) == ("ok", "at most 0.353 %, 1 settings")
    assert severities(check_seed_spread(runs, limit=0.06)) == ["ok"]


def test_a_single_seed_is_noted_beside_the_spread_of_the_others(runs):
    finding, rest = check_seed_spread(runs[runs["run"] != NAMES[1]])
    assert (finding.severity, finding.found) == ("note", "1 settings with one seed")
    assert (rest.severity, rest.found.endswith("1 settings")) == ("ok", True)
    assert severities(check_seed_spread(runs[runs["seed"] == 1])) == ["note"]


# Code


def test_one_state_of_the_code(runs):
    assert severities(check_code(runs)) == ["ok"]
    findings = check_code(set_value(runs, "commit", "def"))
    assert severities(findings) == ["note", "note"]
    assert findings[1].runs == (NAMES[1],)
    assert severities(check_code(runs.assign(commit="abc+changes"))) == ["note"]


# Data


def test_compositions_are_in_one_split(splits):
    assert severities(check_splits(splits)) == ["ok"]
    (finding,) = check_splits(splits.replace("Au", "Cu"))
    assert finding.severity == "failure"
    assert finding.found == "1 compositions in two splits: Cu"
    (finding,) = check_splits(splits.replace("m2", "m1"))
    assert finding.found == "1 materials listed twice: m1"


def test_splits_of_the_published_data_are_compared_with_the_published(splits, monkeypatch):
    (finding,) = check_published_splits(splits)
    assert finding.severity == "note"
    assert finding.found.startswith(
        "train has 3 crystals instead of 160728; val has 1 crystals instead of 20179"
    )
    monkeypatch.setattr("optimetal.checks.published_differences", lambda table: [])
    assert severities(check_published_splits(splits)) == ["ok"]


def test_graphs_are_those_of_the_splits(splits):
    assert severities(check_graphs(splits, GRAPH_IDS)) == ["ok"]


@pytest.mark.parametrize(
    ("ids", "reason"),
    [
        (["m1", "m2"], "1 without a graph: m3"),
        (["m1", "m2", "m3", "m4"], "1 of another split: m4"),
        (["m1", "m2", "m2", "m3"], "1 with several graphs: m2"),
        (["m1", "m3", "m2"], "another order"),
    ],
)
def test_graphs_of_other_materials(splits, ids, reason):
    (finding,) = check_graphs(splits, GRAPH_IDS | {"train": ids})
    assert (finding.severity, finding.found) == ("failure", f"train: {reason}")


def test_published_subsets_are_nested_but_for_one():
    sizes = (2500, 5000, 10_000, 20_000, 40_000, 80_000, 160_000)
    (finding,) = check_subsets(sizes, 160_728)
    assert finding.severity == "note"
    assert finding.found.startswith("95")
    assert "of 20000 are in 40000; they are sampled by different methods" in finding.found
    assert severities(check_subsets(sizes[:4], 160_728)) == ["ok"]
    assert severities(check_subsets(sizes[4:], 160_728)) == ["ok"]


def test_subsets_that_are_not_nested():
    def independent(num_total, size):
        return random.Random(size).sample(range(num_total), size)

    (finding,) = check_subsets((2500, 5000), 160_728, independent)
    assert (finding.severity, "different methods" in finding.found) == ("failure", False)


def test_subsets_with_repeated_crystals():
    (finding,) = check_subsets((10,), 100, lambda num_total, size: [0] * size)
    assert (finding.severity, finding.found) == ("failure", "1 crystals instead of 10")


def test_networks_learned_from_their_subset(configs, runs):
    assert severities(check_training_crystals(configs, runs, TRAIN_IDS)) == ["ok"]


def test_a_network_that_learned_from_other_crystals(configs, runs):
    runs.loc[runs["run"] == NAMES[1], "crystals"] = digest(TRAIN_IDS[:10])
    (finding,) = check_training_crystals(configs, runs, TRAIN_IDS)
    assert (finding.severity, finding.runs) == ("failure", (NAMES[1],))


# All together


def test_a_sound_study_passes(configs, runs, histories, splits):
    graph_ids = GRAPH_IDS | {"train": TRAIN_IDS}
    train = pd.DataFrame({"mat_id": graph_ids["train"], "composition": "Cu", "split": "train"})
    splits = pd.concat([train, splits[splits["split"] != "train"]])
    study = configs, runs, histories, splits, graph_ids
    table = findings_table(check_study(*study))
    assert set(table["severity"]) == {"ok"}
    assert table["check"].is_unique
    assert verdict(table) == (True, "11 checks: 0 failures, 0 notes.")
    published = check_study(*study, published_data=True)
    assert [finding.check for finding in published if finding.severity == "note"] == [
        "published splits"
    ]


def test_a_failure_is_told_with_its_trainings():
    findings = [
        Finding("a", "ok", "x", "y"),
        Finding("b", "note", "x", "y"),
        Finding("c", "failure", "no smoke", "fire", tuple(NAMES)),
    ]
    table = findings_table(findings, max_runs=2)
    assert table["severity"].tolist() == ["failure", "note", "ok"]
    passed, message = verdict(table)
    assert not passed
    named = f"{NAMES[0]} {NAMES[1]} and 2 more"
    told = f"  c: expected no smoke; found fire {named}"
    assert message == f"3 checks: 1 failures, 1 notes.\n{told}"
    assert findings_table(findings)["runs"][0].split() == NAMES
