"""From studies to trainings."""

from pathlib import Path

import pytest
import yaml

from optimetal.config.project import ConfigurationError, read_project
from optimetal.config.studies import (
    Findings,
    Plan,
    ScalingPlan,
    at_width,
    study_runs,
    trial_training,
)
from optimetal.config.training import CosineSchedule, TrainingSettings
from optimetal.config.variation import hidden_multiplier
from optimetal.models import count_parameters

PAPER = Path(__file__).parents[2] / "config" / "paper.yaml"


@pytest.fixture(scope="module")
def paper():
    return read_project(yaml.safe_load(PAPER.read_text()))


@pytest.fixture(scope="module")
def planned(paper):
    plan = Plan(paper)
    return plan.runs, plan.studies


PUBLISHED_TRAININGS = {
    "data_scaling": 84,
    "parameter_scaling": 63,
    "grid": 294,
    "learning_rate_scaling": 231,
    "spectra_width": 12,
    "residual_block": 48,
}


def test_published_numbers_of_trainings(paper):
    asked = {study: len(list(study_runs(paper, study))) for study in PUBLISHED_TRAININGS}
    assert asked == PUBLISHED_TRAININGS


def test_each_training_is_done_once(planned):
    runs, members = planned
    # the 11 exponents at the reference width are one and the same
    expected = PUBLISHED_TRAININGS | {"learning_rate_scaling": 231 - 10 * 3}
    assert {study: len(names) for study, names in members.items()} == expected
    assert len(runs) == len(set().union(*members.values())) < sum(map(len, members.values()))


@pytest.mark.parametrize("name", ["config", "paper", "test"])
def test_every_search_for_layers_tries_its_start(name):
    project = read_project(yaml.safe_load(PAPER.with_name(f"{name}.yaml").read_text()))
    assert project.ablation is not None
    plan = Plan(project)
    for study in {*project.ablation.studies} - {project.ablation.combinations}:
        assert plan.start(study) in plan.choices(study), study


def test_choices_of_a_study_are_whole_sections(paper):
    choices = Plan(paper).choices("message_passing")
    assert len(choices) == 39
    assert {hidden_multiplier(choice) for choice in choices} == {2, 4, 6}
    assert {hidden_multiplier(choice) for choice in Plan(paper).choices("pooling")} == {None}
    assert hidden_multiplier({"architecture.message_passing.hidden_multiplier": 3}) == 3


def test_published_settings_of_the_residual_block(planned):
    runs, members = planned
    first = {runs[name] for name in members["residual_block"] if runs[name].seed == 1}
    rates = {
        (run.model, run.architecture.message_passing.num_layers): run.training for run in first
    }
    assert len(rates) == 16
    assert rates["2b_gat", 8].learning_rate == rates["2b_gat_plain", 8].learning_rate == 4e-4
    assert rates["2b_gat", 6].weight_decay == 2e-5
    assert rates["2b_gat_plain", 5].weight_decay == 4e-4
    assert {training.epochs for training in rates.values()} == {200}


def test_the_learning_rate_follows_the_width_alone(planned):
    runs, members = planned
    assert {runs[name].training.learning_rate for name in members["spectra_width"]} == {6e-4}
    assert {runs[name].architecture.spectra_dim for name in members["spectra_width"]} == {
        256, 512, 1024, 2048,
    }  # fmt: skip


def test_models_own_settings_have_the_name_without_a_variant(planned):
    _, members = planned
    shared = set(members["spectra_width"]) & set(members["parameter_scaling"])
    assert shared == {f"2b_tc/data20000_width256_lr0.0006_seed{seed}" for seed in (1, 42, 137)}
    assert "2b_tc/data20000_width256_spectra_dim512_lr0.0006_seed1" in members["spectra_width"]


def test_equal_trainings_of_two_studies_are_one(planned):
    runs, members = planned
    shared = set(members["data_scaling"]) & set(members["grid"]) & set(members["parameter_scaling"])
    assert "3b_tc/data20000_width256_lr0.0004_seed42" in shared
    assert len(runs) < sum(map(len, members.values()))


def test_published_learning_rates(planned):
    runs, _ = planned
    reference = 8_140_195
    for run in runs.values():
        if run.model == "2b_tc" and run.name.startswith("2b_tc/data2500_"):
            expected = 6e-4 * reference / count_parameters(run.architecture)
            assert run.training.learning_rate == pytest.approx(expected, rel=1e-12)


def test_names_tell_trainings_apart(planned):
    runs, _ = planned
    settings = {run.model_dump_json() for run in runs.values()}
    assert len(settings) == len(runs)


def test_members_of_an_ensemble_differ_in_the_seed(planned):
    runs, _ = planned
    ensemble = [
        run for run in runs.values() if run.ensemble == "3b_tc/data160000_width256_lr0.0004"
    ]
    assert sorted(run.seed for run in ensemble) == [1, 42, 137]


def test_width_changes_the_whole_network_in_proportion(paper):
    architecture = at_width(paper.models["3b_tc"].architecture, 64)
    assert (architecture.hidden_dim, architecture.spectra_dim) == (64, 256)
    assert architecture.edge_message_passing.heads == 8


def test_networks_of_fixed_size_have_no_width(paper):
    architecture = paper.models["optimate"].architecture
    assert at_width(architecture, 64) == architecture


def test_the_largest_ensembles_are_tested(paper):
    tested = Plan(paper).tested
    assert tested["3b_tc"] == "3b_tc/data160000_width256_lr0.0004"
    assert "optimate" not in tested
    assert len(Plan(paper).ensemble(tested["2b_cgc"])) == 3


def test_laws_depend_on_the_axis(paper):
    plan = ScalingPlan(paper.studies, paper.scaling)
    assert plan.fitted("num_train", "num_params") == ["data_scaling", "parameter_scaling"]
    assert plan.laws("grid") == ["kaplan", "hoffmann"]
    assert plan.drawn_law("data_scaling") == "broken"
    assert plan.drawn_law("parameter_scaling") == "power_floor"
    assert plan.learning_rates() == ["learning_rate_scaling"]
    # widths of the spectrum head against the law of the whole network; no such law for other models or for sections
    compared = {name: plan.size_study(name) for name in plan.with_settings()}
    assert compared == {**dict.fromkeys(compared), "spectra_width": "parameter_scaling"}
    assert plan.label("spectra_width") == "Width of the spectrum head"
    assert plan.label("data_scaling") == "Data scaling"


@pytest.fixture
def config():
    """A small configuration whose study varies what a test says."""
    return {
        "database": {"source": "surrogate"},
        "models": {
            "small": {"label": "Small", "architecture": {"type": "optimetal_2b", "hidden_dim": 8}}
        },
        "studies": {"s": {"models": ["small"], "num_train": [4], "seeds": [1]}},
        "evaluation": {"study": "s", "models": ["small"]},
    }


def test_settings_sizes_and_seeds_are_crossed(config):
    config["studies"]["s"] |= {
        "num_train": [4, 8],
        "widths": [8, 16],
        "seeds": [1, 2],
        "vary": {
            "architecture.message_passing.num_layers": [1, 2, 3],
            "training.learning_rate": [0.1, 0.2],
        },
    }
    runs = Plan(read_project(config)).runs
    assert len(runs) == 2 * 2 * 2 * 3 * 2
    assert "small/data8_width16_message_passing.num_layers3_lr0.2_seed2" in runs


def test_settings_that_do_not_go_together_are_named(config):
    config["studies"]["s"] |= {
        "widths": [8, 12],
        "vary": {"architecture.message_passing.heads": [2, 8]},
    }
    with pytest.raises(ConfigurationError, match=r"studies\.s.*width 12.*heads.*got 12 and 8"):
        _ = Plan(read_project(config)).runs


def test_names_that_would_be_equal_are_refused(config):
    config["studies"]["s"]["vary"] = {"training.learning_rate": [0.1, 0.1000001]}
    with pytest.raises(ConfigurationError, match="Two different trainings would have the name"):
        _ = Plan(read_project(config)).runs


def test_trials_shorten_their_schedule():
    training = TrainingSettings(epochs=200, schedule=CosineSchedule(period=200))
    assert trial_training(training, 100).schedule == CosineSchedule(period=100)
    assert trial_training(TrainingSettings(), 100).schedule == CosineSchedule()


def test_trials_may_be_shorter_than_what_a_training_leaves_out():
    training = TrainingSettings(epochs=20, best_from_epoch=10)
    assert trial_training(training, 10).best_from_epoch == 0


@pytest.fixture
def searched(config):
    """Two studies of the same network, with searches."""
    search = {"trials": 5, "learning_rates": [0.1, 0.2]}
    study = {"models": ["small"], "num_train": [4], "seeds": [1, 2], "search": search}
    config["studies"] |= {"first": study, "second": {**study, "search": dict(search)}}
    return config


def test_equal_searches_are_one(searched):
    searched["studies"]["second"]["search"]["jobs"] = 3  # they share the trials, whatever these are
    plan = Plan(read_project(searched))
    plan.check()
    assert list(plan.shared_searches(plan.known_searches)) == ["small/data4_width8"]


@pytest.mark.parametrize(
    ("section", "change"),
    [("search", {"trials": 2}), ("search", {"learning_rates": [0.3]}), ("seeds", [2, 1])],
)
def test_different_searches_of_a_network_are_refused(searched, section, change):
    second = searched["studies"]["second"]
    second[section] = second[section] | change if section == "search" else change
    with pytest.raises(
        ConfigurationError, match=r"`studies.first` and `studies.second` .*small/data4_width8"
    ):
        Plan(read_project(searched)).check()


def test_the_learning_rate_of_a_search_is_taken_as_it_was_found(searched):
    """It is that of this width: the rule from width to width has nothing to add."""
    searched["models"]["small"] |= {"reference_width": 8, "learning_rate_exponent": 1.0}
    searched["studies"]["first"]["widths"] = [4]
    del searched["studies"]["second"]
    found = {"training.learning_rate": 0.2, "training.weight_decay": 0.0}
    findings = Findings(rates={"small/data4_width4": found})
    runs = Plan(read_project(searched)).later_runs("first", findings).values()
    assert {run.training.learning_rate for run in runs} == {0.2}


def test_laws_of_studies_that_vary_settings(paper):
    study = paper.studies["residual_block"]
    axes = {
        "over_layers": study.model_copy(update={"fit": "num_params"}),
        "over_widths": study.model_copy(update={"fit": "num_params", "widths": (8, 16)}),
        "over_data": study.model_copy(update={"fit": "num_train"}),
    }
    plan = ScalingPlan(axes, paper.scaling)
    layers = ["architecture.message_passing.num_layers"]
    assert plan.split_by("over_layers") == []
    assert plan.split_by("over_widths") == plan.split_by("over_data") == layers
    assert plan.with_settings() == list(axes)


@pytest.fixture
def packed(paper):
    """The published study with several trainings per job, the wide networks apart."""
    content = paper.model_dump(mode="json", exclude_unset=True)
    return Plan(read_project({**content, "packing": {"trainings": 5, "max_width": 128}}))


def test_packs_hold_every_training_once(packed):
    packs = packed.packs("known", packed.runs)
    names = [name for runs in packs.values() for name in runs]
    assert sorted(names) == sorted(packed.runs)
    assert all(packed.runs[name] == run for runs in packs.values() for name, run in runs.items())


def test_packs_are_as_large_as_asked_and_wide_networks_alone(packed):
    packs = packed.packs("grid", packed.members["grid"])
    widths = [{run.width for run in runs.values()} for runs in packs.values()]
    assert all(len(runs) <= 5 for runs in packs.values())
    assert all(
        len(runs) == 1 for runs, of in zip(packs.values(), widths, strict=True) if max(of) > 128
    )
    shared = [len(runs) for runs, of in zip(packs.values(), widths, strict=True) if max(of) <= 128]
    assert max(shared) - min(shared) <= 1


def test_packs_are_of_equal_work(packed):
    packs = packed.packs("parameter_scaling", packed.members["parameter_scaling"])
    work = [sum(run.num_train * run.width for run in runs.values()) for runs in packs.values()]
    small = [w for w, runs in zip(work, packs.values(), strict=True) if len(runs) > 1]
    assert max(small) < 3 * min(small)


def test_without_packing_there_are_no_packs(paper):
    plan = Plan(paper)
    assert plan.packs("grid", plan.members["grid"]) == {}
