"""Training steps and inference of the published networks, in both ways."""

from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import torch
from torch.testing import assert_close
from torch_geometric.loader import DataLoader

from benchmarks.plain import graphs as plain_graphs
from benchmarks.plain import training as plain_training
from benchmarks.plain.networks import plain_network
from benchmarks.timing import Comparison
from optimetal.config import architecture as settings
from optimetal.config.run import Run
from optimetal.config.training import TrainingSettings
from optimetal.graphs import packed
from optimetal.training.loop import Trainer

BATCH: Final = 256
"""Crystals per step, as published."""

REPEATS: Final = {"3b_tc": 3}
"""Fewer for what takes longer."""


def published_architecture(model: str, width: int) -> settings.Architecture:
    """One of the variants of the scaling studies."""
    size: dict[str, Any] = {"hidden_dim": width, "spectra_dim": 4 * width}
    match model:
        case "2b_cgc":
            layers = settings.CGConvLayers(num_layers=2, hidden_multiplier=6)
            return settings.OptiMetal2B(**size, message_passing=layers)
        case "2b_tc":
            layers = settings.TransformerLayers(num_layers=2, heads=2, hidden_multiplier=6)
            return settings.OptiMetal2B(**size, message_passing=layers)
        case "3b_tc":
            layer = settings.Transformer(heads=8, hidden_multiplier=6)
            return settings.OptiMetal3B(
                **size, num_layers=2, edge_message_passing=layer, node_message_passing=layer
            )
    return settings.OptiMate()


class Pair:
    """The same network, with the same weights, in both ways.

    Args:
        folder: Holds ``plain.pt`` and ``ours.h5``, the same crystals.
        model: Key of the variant.
        width: Its ``hidden_dim``; OptiMate has one size.
        device: Where both compute.
        ours: Other settings of the training on our path; the plain path has fp32.
    """

    def __init__(
        self, folder: Path, model: str, width: int, device: str = "cpu", **ours: Any
    ) -> None:
        """Nothing is read before it is needed."""
        self.folder = folder
        training: dict[str, Any] = {"batch_size": BATCH, "device": device, "learning_rate": 1e-4}
        training["precision"] = "fp32"
        self.settings = TrainingSettings(**training)
        self.run = Run(
            model=model,
            architecture=published_architecture(model, width),
            training=TrainingSettings(**(training | ours)),
            num_train=BATCH,
            seed=1,
        )

    @cached_property
    def trainer(self) -> Trainer:
        """Our path."""
        graphs = packed.load(self.folder / "ours.h5")
        return Trainer(self.run, graphs, graphs)

    @cached_property
    def plain_network(self) -> torch.nn.Module:
        """The plain path, with the weights that ours begins with."""
        torch.manual_seed(self.run.seed)
        graphs = packed.load(self.folder / "ours.h5")
        ours = Trainer(self.run, graphs, graphs)
        network = plain_network(self.run.architecture).to(ours.device)
        network.load_state_dict(ours.model.state_dict())
        return network

    @cached_property
    def loader(self) -> DataLoader:
        """Batches of the plain path: one."""
        crystals = plain_graphs.load(self.folder / "plain.pt")[:BATCH]
        return DataLoader(crystals, BATCH, follow_batch=plain_graphs.FOLLOW)

    @cached_property
    def optimizer(self) -> torch.optim.Optimizer:
        """Of the plain path."""
        return plain_training.make_optimizer(self.plain_network, self.settings)

    def plain_step(self) -> float:
        """Loss of a training step."""
        self.plain_network.train()
        (batch,) = self.loader
        step = plain_training.train_step
        return step(self.plain_network, self.optimizer, batch, self.trainer.task, self.settings)

    def our_step(self) -> float:
        """Loss of a training step."""
        self.trainer.model.train()
        return self.trainer.train_step(torch.arange(BATCH))[0]

    @torch.no_grad()
    def plain_predictions(self) -> dict[str, torch.Tensor]:
        """Predictions of the whole batch."""
        self.plain_network.eval()
        (batch,) = self.loader
        batch = batch.to(self.trainer.device)
        return {name: values.cpu() for name, values in self.plain_network(batch).items()}

    @torch.no_grad()
    def our_predictions(self) -> dict[str, torch.Tensor]:
        """Predictions of the whole batch."""
        self.trainer.model.eval()
        batch = self.trainer.train_graphs.batch(torch.arange(BATCH, device=self.trainer.device))
        return {name: values.cpu() for name, values in self.trainer.model(batch).items()}


def plain_call(call: str, *arguments: Any) -> Callable[[], Any]:
    """One call of the plain path, its data and network at hand."""
    pair = Pair(*arguments)
    _ = pair.loader, pair.optimizer, pair.trainer
    return getattr(pair, f"plain_{call}")


def our_call(call: str, *arguments: Any) -> Callable[[], Any]:
    """One call of our path, its data and network at hand."""
    pair = Pair(*arguments)
    _ = pair.trainer
    return getattr(pair, f"our_{call}")


def comparisons(folder: Path, device: str) -> Iterator[tuple[str, Comparison]]:
    """Names and measurements."""
    variants = [(m, w) for w in (256, 16) for m in ("2b_tc", "2b_cgc", "3b_tc")]
    for model, width in [*variants, ("optimate", 0)]:
        name = f"{model}_w{width}" if width else model
        size = f"{LABELS[model]}, width {width}" if width else LABELS[model]
        pair = Pair(folder, model, width, device=device)
        yield (
            f"infer_{name}",
            Comparison(
                f"inference, {size}",
                BATCH,
                pair.plain_predictions,
                pair.our_predictions,
                lambda a, b: assert_close(a, b, rtol=1e-4, atol=1e-4),
                REPEATS.get(model, 7),
            ),
        )
        yield (
            f"train_{name}",
            Comparison(
                f"training, {size}",
                BATCH,
                pair.plain_step,
                pair.our_step,
                lambda a, b: assert_close(a, b, rtol=1e-4, atol=1e-6),
                REPEATS.get(model, 7),
            ),
        )
    for model in ("2b_tc", "3b_tc"):
        pair = Pair(folder, model, 256, device, precision="bf16")
        yield (
            f"train_{model}_w256_bf16",
            Comparison(
                f"training, {LABELS[model]}, width 256, ours in bf16",
                BATCH,
                pair.plain_step,
                pair.our_step,
                lambda a, b: assert_close(a, b, rtol=2e-2, atol=0),
                REPEATS.get(model, 7),
            ),
        )
    for model, width in (("2b_tc", 256), ("2b_tc", 16), ("3b_tc", 16)):
        yield (
            f"compile_{model}_w{width}",
            Comparison(
                f"training, {LABELS[model]}, width {width}: ours as it is, and compiled",
                BATCH,
                Pair(folder, model, width, device).our_step,
                Pair(folder, model, width, device, compile=True).our_step,
                lambda a, b: assert_close(a, b, rtol=1e-4, atol=1e-6),
                REPEATS.get(model, 7),
            ),
        )


LABELS: Final = {
    "optimate": "OptiMate",
    "2b_cgc": "2B CGC",
    "2b_tc": "2B TC",
    "3b_tc": "3B TC",
}
