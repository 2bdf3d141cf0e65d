import pytest
import torch
from torch.testing import assert_close

from optimetal.optics.grid import NUM_ENERGIES
from optimetal.tasks import OPTICS, optics_task, task_loss


@pytest.fixture
def values():
    torch.manual_seed(0)
    return [
        {"eps_inter": torch.randn(3, NUM_ENERGIES, 2), "drude_frequency": torch.rand(3)}
        for _ in range(2)
    ]


def test_published_loss_is_the_sum_of_both_mean_absolute_errors(values):
    prediction, truth = values
    total, parts = task_loss(OPTICS, prediction, truth)
    for name in prediction:
        assert_close(parts[name], torch.nn.functional.l1_loss(prediction[name], truth[name]))
    assert_close(total, parts["eps_inter"] + parts["drude_frequency"])


def test_losses_and_weights_are_settings(values):
    prediction, truth = values
    task = optics_task("mse", "mse", eps_weight=2.0, drude_weight=0.5)
    total, parts = task_loss(task, prediction, truth)
    for name in prediction:
        assert_close(parts[name], torch.nn.functional.mse_loss(prediction[name], truth[name]))
    assert_close(total, 2 * parts["eps_inter"] + 0.5 * parts["drude_frequency"])


def test_optimate_learns_the_imaginary_part_but_the_drude_error_is_known(values):
    prediction, truth = values
    total, parts = task_loss(optics_task("imaginary_mae", drude_weight=0), prediction, truth)
    imaginary = (prediction["eps_inter"] - truth["eps_inter"])[..., 1].abs().mean()
    assert_close(total, imaginary)
    assert_close(parts["eps_inter"], imaginary)
    assert parts["drude_frequency"] > 0


def test_nothing_is_broadcast(values):
    prediction, truth = values
    truth["drude_frequency"] = truth["drude_frequency"][:, None]
    with pytest.raises(
        ValueError, match=r"`drude_frequency` must have the same shape.*\(3,\) and \(3, 1\)"
    ):
        task_loss(OPTICS, prediction, truth)


def test_missing_target_is_named(values):
    prediction, truth = values
    del truth["eps_inter"]
    with pytest.raises(ValueError, match=r"`eps_inter` is missing in targets.*drude_frequency"):
        task_loss(OPTICS, prediction, truth)


def test_a_task_without_weights_is_refused(values):
    with pytest.raises(ValueError, match="nothing to learn"):
        task_loss(optics_task(eps_weight=0, drude_weight=0), *values)
