"""Configurations, weights and checkpoints of the published code, under our names."""

from optimetal.compat.architecture import architecture_from_published
from optimetal.compat.checkpoint import load_published_checkpoint
from optimetal.compat.prediction import predict_crystals
from optimetal.compat.training import training_from_published
from optimetal.compat.weights import load_published

__all__ = [
    "architecture_from_published",
    "load_published",
    "load_published_checkpoint",
    "predict_crystals",
    "training_from_published",
]
