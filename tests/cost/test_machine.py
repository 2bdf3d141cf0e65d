import pytest
import torch

from optimetal.cost import machine as machines
from optimetal.cost.machine import Rates, Timing, fitted_rates
from optimetal.cost.workload import Workload

WORKS = [
    Workload(operations=1e6, elements=2e4, kernels=100, num_params=10**5),
    Workload(operations=3e7, elements=1e5, kernels=200, num_params=4 * 10**6),
    Workload(operations=5e8, elements=9e5, kernels=450, num_params=10**8),
]
TRUE = Rates(kernel=2e-5, element=1e-9, operation=3e-11, parameter=5e-10)


def timings(rates):
    return [Timing(w, n, rates.seconds(w, n)) for w in WORKS for n in (8, 64, 256)]


def test_seconds_are_the_sum_over_the_work():
    expected = 100 * 2e-5 + 8 * 2e4 * 1e-9 + 8 * 1e6 * 3e-11 + 1e5 * 5e-10
    assert TRUE.seconds(WORKS[0], 8) == pytest.approx(expected)


def test_a_fit_finds_the_rates_behind_exact_measurements():
    rates, spread = fitted_rates(timings(TRUE))
    assert rates.model_dump() == pytest.approx(TRUE.model_dump(), rel=1e-6)
    assert spread < 1e-9


def test_no_rate_is_negative_and_the_spread_tells_what_is_left():
    free = Rates(kernel=0, element=0, operation=1e-10, parameter=0)
    disturbed = [
        Timing(t.work, t.crystals, t.seconds * (1.5 if i == 4 else 1))
        for i, t in enumerate(timings(free))
    ]
    rates, spread = fitted_rates(disturbed)
    assert min(rates.model_dump().values()) >= 0
    assert 0.1 < spread < 0.6


def test_nothing_to_fit_is_an_error():
    with pytest.raises(ValueError, match="Expected measured steps"):
        fitted_rates([])


@pytest.fixture
def file(tmp_path, monkeypatch):
    path = tmp_path / "deep" / "machines.json"
    monkeypatch.setattr(machines, "machines_file", lambda: path)
    return path


def test_machines_are_kept_by_name_and_replaced(file, machine):
    other = machine.model_copy(update={"device": "NVIDIA H100 80GB HBM3", "kind": "gpu"})
    assert machines.known_machines() == {}
    for one in (machine, other, machine.model_copy(update={"spread": 0.5})):
        assert machines.keep_machine(one) == file
    known = machines.known_machines()
    assert set(known) == {"abacus", other.device}
    assert known["abacus"].spread == 0.5
    assert machines.find_machine("h100") == other


@pytest.mark.parametrize(("name", "fits"), [("h", 2), ("V100", 0)])
def test_a_name_must_fit_one_machine(file, machine, name, fits):
    for device in ("NVIDIA H100", "NVIDIA GH200"):
        machines.keep_machine(machine.model_copy(update={"device": device}))
    with pytest.raises(ValueError, match=f"'{name}' fits {fits}. Known: NVIDIA H100; NVIDIA GH200"):
        machines.find_machine(name)


def test_a_damaged_file_is_named(file):
    file.parent.mkdir()
    file.write_text("[{}]")
    with pytest.raises(ValueError, match="Expected measured machines"):
        machines.known_machines()


def test_a_training_takes_one_core_of_a_processor():
    assert machines.machine_name(torch.device("cpu")).startswith("one core of ")


def test_a_stand_in_is_shipped():
    assert machines.SHIPPED.kind == "cpu"
    assert machines.SHIPPED.training.operation > machines.SHIPPED.validation.operation > 0
