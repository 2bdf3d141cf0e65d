"""Tables of trainings by the settings that a study varied."""

import pandas as pd
import pytest

from optimetal.config.architecture import OptiMate, OptiMetal2B, TransformerLayers
from optimetal.config.run import Run
from optimetal.config.training import TrainingSettings
from optimetal.scaling.settings import (
    by_settings,
    combination_label,
    in_few_words,
    settings_table,
    with_settings,
)

LAYERS, POOLING = "architecture.message_passing.num_layers", "architecture.pooling"


@pytest.fixture
def trained(tmp_path):
    """Runs of 1 and 2 layers with two seeds each, and one of OptiMate: table and files."""
    networks = [
        *(
            OptiMetal2B(hidden_dim=8, message_passing=TransformerLayers(num_layers=n))
            for n in (1, 2)
        ),
        OptiMate(),
    ]
    runs = [
        Run(
            model=network.type,
            architecture=network,
            training=TrainingSettings(),
            num_train=4,
            seed=seed,
            variant=str(number),
        )
        for number, network in enumerate(networks)
        for seed in (1, 2)
    ]
    files = [tmp_path / f"{number}.json" for number in range(len(runs))]
    for run, file in zip(runs, files, strict=True):
        file.write_text(run.model_dump_json())
    columns = {
        "run": [run.name for run in runs],
        "model": [run.model for run in runs],
        "label": [run.model for run in runs],
        "num_train": 4,
        "width": [run.width for run in runs],
        "num_params": [10, 10, 20, 20, 5, 5],
        "seed": [run.seed for run in runs],
        "lr": 1e-3,
        "val_loss": [1.0, 3.0, 4.0, 4.0, 5.0, 5.0],
    }
    return pd.DataFrame(columns), files


def test_settings_become_columns(trained):
    runs, files = trained
    table = with_settings(runs, files, [LAYERS, POOLING])
    assert table["run"].tolist() == runs["run"].tolist()
    assert table[LAYERS].tolist()[:4] == [1, 1, 2, 2]
    assert table[LAYERS].isna().tolist()[4:] == [True, True]
    assert table[POOLING].tolist()[:4] == ["vector_attention"] * 4
    assert with_settings(runs, files, []).equals(runs)


def test_means_over_seeds_for_every_combination(trained):
    runs, files = trained
    table = settings_table(with_settings(runs, files, [LAYERS]), [LAYERS])
    ours = table[table["model"] == "optimetal_2b"]
    assert ours[LAYERS].tolist() == [1, 2]
    assert ours["val_loss"].tolist() == [2.0, 4.0]
    assert ours["val_loss_std"].tolist() == [1.0, 0.0]
    assert ours["num_seeds"].tolist() == [2, 2]


def test_every_combination_is_a_model_of_its_own(trained):
    runs, files = trained
    runs = with_settings(runs, files, [LAYERS]).iloc[:4]
    split = by_settings(runs, [LAYERS])
    assert split["model"].unique().tolist() == [
        "optimetal_2b: num layers 1",
        "optimetal_2b: num layers 2",
    ]
    assert by_settings(runs, []).equals(runs)
    assert by_settings(runs.iloc[:2], [LAYERS])["model"].unique().tolist() == ["optimetal_2b"]


def test_a_single_seed_tells_of_no_scatter(trained):
    runs, files = trained
    table = with_settings(runs, files, [LAYERS])
    table = settings_table(table[table["seed"] == table["seed"].min()], [LAYERS])
    assert (table["num_seeds"] == 1).all()
    assert table["val_loss_std"].isna().all()


def test_names_tell_apart_in_few_words():
    long = ["constant", "cosine, period none, minimum_rate 0"]
    edges = [
        "bessel, num_basis 8",
        "gaussian, num_basis 8, width 2",
        "gaussian, num_basis 4, width 2",
    ]
    table = pd.DataFrame({"a": [*long, None], "b": edges, "c": [1.0, 2.0, 3.0]})
    short = in_few_words(table, ["a", "b", "c"])
    assert short["a"].tolist()[:2] == ["constant", "cosine"]
    assert short["a"].isna().tolist() == [False, False, True]
    assert short["b"].tolist() == ["bessel", "gaussian, num basis 8", "gaussian, num basis 4"]
    assert short["c"].equals(table["c"])


def test_mixed_values_are_text_and_fit_into_a_file(trained, tmp_path):
    runs, files = trained
    configs = [Run.model_validate_json(file.read_text()) for file in files]
    assert {type(run.training.patience) for run in configs} == {type(None)}
    table = with_settings(runs, files, ["training.patience"])
    table.to_parquet(tmp_path / "runs.parquet")
    assert (
        combination_label(table.iloc[0], ["training.patience", "width"]) == "patience none, h = 8"
    )
