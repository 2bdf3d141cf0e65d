"""A small project, its typical crystals and an invented machine."""

import pytest
import yaml

from optimetal.config.project import read_project
from optimetal.cost.machine import Machine, Rates
from optimetal.cost.workload import Workloads, sample_crystals

CONFIG = """
database: {source: surrogate, surrogate: {num_crystals: 100}}
training: {epochs: 10, batch_size: 8, warmup_epochs: 1}
models:
  2b:
    label: two-body
    architecture: {type: optimetal_2b, hidden_dim: 16, message_passing: {type: transformer}}
  3b:
    label: three-body
    architecture: {type: optimetal_3b, hidden_dim: 16}
studies:
  data: {models: [2b, 3b], num_train: [20, 40], seeds: [1, 2]}
  width: {models: [2b], num_train: [40], widths: [8, 16, 32], seeds: [1, 2]}
  pooling:
    models: [2b]
    num_train: [40]
    vary: {architecture.pooling.type: [mean, vector_attention]}
    search: {trials: 5, epochs: 4}
    seeds: [1]
evaluation: {study: data, models: [2b]}
"""


def make_project(**sections):
    return read_project(yaml.safe_load(CONFIG) | sections)


@pytest.fixture(scope="session")
def project():
    return make_project()


@pytest.fixture(scope="session")
def workloads(project):
    return Workloads(sample_crystals(project))


@pytest.fixture
def machine():
    rates = Rates(kernel=1e-5, element=1e-9, operation=1e-10, parameter=1e-9)
    third = Rates(kernel=5e-6, element=5e-10, operation=3e-11, parameter=0)
    return Machine(
        device="abacus", kind="cpu", training=rates, validation=third, spread=0.1, measured="never"
    )
