import pytest
import torch

from optimetal.config.architecture import OptiMetal2B, OptiMetal3B
from optimetal.config.project import GraphSettings
from optimetal.config.studies import at_width
from optimetal.config.surrogate import SurrogateSettings
from optimetal.cost.workload import SAMPLE, Workloads, prototype_graphs
from optimetal.models import count_parameters

NARROW = OptiMetal2B(hidden_dim=16, spectra_dim=64)


def test_matrix_products_are_counted(workloads):
    """A deeper head of spectra costs its matrix, forwards, and nothing else: 2 n_in n_out per crystal."""
    wide = workloads.of(NARROW.model_copy(update={"spectra_dim": 128}))
    narrow = workloads.of(NARROW)
    gained = wide.num_params - narrow.num_params
    assert wide.operations - narrow.operations == pytest.approx(2 * gained, rel=0.05)


def test_parameters_are_those_of_the_network(workloads):
    assert workloads.of(NARROW).num_params == count_parameters(NARROW)


def test_work_grows_with_width_and_pairs_but_kernels_do_not(workloads):
    narrow = workloads.of(NARROW)
    wide = workloads.of(at_width(NARROW, 64))
    assert wide.operations > 2 * narrow.operations
    assert wide.elements > 2 * narrow.elements
    assert wide.kernels == narrow.kernels
    assert workloads.of(OptiMetal3B(hidden_dim=16)).elements > 2 * narrow.elements


def test_counting_leaves_the_random_state_alone(workloads):
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    Workloads(workloads.sample).of(NARROW)
    assert torch.rand(1) == expected


def test_the_sample_does_not_depend_on_the_size_of_the_database():
    few = prototype_graphs(SurrogateSettings(num_crystals=3), GraphSettings())
    assert len(few) == SAMPLE


def test_where_elements_allow_no_more_the_sample_is_smaller():
    settings = SurrogateSettings(elements=("Cu", "Al"), prototypes=("CsCl",), num_crystals=1)
    assert len(prototype_graphs(settings, GraphSettings())) == 1
