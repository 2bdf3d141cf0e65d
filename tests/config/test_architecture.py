import pytest
from pydantic import TypeAdapter, ValidationError

from optimetal.config import architecture as settings
from optimetal.config.architecture import Architecture, OptiMetal2B, OptiMetal3B

ARCHITECTURES = TypeAdapter(Architecture)


def test_defaults_are_the_best_published_choices():
    network = ARCHITECTURES.validate_python({"type": "optimetal_3b"})
    assert network.hidden_dim == 256
    assert network.edge_embedding == settings.GaussianEmbedding(
        num_basis=32, basis_width=4.0, envelope_exponent=4
    )
    assert network.edge_message_passing == settings.Transformer(heads=8, hidden_multiplier=6)
    assert (network.cutoff, network.triplet_cutoff) == (5.5, 4.0)


@pytest.mark.parametrize("spectra_dim", [{}, {"spectra_dim": None}])
def test_spectra_dim_follows_the_width(spectra_dim):
    assert OptiMetal2B.model_validate({"hidden_dim": 16, **spectra_dim}).spectra_dim == 64
    assert OptiMetal2B(hidden_dim=16, spectra_dim=7).spectra_dim == 7


def test_survives_json(architecture):
    copy = ARCHITECTURES.validate_json(ARCHITECTURES.dump_json(architecture))
    assert copy == architecture
    assert hash(copy) == hash(architecture)


def test_only_three_body_networks_need_pairs(architecture):
    needs_pairs = architecture.triplet_cutoff is not None
    assert needs_pairs == (architecture.type == "optimetal_3b")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            {"hidden_dim": 250, "message_passing": {"type": "gatv2", "heads": 4}},
            "`hidden_dim` must be divisible by `heads`, got 250 and 4",
        ),
        ({"hidden_dim": 0}, r"hidden_dim\n  Input should be greater than 0"),
        ({"hiden_dim": 16}, r"hiden_dim\n  Extra inputs are not permitted"),
        ({"pooling": {"type": "max"}}, "'max'.*'mean', 'scalar_attention'"),
        ({"pooling": {"type": "mean", "processing_steps": 3}}, "mean.processing_steps"),
        ({"message_passing": {"type": "cgconv", "heads": 2}}, "cgconv.heads"),
        ({"activation": "rleu"}, "activation\n  Input should be 'relu'"),
        ({"triplet_cutoff": 4.0}, "triplet_cutoff\n  Extra"),
    ],
)
def test_faults_are_named(wrong, message):
    with pytest.raises(ValidationError, match=message):
        ARCHITECTURES.validate_python({"type": "optimetal_2b", **wrong})


def test_three_body_faults_are_named():
    with pytest.raises(ValidationError, match=r"`triplet_cutoff` must not exceed.*4.0 Å and 3.0 Å"):
        OptiMetal3B(cutoff=3.0)
    with pytest.raises(ValidationError, match="got 20 and 8"):
        OptiMetal3B(hidden_dim=20)
    with pytest.raises(ValidationError, match="l_max"):
        OptiMetal3B.model_validate({"angle_embedding": {"l_max": 5}})


def test_every_setting_is_described():
    for section in vars(settings).values():
        for name, field in getattr(section, "model_fields", {}).items():
            assert field.description or name == "type", f"{section.__name__}.{name}"
