"""A small published network and checkpoints in the published format."""

import sys
from itertools import count
from types import ModuleType

import pytest
import torch
from pydantic import create_model

from optimetal.compat import architecture_from_published
from optimetal.models import build_model

TWO_BODY = {
    "type": "optimetal_2b",
    "node_embedding_dict": {"type": "atom", "embedding_dim": 5, "num_elements": 100},
    "edge_embedding_dict": {"type": "bessel", "num_basis": 6, "trainable": True},
    "message_passing_dict": {"type": "gatv2", "num_layers": 1, "heads": 2, "activation": "relu"},
    "pooling_dict": {"type": "set2set"},
    "hidden_dim": 8,
    "spectra_dim": 9,
    "depth": 1,
    "activation": "leaky_relu",
    "twobody_cutoff": 5.0,
}


@pytest.fixture
def two_body() -> dict:
    """The section ``architecture`` of a published configuration."""
    return TWO_BODY


@pytest.fixture
def weights(two_body) -> dict[str, torch.Tensor]:
    """Weights of a fresh network under their published names."""
    torch.manual_seed(0)
    network = build_model(architecture_from_published(two_body))
    heads = {"heads.eps_inter.mlp.": "spectra_mlp.", "heads.drude_frequency.mlp.": "drude_mlp."}
    state = {}
    for name, values in network.state_dict().items():
        for ours, theirs in {"trunk.": "", **heads}.items():
            if name.startswith(ours):
                state[theirs + name.removeprefix(ours)] = values
    return state


@pytest.fixture
def config(two_body) -> dict:
    """A published configuration."""
    return {
        "seed": 137,
        "trial_dir": "/scratch/somebody/run",
        "num_train_data": 20000,
        "batch_size": 256,
        "architecture": two_body,
        "optimizer": {"type": "adamw", "lr": 6e-4, "weight_decay": 1e-6},
        "loss_fn_eps": "mae",
        "loss_fn_drude": "mae",
        "lr_scheduler": {"type": "cosineannealing", "T_max": 500, "eta_min": 0.0},
        "warmup_epochs": 5,
        "grad_clip": 100.0,
        "eps_weight": 1.0,
        "drude_weight": 1.0,
        "early_stopping": False,
        "patience": 200,
        "num_epoch": 500,
        "precision": "bf16",
    }


@pytest.fixture
def published_object(monkeypatch):
    """Function: save with pydantic objects of a class that is gone when the file is read."""

    def save(
        path,
        make,
        module="optimetal.utils.utils",
        name="ValidateConfigurationDict",
        **options,
    ):
        """Write what ``make(build)`` returns; ``build(fields)`` is an object of a new such class."""
        number = count()

        def build(fields):
            own_name = f"{name}{next(number) or ''}"
            cls = create_model(own_name, __module__=module, **dict.fromkeys(fields, object))
            setattr(sys.modules[module], own_name, cls)
            return cls(**fields)

        with monkeypatch.context() as patch:
            parts = module.split(".")
            for length in range(2, len(parts) + 1):
                package = ".".join(parts[:length])
                patch.setitem(sys.modules, package, ModuleType(package))
            torch.save(make(build), path, **options)
        assert module not in sys.modules
        return path

    return save


@pytest.fixture
def checkpoint(tmp_path, weights, config, published_object):
    """Function: a file like the published best_model.pt, some keys changed."""

    def write(changes=None, **options):
        return published_object(
            tmp_path / "best_model.pt",
            lambda build: {
                "epoch": 493,
                "model_state_dict": torch.nn.Module().state_dict() | weights,
                "config_dict": build(config),
                "precision": torch.bfloat16,
                **(changes or {}),
            },
            **options,
        )

    return write
