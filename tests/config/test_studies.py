"""From studies to trainings."""

from pathlib import Path

import pytest
import yaml

from optimetal.config.project import read_project
from optimetal.config.studies import Plan, ScalingPlan, at_width
from optimetal.models import count_parameters

PAPER = Path(__file__).parents[2] / "config" / "paper.yaml"


@pytest.fixture(scope="module")
def paper():
    return read_project(yaml.safe_load(PAPER.read_text()))


@pytest.fixture(scope="module")
def planned(paper):
    plan = Plan(paper)
    return plan.runs, plan.studies


def test_published_numbers_of_trainings(planned):
    # 84 + 63 + 294 as published; 231 learning-rate trainings, of which the 11 exponents at the
    # reference width are one and the same
    _, members = planned
    sizes = {study: len(names) for study, names in members.items()}
    assert sizes == {
        "data_scaling": 84,
        "parameter_scaling": 63,
        "grid": 294,
        "learning_rate_scaling": 231 - 10 * 3,
    }


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
