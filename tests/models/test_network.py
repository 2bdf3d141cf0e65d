import pytest
import torch
from torch.testing import assert_close

from optimetal.config.architecture import OptiMate, OptiMetal2B, OptiMetal3B
from optimetal.models import TrunkOutput, build_model, count_parameters
from optimetal.models.network import Head
from optimetal.optics.grid import NUM_ENERGIES
from optimetal.tasks import OPTICS, Target


def test_predictions_and_trunk_have_the_promised_shapes(architecture, random_batch):
    network = build_model(architecture)
    batch = random_batch(dtype=torch.float32)
    predictions = network(batch)
    assert predictions["eps_inter"].shape == (4, NUM_ENERGIES, 2)
    assert predictions["drude_frequency"].shape == (4,)
    output = network.trunk(batch)
    assert isinstance(output, TrunkOutput)
    assert len(output.crystal) == 4
    assert len(output.nodes) == len(batch.atomic_numbers)


def test_same_seed_same_weights(architecture):
    torch.manual_seed(3)
    first = build_model(architecture).state_dict()
    torch.manual_seed(3)
    assert_close(build_model(architecture).state_dict(), first, rtol=0, atol=0)


def test_other_targets_need_only_a_task(architecture, random_batch):
    task = (*OPTICS, Target("band_gap", (), "eV", non_negative=True), Target("dos", (5,), "1/eV"))
    predictions = build_model(architecture, task)(random_batch(dtype=torch.float32))
    assert predictions["band_gap"].shape == (4,)
    assert predictions["dos"].shape == (4, 5)


def test_every_parameter_learns(architecture, random_batch):
    torch.manual_seed(0)
    network = build_model(architecture).double().eval()
    predictions = network(random_batch(dtype=torch.float64))
    sum(values.square().sum() for values in predictions.values()).backward()
    silent = [
        name
        for name, parameter in network.named_parameters()
        if parameter.grad is None or not parameter.grad.any()
    ]
    assert not silent


def test_head_interleaves_the_last_index_and_clips_what_cannot_be_negative():
    torch.manual_seed(0)
    vector = TrunkOutput(torch.randn(3, 4), torch.zeros(0, 4))
    spectrum = Head(Target("eps", (7, 2), ""), 4, 6, 2, "relu")
    flat = spectrum.mlp.eval()(vector.crystal)
    assert_close(spectrum(vector)[..., 0], flat[:, 0::2])
    assert_close(spectrum(vector)[..., 1], flat[:, 1::2])
    number = Head(Target("gap", (), "eV", non_negative=True), 4, 6, 2, "relu").eval()
    assert_close(number(vector), number.mlp(vector.crystal)[:, 0].clamp(min=0))
    assert (number.mlp(vector.crystal) < 0).any()


def test_optimate_knows_the_imaginary_part_only(random_batch):
    torch.manual_seed(0)
    predictions = build_model(OptiMate()).eval()(random_batch(dtype=torch.float32))
    assert not predictions["eps_inter"][..., 0].any()
    assert not predictions["drude_frequency"].any()
    imaginary = predictions["eps_inter"][..., 1]
    assert imaginary.min() < 0 and imaginary.max() > 0


COUNTS = {
    "2b_cgc": [278_627, 585_507, 1_296_035, 3_104_163, 8_268_707, 24_790_947, 82_608_035],
    "2b_tc": [278_275, 583_779, 1_288_483, 3_072_675, 8_140_195, 24_271_779, 80_521_123],
    "3b_tc": [291_827, 635_459, 1_490_147, 3_869_219, 11_306_147, 36_895_139, 130_933_667],
}
"""Published parameter counts at width 16, 32, ..., 1024."""


@pytest.mark.parametrize("model", COUNTS)
def test_published_parameter_counts(model):
    make = {
        "2b_cgc": lambda w: OptiMetal2B.model_validate(
            {"hidden_dim": w, "message_passing": {"type": "cgconv"}}
        ),
        "2b_tc": lambda w: OptiMetal2B(hidden_dim=w),
        "3b_tc": lambda w: OptiMetal3B(hidden_dim=w),
    }[model]
    assert [count_parameters(make(16 * 2**i)) for i in range(7)] == COUNTS[model]


def test_optimate_has_its_published_size():
    assert count_parameters(OptiMate()) == 4_902_545


def test_counting_allocates_nothing_and_draws_nothing(architecture):
    state = torch.get_rng_state()
    number = count_parameters(architecture)
    assert torch.equal(torch.get_rng_state(), state)
    assert number == sum(p.numel() for p in build_model(architecture).parameters())
