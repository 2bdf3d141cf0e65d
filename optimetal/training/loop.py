"""Training of one network: epochs, history, best weights, checkpoints."""

import hashlib
import json
import logging
import math
import time
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pandas as pd
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from optimetal.config.run import Run
from optimetal.config.training import TrainingSettings
from optimetal.database.splits import subset
from optimetal.files import whole_file, write_text
from optimetal.graphs.domain import domain_of
from optimetal.graphs.packed import PackedGraphs
from optimetal.models import CrystalNetwork, build_model
from optimetal.models.weights import save_model
from optimetal.provenance import code_version
from optimetal.tasks import Task, optics_task, task_loss
from optimetal.training.checkpoints import load_checkpoint, save_checkpoint
from optimetal.training.devices import DTYPE, device_name, resolve_device, resolve_precision
from optimetal.training.schedules import make_scheduler, step

log = logging.getLogger(__name__)

TENSORBOARD_TAGS: Final = {
    "train_loss": "train/loss",
    "grad_norm": "train/grad_norm",
    "lr": "train/learning_rate",
    "val_loss": "val/loss",
    "val_eps": "val/eps",
    "val_drude": "val/drude",
}


VALIDATION_BATCH: Final = 256
"""Crystals per forward pass in validation; the result does not depend on it."""


class TrainingError(RuntimeError):
    """A training cannot go on."""


@dataclass
class Progress:
    """What a run has reached; all of it goes into checkpoints."""

    history: list[dict[str, float]] = field(default_factory=list)
    """One row per epoch."""
    best_loss: float = math.inf
    """Validation loss of the weights kept as best."""
    best_epoch: int = -1
    best_weights: dict[str, Tensor] = field(default_factory=dict)

    @property
    def epoch(self) -> int:
        """Epoch to do next, from 0."""
        return len(self.history)


class Trainer:
    """Trains the network of one run on packed graphs.

    The seed is set before the network is built, so equal runs start from equal weights. The order of the crystals
    comes from a generator of its own, which lives as long as the run, as in the published system.

    Args:
        run: Architecture, training settings, number of training crystals, seed.
        train_graphs: The whole training set, sorted by mat_id; the run takes its subset.
        val_graphs: The whole validation set.

    Raises:
        ValueError: If the graphs do not fit the run (cutoffs, size).
    """

    def __init__(self, run: Run, train_graphs: PackedGraphs, val_graphs: PackedGraphs) -> None:
        """Seed, network, optimiser and order of the crystals."""
        self.run = run
        self.settings: TrainingSettings = run.training
        self.device = resolve_device(self.settings.device)
        self.precision = resolve_precision(self.settings.precision, self.device)
        self.dtype = DTYPE[self.precision]
        self.task: Task = optics_task(
            self.settings.eps_loss,
            self.settings.drude_loss,
            self.settings.eps_weight,
            self.settings.drude_weight,
        )
        cutoffs = run.architecture.cutoff, run.architecture.triplet_cutoff
        self.train_graphs = train_graphs.for_cutoffs(*cutoffs).to(self.device)
        self.val_graphs = val_graphs.for_cutoffs(*cutoffs).to(self.device)
        self.train_crystals = subset(len(train_graphs), run.num_train)
        torch.manual_seed(run.seed)
        self.model: CrystalNetwork = build_model(run.architecture).to(self.device, self.dtype)
        self.optimizer = make_optimizer(self.model, self.settings)
        self.scheduler = make_scheduler(self.optimizer, self.settings)
        self.order = torch.Generator().manual_seed(run.seed)
        self.loader = DataLoader(
            self.train_crystals,  # type: ignore[arg-type]
            self.settings.batch_size,
            shuffle=True,
            generator=self.order,
        )
        self.progress = Progress()

    # One epoch

    def train_epoch(self) -> dict[str, float]:
        """One pass over the training crystals; mean loss and mean gradient norm before clipping."""
        self.model.train()
        total_loss = total_norm = num_batches = 0.0
        for crystals in self.loader:
            loss, norm = self.train_step(crystals)
            total_loss += loss * len(crystals)
            total_norm += norm
            num_batches += 1
        return {
            "train_loss": total_loss / self.run.num_train,
            "grad_norm": total_norm / num_batches,
        }

    def train_step(self, crystals: Tensor) -> tuple[float, float]:
        """One optimiser step; loss and gradient norm.

        Raises:
            TrainingError: If either is not finite; the weights are left as they were.
        """
        self.optimizer.zero_grad(set_to_none=True)
        loss, _ = self.loss(self.train_graphs, crystals)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.gradient_clip)
        loss_value, norm_value = loss.item(), norm.item()
        if not (math.isfinite(loss_value) and math.isfinite(norm_value)):
            names = ", ".join(self.train_graphs.mat_ids[i] for i in crystals.tolist()[:8])
            raise TrainingError(
                f"Expected a finite loss and gradient in epoch {self.progress.epoch}, got loss {loss_value} and "
                f"gradient norm {norm_value} in a batch with {names} …: lower `learning_rate` or check these spectra."
            )
        self.optimizer.step()
        return loss_value, norm_value

    def loss(self, graphs: PackedGraphs, crystals: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss of some crystals and its parts, means over the crystals."""
        batch = graphs.batch(crystals.to(self.device)).to(dtype=self.dtype)
        autocast = torch.autocast(self.device.type, torch.bfloat16)
        with autocast if self.precision == "bf16" else nullcontext():
            predictions = self.model(batch)
        predictions = {name: value.to(self.dtype) for name, value in predictions.items()}
        return task_loss(self.task, predictions, batch.targets)

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Loss on the validation set and its parts, means over the crystals."""
        self.model.eval()
        sums = dict.fromkeys(("val_loss", "val_eps", "val_drude"), 0.0)
        everything = torch.arange(len(self.val_graphs))
        for crystals in everything.split(VALIDATION_BATCH):
            loss, parts = self.loss(self.val_graphs, crystals)
            values = (loss, parts["eps_inter"], parts["drude_frequency"])
            for name, value in zip(sums, values, strict=True):
                sums[name] += value.item() * len(crystals)
        return {name: value / len(everything) for name, value in sums.items()}

    # All epochs

    def fit(self, checkpoint: Path, tensorboard: Path | None = None) -> Progress:
        """Train to the end, or on from a checkpoint of the same run and data.

        Args:
            checkpoint: File to continue from and to write to.
            tensorboard: Folder for TensorBoard's log; none: no log.

        Raises:
            TrainingError: If the loss is no longer finite.
        """
        self.restore(load_checkpoint(checkpoint, self.fingerprint()))
        writer = tensorboard and SummaryWriter(tensorboard, purge_step=self.progress.epoch)
        bar = tqdm(
            desc=self.run.name,
            total=self.settings.epochs,
            initial=self.progress.epoch,
            disable=None,
            leave=False,
        )
        while self.progress.epoch < self.settings.epochs and not self.out_of_patience():
            row = self.do_epoch()
            if writer:
                for name, tag in TENSORBOARD_TAGS.items():
                    writer.add_scalar(tag, row[name], row["epoch"])
            bar.set_postfix(train=row["train_loss"], val=row["val_loss"], refresh=False)
            bar.update()
            if self.progress.epoch % self.settings.checkpoint_every == 0:
                save_checkpoint(checkpoint, self.state())
        bar.close()
        if writer:
            writer.close()
        return self.progress

    def do_epoch(self) -> dict[str, float]:
        """Train, validate, keep the best weights, set the next learning rate; the row of history."""
        start = time.perf_counter()
        row = {"epoch": self.progress.epoch, "lr": self.optimizer.param_groups[0]["lr"]}
        row |= self.train_epoch() | self.validate()
        if not math.isfinite(row["val_loss"]):
            raise TrainingError(
                f"Expected a finite validation loss in epoch {row['epoch']}, got {row['val_loss']}: lower "
                "`learning_rate`."
            )
        step(self.scheduler, row["val_loss"])
        self.keep_if_best(row)
        row["seconds"] = time.perf_counter() - start
        self.progress.history.append(row)
        log.info(
            "epoch %d: train %.4f, val %.4f, lr %.3g, gradient %.3g, %.2f s",
            row["epoch"],
            row["train_loss"],
            row["val_loss"],
            row["lr"],
            row["grad_norm"],
            row["seconds"],
        )
        return row

    def keep_if_best(self, row: dict[str, float]) -> None:
        """Copy the weights if the validation loss has improved by enough."""
        if row["epoch"] < self.settings.best_from_epoch:
            return
        if row["val_loss"] < self.progress.best_loss - self.settings.min_improvement:
            self.progress.best_loss = row["val_loss"]
            self.progress.best_epoch = int(row["epoch"])
            self.progress.best_weights = {
                name: value.detach().cpu().clone()
                for name, value in self.model.state_dict().items()
            }

    def out_of_patience(self) -> bool:
        """Whether the last improvement, of any epoch, is ``patience`` epochs ago."""
        if self.settings.patience is None:
            return False
        lowest, waited = math.inf, 0
        for row in self.progress.history:
            improved = row["val_loss"] < lowest - self.settings.min_improvement
            lowest, waited = (row["val_loss"], 0) if improved else (lowest, waited + 1)
        return waited >= self.settings.patience

    # State

    def fingerprint(self) -> str:
        """Changes with anything that a checkpoint must agree on: settings and crystals."""
        crystals = [self.train_graphs.mat_ids[i] for i in self.train_crystals]
        content = json.dumps([self.run.model_dump(mode="json"), crystals])
        return hashlib.sha256(content.encode()).hexdigest()

    def state(self) -> dict[str, Any]:
        """Everything that decides how the run goes on."""
        state = {
            "fingerprint": self.fingerprint(),
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "order": self.order.get_state(),
            "random": torch.get_rng_state(),
            "progress": vars(self.progress),
        }
        if self.device.type == "cuda":
            state["random_cuda"] = torch.cuda.get_rng_state(self.device)
        return state

    def restore(self, state: dict[str, Any] | None) -> None:
        """Go on from a state; nothing to do where there is none."""
        if state is None:
            return
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])
        self.order.set_state(state["order"])
        torch.set_rng_state(state["random"])
        if "random_cuda" in state and self.device.type == "cuda":
            torch.cuda.set_rng_state(state["random_cuda"], self.device)
        self.progress = Progress(**state["progress"])
        log.info("continuing from epoch %d", self.progress.epoch)


def make_optimizer(model: nn.Module, settings: TrainingSettings) -> torch.optim.Optimizer:
    """Adam or AdamW over all weights."""
    kinds = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    return kinds[settings.optimizer](
        model.parameters(),
        lr=settings.learning_rate,
        weight_decay=settings.weight_decay,
        fused=True,  # one pass over all weights: narrow networks have many small tensors
    )


def train(run: Run, train_graphs: PackedGraphs, val_graphs: PackedGraphs, folder: Path) -> None:
    """Train one run and write its folder.

    ``config.json`` the run; ``history.csv`` one row per epoch; ``model.safetensors`` the best weights with their model
    card, the outcome and the domain of the crystals learned from; ``metrics.json`` the outcome, written last;
    ``tensorboard/``. A ``checkpoint.pt`` is there while the run lasts.

    Args:
        run: What to train.
        train_graphs: The whole training set; the run takes its subset.
        val_graphs: The whole validation set.
        folder: Folder of the run.
    """
    write_text(folder / "config.json", run.model_dump_json(indent=2))
    trainer = Trainer(run, train_graphs, val_graphs)
    checkpoint = folder / "checkpoint.pt"
    progress = trainer.fit(checkpoint, folder / "tensorboard")
    metrics = outcome(trainer)
    with whole_file(folder / "history.csv") as temporary:
        pd.DataFrame(progress.history).to_csv(temporary, index=False)
    trainer.model.load_state_dict(progress.best_weights)
    domain = domain_of(trainer.train_graphs, trainer.train_crystals)
    save_model(trainer.model, folder / "model.safetensors", metrics | {"domain": domain})
    write_text(folder / "metrics.json", json.dumps(metrics, indent=2))
    checkpoint.unlink(missing_ok=True)


def outcome(trainer: Trainer) -> dict[str, Any]:
    """Result of a finished run: a row of the table of runs."""
    run, history = trainer.run, trainer.progress.history
    lowest = min(history, key=lambda row: row["val_loss"])
    return {
        "run": run.name,
        "model": run.model,
        "num_train": run.num_train,
        "width": run.width,
        "num_params": sum(parameter.numel() for parameter in trainer.model.parameters()),
        "seed": run.seed,
        "lr": run.training.learning_rate,
        "epochs": len(history),
        "val_loss": lowest["val_loss"],
        "val_eps": lowest["val_eps"],
        "val_drude": lowest["val_drude"],
        "train_loss": lowest["train_loss"],
        "best_epoch": trainer.progress.best_epoch,
        "seconds": sum(row["seconds"] for row in history),
        "device": device_name(trainer.device),
        "precision": trainer.precision,
        "source": trainer.train_graphs.source,
        **code_version(),
    }
