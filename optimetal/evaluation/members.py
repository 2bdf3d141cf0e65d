"""Members of a tested ensemble, for predictions: their weights with cards that tell of the test."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from optimetal.cards import complete_card, read_card

CARD_METRICS: Final = ("loss", "eps_real_mae", "eps_imag_mae", "drude_mae", "delta_e")
"""Metrics on a model card."""


def publish_members(
    models: Sequence[str | Path], summary: Mapping[str, Any], label: str, folder: Path
) -> None:
    """Copy the members of a tested ensemble to a folder of their own, ready for predictions.

    Each file is named by its seed; the model card then also tells the human name of the model and how it did in the
    test.

    Args:
        models: Weights of the members.
        summary: ``metrics.json`` of their test.
        label: Human name.
        folder: Where to write.
    """
    for model in models:
        seed = read_card(model)["seed"]
        tested = test_of_card(summary[str(seed)])
        complete_card(model, folder / f"seed{seed}.safetensors", {"label": label, "test": tested})


def test_of_card(statistics: Mapping[str, Any]) -> dict[str, Any]:
    """What a model card says of a test: means over the materials, and the R² of the Drude frequency."""
    means = {name: statistics["mean"][name] for name in CARD_METRICS}
    counted = {"num_materials": statistics["num_materials"], "drude_r2": statistics["drude_r2"]}
    return means | counted
