"""The architecture search, on invented files of the published form."""

import json

import numpy as np
import pandas as pd
import pytest

from optimetal.config.architecture import OptiMetal2B
from optimetal.config.run import Run
from optimetal.config.training import TrainingSettings
from optimetal.config.variation import as_choice
from optimetal.scaling.ablation import (
    COLUMNS,
    INTERACTION,
    LAYER_KINDS,
    Parts,
    ablation_of_runs,
    describe,
    improvements,
    read_published_ablation,
    start_of,
)

STARTS = {
    "node_embedding": 1.0,
    "edge_embedding": 1.4,
    "message_passing": 1.1,
    "pooling": 1.2,
    "message_passing_3b": 0.9,
}
BETTER = {
    "node_embedding": {"type": "atom", "embedding_dim": 16},
    "edge_embedding": {"type": "bessel", "num_basis": 8, "apply_envelope": True},
    "message_passing": {"type": "cgconv", "num_layers": 2, "hidden_multiplier": 2},
    "pooling": {"type": "mean"},
    "message_passing_3b": {"type": "cgconv", "num_layers": 1, "hidden_multiplier": 2},
}


def entry(setting, loss, num_seeds=3):
    return {
        "perm_str": json.dumps(setting, sort_keys=True),
        "lr": 1e-3,
        "wd": 0.0,
        "mean_val_loss": loss,
        "std_val_loss": 0.01 * loss,
        "n_seeds": num_seeds,
    }


@pytest.fixture
def contents():
    """File -> entries: the start, and a setting that is a tenth better."""
    files = {
        layer.file: [entry(layer.start, STARTS[kind]), entry(BETTER[kind], 0.9 * STARTS[kind])]
        for kind, layer in LAYER_KINDS.items()
    }
    architecture = {
        "type": "optimetal_2b",
        **{LAYER_KINDS[kind].section: BETTER[kind] for kind in STARTS if "3b" not in kind},
        "hidden_dim": 256,
        "spectra_dim": 1024,
    }
    mixed = {**architecture, "pooling_dict": LAYER_KINDS["pooling"].start}
    files["ablation/2b_interaction_results.json"] = [
        entry({"architecture": architecture}, 0.8),
        entry({"architecture": mixed}, 0.85),
    ]
    return files


@pytest.fixture
def read(contents, tmp_path):
    """Function: write the files and read them."""

    def write_and_read():
        (tmp_path / "ablation").mkdir()
        for name, entries in contents.items():
            (tmp_path / name).write_text(json.dumps(entries))
        return read_published_ablation(tmp_path)

    return write_and_read


def test_every_setting_is_a_row_best_first(read):
    table = read()
    assert list(table.columns) == list(COLUMNS)
    assert table["kind"].value_counts().to_dict() == dict.fromkeys([*STARTS, INTERACTION], 2)
    assert table.groupby("kind")["val_loss"].apply(lambda loss: loss.is_monotonic_increasing).all()
    assert table.groupby("kind")["is_start"].sum().drop(INTERACTION).eq(1).all()
    combined = table[table["kind"] == INTERACTION]
    assert combined["num_best"].tolist() == [3, 2]
    assert combined["setting"].iloc[0] == "atomic number, dimension 16; CGConv, multiplier 2; mean"


def test_parameters_are_counted(read):
    table = read().set_index(["kind", "is_start"])
    # the first architecture, as counted in the published study of the residual block
    for kind in ("node_embedding", "edge_embedding", "message_passing", "pooling"):
        assert table.loc[(kind, True), "num_params"] == 7_488_419
    assert table["num_params"].gt(1e6).all()


def test_improvements_are_relative_to_the_start(read):
    table = improvements(read()).set_index("comparison")
    kinds = table.loc[[layer.label for layer in LAYER_KINDS.values()]]
    np.testing.assert_allclose(kinds["improvement"], 10)
    np.testing.assert_allclose(kinds["improvement_error"], 90 * 0.01 * np.sqrt(2))
    first = (1.0 + 1.4 + 1.1 + 1.2) / 4
    row = table.loc["Best 2B against first 2B"]
    assert row["improvement"] == pytest.approx(100 * (1 - 0.8 / first))
    published = (1.0 + 1.1 + 2 * 1.2) / 4
    assert row["published_improvement"] == pytest.approx(100 * (1 - 0.8 / published))
    assert table.loc["Best 3B against best 2B", "improvement"] == pytest.approx(
        100 * (1 - 0.81 / 0.8)
    )


def test_start_that_is_the_best_improves_nothing(contents, read):
    layer = LAYER_KINDS["pooling"]
    contents[layer.file] = contents[layer.file][:1]
    table = improvements(read()).set_index("comparison")
    assert table.loc["Pooling", ["improvement", "improvement_error"]].tolist() == [0, 0]


def test_combinations_started_from_the_first_architecture(read):
    table = read()
    assert start_of(table, "pooling")["val_loss"] == 1.2
    assert start_of(table, INTERACTION)["val_loss"] == pytest.approx(1.175)


def test_missing_seed_is_named(contents, read):
    contents[LAYER_KINDS["pooling"].file][1]["n_seeds"] = 2
    with pytest.raises(ValueError, match=r'expected 3 seeds in .*2b_pool.*"mean".*, got 2'):
        read()


def test_missing_start_is_named(contents, read):
    del contents[LAYER_KINDS["message_passing"].file][0]
    with pytest.raises(ValueError, match=r"2b_mp_results\.json lacks the setting .*gatv2"):
        read()


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        (
            {"type": "gaussian", "num_basis": 32, "basis_width": 4.0, "apply_envelope": True},
            "Gaussian, 32 functions, width 4, envelope",
        ),
        ({"type": "bessel", "num_basis": 8, "trainable": True}, "Bessel, 8 functions, trainable"),
        ({"type": "set2set", "processing_steps": 3}, "Set2Set, 3 steps"),
    ],
)
def test_settings_in_words(setting, words):
    assert describe(setting) == words


POOLING, EDGES = "architecture.pooling", "architecture.edge_embedding"
PARTS = Parts({"pooling": "Pooling", "edges": "Edges"}, "both")


@pytest.fixture
def ours():
    """Our own trainings: mean pooling and Bessel functions are better, both together best."""
    networks = {
        "start": OptiMetal2B(hidden_dim=8),
        "mean": OptiMetal2B(hidden_dim=8, pooling={"type": "mean"}),
        "bessel": OptiMetal2B(hidden_dim=8, edge_embedding={"type": "bessel"}),
        "both": OptiMetal2B(
            hidden_dim=8, pooling={"type": "mean"}, edge_embedding={"type": "bessel"}
        ),
    }
    losses = {"start": 2.0, "mean": 1.8, "bessel": 1.9, "both": 1.5}
    studies = {
        "start": ["pooling", "edges", "both"],
        "mean": ["pooling", "both"],
        "bessel": ["edges", "both"],
        "both": ["both"],
    }
    trained, rows = {}, []
    for name, network in networks.items():
        for seed in (1, 2):
            run = Run(
                model="m",
                architecture=network,
                training=TrainingSettings(weight_decay=1e-4),
                num_train=4,
                seed=seed,
                variant=name,
            )
            trained[run.name] = run
            loss = losses[name] + 0.1 * (seed - 1.5)
            row = {"run": run.name, "studies": studies[name], "num_params": 9, "val_loss": loss}
            rows.append({**row, "source": "invented"})
    start = next(iter(trained.values()))
    return ablation_of_runs(
        pd.DataFrame(rows),
        trained,
        {"pooling": [POOLING], "edges": [EDGES], "both": [POOLING, EDGES]},
        {"pooling": as_choice(start, [POOLING]), "edges": as_choice(start, [EDGES])},
    )


def test_our_trainings_make_the_same_table(ours):
    assert list(ours.columns) == list(COLUMNS)
    assert ours["kind"].value_counts().to_dict() == {"both": 4, "pooling": 2, "edges": 2}
    assert ours.groupby("kind")["is_start"].sum().to_dict() == {"both": 0, "pooling": 1, "edges": 1}
    pooling = ours[ours["kind"] == "pooling"]
    assert pooling["setting"].tolist() == ["mean", "vector attention"]
    assert pooling["val_loss"].tolist() == pytest.approx([1.8, 2.0])
    assert pooling["val_loss_std"].tolist() == pytest.approx([0.1 / np.sqrt(2)] * 2)
    assert pooling["weight_decay"].tolist() == [1e-4] * 2
    assert ours.loc[ours["kind"] == "both", "num_best"].tolist() == [2, 1, 1, 0]
    assert "Gaussian, 32 functions, width 4, envelope" in ours["setting"].tolist()


def test_improvements_of_our_trainings(ours):
    table = improvements(ours, PARTS).set_index("comparison")["improvement"]
    assert table.to_dict() == pytest.approx(
        {"Pooling": 10.0, "Edges": 5.0, "Best 2B against first 2B": 25.0}
    )
    start = start_of(ours, "both", PARTS)
    assert start is not None and start["val_loss"] == pytest.approx(2.0)


def test_a_start_that_was_not_tried_is_named_and_has_no_improvement(ours, caplog):
    assert start_of(ours[~ours["is_start"]], "pooling", PARTS) is None
    left = ours[~(ours["is_start"] & (ours["kind"] == "pooling"))]
    table = improvements(left, PARTS).set_index("comparison")
    assert np.isnan(table.loc["Pooling", ["start_loss", "improvement"]].to_numpy(float)).all()
    assert table.loc["Pooling", "best"] == "mean"
    assert table.loc["Edges", "improvement"] == pytest.approx(5)
    assert "pooling: the search left out" in caplog.text


def test_a_single_seed_tells_of_no_scatter(ours):
    single = ours.assign(val_loss_std=np.nan)
    assert improvements(single, PARTS)["improvement_error"].isna().all()
