"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def parity() -> Path:
    """Folder with the numbers of the published code; tests that need it skip where it is absent."""
    root = Path(__file__).parents[1]
    folder = Path(os.environ.get("OPTIMETAL_PARITY", root / ".." / "shared" / "parity"))
    if not (folder / "optimetal").is_dir():
        pytest.skip(f"no parity numbers at OPTIMETAL_PARITY={folder}: set it to their folder")
    return (folder / "optimetal").resolve()


def _small_architectures() -> dict:
    from optimetal.config import architecture as a

    small = {"hidden_dim": 8, "spectra_dim": 8, "depth": 1}
    gaussian = {"num_basis": 6, "basis_width": 2.0}
    return {
        "optimate": a.OptiMate(),
        "2b_cgconv": a.OptiMetal2B(**small, message_passing=a.CGConvLayers(hidden_multiplier=2)),
        "2b_gatv2": a.OptiMetal2B(
            **small,
            activation="leakyrelu",
            node_embedding=a.AtomEmbedding(embedding_dim=5),
            edge_embedding=a.GaussianEmbedding(**gaussian, envelope_exponent=None),
            message_passing=a.GATv2Layers(heads=4, hidden_multiplier=2),
            pooling=a.ScalarAttentionPooling(),
        ),
        "2b_transformer": a.OptiMetal2B(
            **small,
            activation="silu",
            edge_embedding=a.BesselEmbedding(num_basis=6, trainable=True, envelope_exponent=5),
            message_passing=a.TransformerLayers(heads=2, hidden_multiplier=2),
            pooling=a.Set2SetPooling(processing_steps=2),
        ),
        "2b_no_residual": a.OptiMetal2BNoResidual(
            **small,
            activation="gelu",
            edge_embedding=a.BesselEmbedding(num_basis=6, envelope_exponent=None),
            message_passing=a.PlainGATv2Layers(heads=2),
            pooling=a.MeanPooling(),
        ),
        "3b_transformer": a.OptiMetal3B(
            **small,
            edge_message_passing=a.Transformer(heads=4, hidden_multiplier=2),
            node_message_passing=a.Transformer(heads=2, hidden_multiplier=2),
        ),
        "3b_cgconv": a.OptiMetal3B(
            **small,
            node_embedding=a.AtomEmbedding(embedding_dim=5),
            edge_embedding=a.GaussianEmbedding(**gaussian, envelope_exponent=None),
            angle_embedding=a.AngleEmbedding(l_max=4),
            edge_message_passing=a.CGConv(hidden_multiplier=2),
            node_message_passing=a.CGConv(hidden_multiplier=2),
            pooling=a.MeanPooling(),
        ),
        "3b_gatv2": a.OptiMetal3B(
            **small,
            activation="silu",
            num_layers=1,
            angle_embedding=a.AngleEmbedding(l_max=0),
            edge_message_passing=a.GATv2(heads=2, hidden_multiplier=2),
            node_message_passing=a.GATv2(heads=4, hidden_multiplier=2),
            pooling=a.Set2SetPooling(),
        ),
    }


SMALL_ARCHITECTURES = _small_architectures()


@pytest.fixture(scope="session")
def small_architectures() -> dict:
    """Name -> architecture of width 8 (OptiMate: its own sizes); together they use every layer."""
    return SMALL_ARCHITECTURES


@pytest.fixture(params=SMALL_ARCHITECTURES)
def architecture(request):
    """Each of the small architectures in turn."""
    return SMALL_ARCHITECTURES[request.param]
