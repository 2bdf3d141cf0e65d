"""Test of trained networks, single or as an ensemble: predictions, metrics per material, summary."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from numpy.typing import NDArray

from optimetal.config.training import TrainingSettings
from optimetal.evaluation.metrics import ensemble, material_metrics, summarise
from optimetal.evaluation.results import ENSEMBLE, Evaluation
from optimetal.graphs.packed import PackedGraphs
from optimetal.models.network import CrystalNetwork
from optimetal.models.weights import load_model


@torch.inference_mode()
def predict(
    model: CrystalNetwork,
    graphs: PackedGraphs,
    batch_size: int,
    device: torch.device | str = "cpu",
) -> dict[str, NDArray]:
    """Predictions for all crystals, target name -> (num_crystals, ...) float32."""
    model = model.to(device).eval()
    cutoffs = model.architecture.cutoff, model.architecture.triplet_cutoff
    graphs = graphs.for_cutoffs(*cutoffs).to(device)
    batches = [
        model(graphs.batch(crystals))
        for crystals in torch.arange(len(graphs), device=device).split(batch_size)
    ]
    return {
        name: torch.cat([batch[name] for batch in batches]).float().cpu().numpy()
        for name in batches[0]
    }


def evaluate(
    members: Mapping[str, CrystalNetwork],
    graphs: PackedGraphs,
    training: TrainingSettings,
    batch_size: int = 256,
    device: torch.device | str = "cpu",
) -> Evaluation:
    """Test the members of an ensemble and their mean.

    Args:
        members: Name (by convention the seed) -> network.
        graphs: Crystals with targets.
        training: Says which loss is reported.
        batch_size: Crystals per forward pass.
        device: Where to compute.

    Raises:
        ValueError: If there is no member.
    """
    outputs = {name: predict(model, graphs, batch_size, device) for name, model in members.items()}
    mean, spread = ensemble(list(outputs.values()))
    tables = {
        name: _metrics(output, graphs, training)
        for name, output in {**outputs, ENSEMBLE: mean}.items()
    }
    return Evaluation(
        predictions=mean,
        spread=spread,
        materials=pd.concat(tables, names=["member"]).reset_index("member").reset_index(drop=True),
        summary={
            "source": graphs.source,
            **{name: summarise(table) for name, table in tables.items()},
        },
        targets={name: graphs.targets[name].numpy() for name in mean},
    )


def _metrics(
    predictions: dict[str, NDArray], graphs: PackedGraphs, training: TrainingSettings
) -> pd.DataFrame:
    return material_metrics(
        predictions,
        {name: values.numpy() for name, values in graphs.targets.items()},
        mat_ids=graphs.mat_ids,
        compositions=graphs.compositions,
        target_lab=graphs.targets["lab"].numpy(),
        eps_loss=training.eps_loss,
        drude_loss=training.drude_loss,
        eps_weight=training.eps_weight,
        drude_weight=training.drude_weight,
    )


def load_members(files: Sequence[str | Path]) -> dict[str, CrystalNetwork]:
    """Networks of one ensemble, named by their seeds.

    Raises:
        ValueError: If they differ in more than the seed, or one diverged in training.
    """
    members = {}
    first: dict[str, Any] = {}
    for file in files:
        model, architecture, card = load_model(file)
        if card.get("state") == "diverged":
            raise ValueError(
                f"Expected trained networks, but {file} diverged in training: lower the learning rate of this model "
                "or leave it out of `evaluation.models`."
            )
        same = {"architecture": architecture.model_dump(), "num_train": card["num_train"]}
        first = first or same
        if same != first:
            raise ValueError(
                f"Members of an ensemble may differ in the seed alone, got {same} in {file} and {first} in {files[0]}."
            )
        members[str(card["seed"])] = model
    return members
