"""The configuration: what it takes, and how it says what is wrong."""

from pathlib import Path

import pytest
import yaml

from optimetal.config.project import ConfigurationError, read_project

CONFIGS = sorted((Path(__file__).parents[2] / "config").glob("*.yaml"))
CONFIGS = [path for path in CONFIGS if path.name != "published.yaml"]  # another root, another test


@pytest.fixture
def config():
    """A small valid configuration, to be spoilt."""
    return {
        "database": {"source": "surrogate"},
        "training": {"epochs": 3, "learning_rate": 0.002},
        "models": {
            "small": {
                "label": "Small",
                "architecture": {"type": "optimetal_2b", "hidden_dim": 8},
                "training": {"weight_decay": 0.1},
            }
        },
        "studies": {"data_scaling": {"models": ["small"], "num_train": [4], "fit": "num_train"}},
        "evaluation": {"study": "data_scaling", "models": ["small"]},
    }


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_shipped_configurations_are_valid(path):
    read_project(yaml.safe_load(path.read_text()))


def test_a_model_overrides_the_default_training(config):
    training = read_project(config).training_of("small")
    assert (training.epochs, training.learning_rate, training.weight_decay) == (3, 0.002, 0.1)


def spoil(config, key, value):
    *parents, last = key.split(".")
    for parent in parents:
        config = config.setdefault(parent, {})
    config[last] = value


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("trianing", {}, "trianing: unknown key; did you mean .training."),
        ("training.epochs", 0, "training.epochs: Input should be greater than 0, got 0"),
        ("training.best_from_epoch", 3, "less than `epochs`, got 3 and 3"),
        ("training.schedule", {"type": "linear"}, "training.schedule"),
        ("database.source", "dft", "database.source: .*got 'dft'"),
        ("database", {"source": "folder"}, "`folder` must be given"),
        ("database.surrogate", {"elements": ["Xx"]}, "unknown element Xx"),
        ("splits", {"ratios": [0.8, 0.1, 0.2]}, "sum to 1, got 1.1"),
        (
            "splits",
            {"method": "random"},
            "splits.method: .*'composition' or 'published', got 'random'",
        ),
        (
            "splits",
            {"folder": "lists"},
            "`method: composition` does not use: set `method: published`",
        ),
        ("models.small.training", {"lr": 1}, "models.small.training.*lr: unknown key"),
        ("models.small.architecture.hidden_dim", 9, "divisible by `heads`, got 9 and 2"),
        ("models.small.architecture.type", "cgcnn", "models.small.architecture.*cgcnn"),
        ("models.small.learning_rate_exponent", 1.0, "needs a `reference_width`"),
        ("models.small.architecture.cutoff", 6.0, "models.small.architecture.cutoff.*6.0.*5.5"),
        ("studies.data_scaling.models", ["large"], "unknown ..large..; known: small"),
        ("evaluation.study", "grid", "evaluation.study.*unknown ..grid..; known: data_scaling"),
        ("evaluation.models", ["x"], "evaluation.models.*known: small"),
        ("scaling", {"laws": ["cubic"]}, "unknown ..cubic..; known: power"),
        (
            "scaling",
            {"laws": ["power"], "data_law": "broken"},
            "`data_law`: unknown ..broken..; known: power$",
        ),
        ("studies.data_scaling.seeds", [1, 1], r"seeds: expected each value once, got \[1\]"),
        ("studies.data_scaling.num_train", [500], "num_train`: 500 .*of 400 .*about 320"),
        (
            "studies.data_scaling.vary",
            {"architecture.pooling.step": [1]},
            "studies.data_scaling.vary`: model 'small': unknown setting `architecture.pooling.step`",
        ),
        (
            "studies.data_scaling.vary",
            {"architecture.pooling": [{"type": "set2set", "steps": 1}]},
            "`architecture.pooling` of model 'small' cannot be .*'steps': 1.*not permitted",
        ),
        ("studies.data_scaling.vary", {"training.epochs": []}, "`training.epochs` needs values"),
        ("studies.data_scaling.vary", {"training.epochs": [3, 3]}, "each value of .*once, got"),
        (
            "studies.data_scaling.best_of",
            {"grid": 2},
            "best_of`: unknown ..grid..; known: data_sc",
        ),
        ("studies.data_scaling.best_of", {"data_scaling": 1}, "would follow from its own results"),
        ("studies.data_scaling.learning_rate_from", "x", "learning_rate_from`: unknown ..x.."),
        (
            "studies.other",
            {"models": ["small"], "num_train": [4], "learning_rate_from": "data_scaling"},
            "'data_scaling' needs `learning_rate_exponents`",
        ),
        (
            "studies.data_scaling.search",
            {},
            r"evaluation.study`: which .*'data_scaling' has follows from results \(`search`\)",
        ),
        (
            "studies.data_scaling",
            {"models": ["small"], "num_train": [4], "search": {}, "learning_rate_exponents": [1]},
            "`search` finds the learning rate of every width",
        ),
        (
            "studies.data_scaling.vary",
            {"architecture.cutoff": [5.5, 4.5]},
            "data_scaling.vary`: model 'small': `architecture.cutoff` is 4.5 Å, but all graphs",
        ),
        (
            "studies.other",
            {"models": ["small"], "num_train": [4], "best_of": {"data_scaling": 2}},
            "studies.other.best_of`: the best 2 are wanted of 'data_scaling', which has 1 comb",
        ),
        *(
            (
                "studies.data_scaling",
                {
                    "models": ["small"],
                    "num_train": [4],
                    "widths": widths,
                    "learning_rate_exponents": [0, 1],
                },
                rf"exponents` needs `widths` with 8, where .*'small' holds.* other, got \[{got}\]",
            )
            for widths, got in (([4, 16], "4, 16"), ([8], "8"), ([], ""))
        ),
        (
            "studies.data_scaling",
            {
                "models": ["small"],
                "num_train": [4],
                "search": {},
                "vary": {"training.learning_rate": [0.1]},
            },
            "`search` finds ..training.learning_rate..",
        ),
        ("ablation", {"layers": ["data_scaling"]}, "`ablation`: unknown ..data_scaling"),
        (
            "studies.data_scaling.alongside",
            {"small": {"training.weight_decay": [0.1, 0.2]}},
            "`alongside.small.training.weight_decay` needs one value for each of the 1",
        ),
        ("packing", {"trainings": 1}, "packing.trainings.*greater than or equal to 2"),
        ("packing", {"trainings": 2, "at_once": 3}, "`at_once` must be .*`trainings`, got 3 and 2"),
        ("plots", {"metrics": ["beauty"]}, "unknown ..beauty..; known: loss"),
    ],
)
def test_errors_name_the_key_and_what_is_known(config, key, value, message):
    spoil(config, key, value)
    with pytest.raises(ConfigurationError, match=f"(?s){message}"):
        read_project(config)


def test_all_errors_are_listed_together(config):
    spoil(config, "training.epochs", -1)
    spoil(config, "training.optimizer", "sgd")
    with pytest.raises(ConfigurationError, match=r"(?s)training\.optimizer.*training\.epochs"):
        read_project(config)
