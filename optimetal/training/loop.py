"""Training of one network: epochs, best weights, recovery from faults, what a checkpoint holds."""

import hashlib
import json
import logging
import math
import time
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, Final, cast

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

from optimetal.config.run import Run
from optimetal.config.training import TrainingSettings
from optimetal.database.splits import subset
from optimetal.graphs.packed import PackedGraphs
from optimetal.layers.norms import synchronise
from optimetal.models import CrystalNetwork, build_model
from optimetal.tasks import Task, optics_task, task_loss
from optimetal.training.checkpoints import load_checkpoint, save_checkpoint
from optimetal.training.devices import (
    DTYPE,
    gather,
    peak_memory,
    place,
    resolve_device,
    resolve_precision,
)
from optimetal.training.errors import Diverged, TrainingError
from optimetal.training.faults import (
    Fault,
    NonFinite,
    culprits_of,
    describe,
    summary,
    write_faults,
)
from optimetal.training.folder import RunFolder
from optimetal.training.interruption import Interrupted, StopRequest
from optimetal.training.journal import Journal
from optimetal.training.schedules import halve, make_scheduler, step
from optimetal.training.status import Status
from optimetal.training.world import World

log = logging.getLogger(__name__)

VALIDATION_BATCH: Final = 256
"""Crystals per forward pass in validation; the result does not depend on it."""


@dataclass
class Progress:
    """What a run has reached; all of it goes into checkpoints."""

    history: list[dict[str, float]] = field(default_factory=list)
    """One row per epoch."""
    best_loss: float = math.inf
    """Validation loss of the weights kept as best."""
    best_epoch: int = -1
    """Before `best_from_epoch`, epochs are kept to go back to only."""
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    """Those of the best epoch; until there is one, those that the run began with."""
    faults: list[Fault] = field(default_factory=list)
    """Batches whose loss or gradient was not finite; after each the run went back to its best weights."""
    peak_memory: float = 0.0
    """MB."""
    batches: int = 0
    """Batches done of the epoch under way, with the sums of what is averaged over it:"""
    loss_sum: float = 0.0
    norm_sum: float = 0.0
    seconds: float = 0.0

    @property
    def epoch(self) -> int:
        """Epoch to do next, or under way, from 0."""
        return len(self.history)


class Trainer:
    """Trains the network of one run on packed graphs.

    The seed is set before the network is built, so equal runs start from equal weights. The order of the crystals
    comes from a generator of its own, which lives as long as the run, as in the published system. Several processes
    share out each batch; what they learn is what one would learn, but for rounding.

    Args:
        run: Architecture, training settings, number of training crystals, seed.
        train_graphs: The whole training set, sorted by mat_id; the run takes its subset.
        val_graphs: The whole validation set.
        world: The processes that train this network together.

    Raises:
        ValueError: If the graphs do not fit the run (cutoffs, size).
    """

    def __init__(
        self,
        run: Run,
        train_graphs: PackedGraphs,
        val_graphs: PackedGraphs,
        world: World | None = None,
    ) -> None:
        """Seed, network, optimiser and order of the crystals."""
        self.run = run
        self.world = world or World()
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
        self.train_graphs = place(train_graphs.for_cutoffs(*cutoffs), self.device)
        self.val_graphs = place(val_graphs.for_cutoffs(*cutoffs), self.device)
        self.train_crystals = subset(len(train_graphs), run.num_train)
        torch.manual_seed(run.seed)
        self.model: CrystalNetwork = build_model(run.architecture).to(self.device, self.dtype)
        self.replica: nn.Module = (
            self.model if self.world.size == 1 else distributed(self.model, self.task)
        )
        if self.settings.compile:
            self.replica = compiled(self.replica)
        self.optimizer = make_optimizer(self.model, self.settings)
        self.scheduler = make_scheduler(self.optimizer, self.settings)
        self.order = torch.Generator().manual_seed(run.seed)
        self.order_of_epoch = self.order.get_state()
        self.loader = DataLoader(
            self.train_crystals,  # type: ignore[arg-type]
            self.settings.batch_size,
            shuffle=True,
            generator=self.order,
        )
        self.stop = StopRequest()
        self.progress = Progress()

    # One epoch

    def train_epoch(self) -> dict[str, float]:
        """One pass over the training crystals; mean loss and mean gradient norm before clipping.

        Batches that were done before an interruption are not repeated.

        Raises:
            NonFinite: If a loss or gradient is not finite.
            Interrupted: If a signal asked to stop.
        """
        progress = self.progress
        self.model.train()
        self.order_of_epoch = self.order.get_state()
        batches = list(self.loader)
        for crystals in batches[progress.batches :]:
            if self.world.any(self.stop.received is not None):
                raise Interrupted(f"stopped by {self.stop.received or 'a signal'}")
            loss, norm = self.train_step(crystals)
            progress.loss_sum += loss * len(crystals)
            progress.norm_sum += norm
            progress.batches += 1
        means = {
            "train_loss": progress.loss_sum / self.run.num_train,
            "grad_norm": progress.norm_sum / len(batches),
        }
        self.end_epoch()
        return means

    def end_epoch(self) -> None:
        """Nothing of the batches drawn last is left to do."""
        self.order_of_epoch = self.order.get_state()
        self.progress.batches, self.progress.loss_sum, self.progress.norm_sum = 0, 0.0, 0.0

    def train_step(self, crystals: Tensor) -> tuple[float, float]:
        """One optimiser step on a batch; its mean loss and the gradient norm, over all processes.

        Raises:
            NonFinite: If either is not finite; the weights are left as they were.
        """
        self.optimizer.zero_grad(set_to_none=True)
        mine, weight = self.world.part(crystals)
        if self.world.size > 1:
            synchronise(self.model, self.world.group if self.world.shares(crystals) else None)
        loss, _ = self.loss(self.replica, self.train_graphs, mine)
        loss = loss * weight
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.gradient_clip)
        mean = self.world.sum(loss.detach().clone()) / self.world.size
        loss_value, norm_value = torch.stack([mean, norm]).tolist()
        if not (math.isfinite(loss_value) and math.isfinite(norm_value)):
            raise NonFinite("training", self.progress.batches, crystals, loss_value, norm_value)
        self.optimizer.step()
        return loss_value, norm_value

    def loss(
        self, model: nn.Module, graphs: PackedGraphs, crystals: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss of some crystals and its parts, means over the crystals."""
        batch = gather(graphs, crystals, self.device).to(dtype=self.dtype)
        autocast = torch.autocast(self.device.type, torch.bfloat16)
        with autocast if self.precision == "bf16" else nullcontext():
            predictions = model(batch)
        predictions = {name: value.to(self.dtype) for name, value in predictions.items()}
        return task_loss(self.task, predictions, batch.targets)

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Loss on the validation set and its parts, means over the crystals.

        Raises:
            NonFinite: If it is not finite.
        """
        self.model.eval()
        batches = torch.arange(len(self.val_graphs)).split(VALIDATION_BATCH)
        losses = []
        for crystals in batches:
            mine, weight = self.world.part(crystals)
            loss, parts = self.loss(self.model, self.val_graphs, mine)
            values = torch.stack([loss, parts["eps_inter"], parts["drude_frequency"]])
            losses.append(values.double() * weight / self.world.size)
        losses = self.world.sum(torch.stack(losses)).cpu()
        for batch, loss in enumerate(losses[:, 0].tolist()):
            if not math.isfinite(loss):
                raise NonFinite("validation", batch, batches[batch], loss)
        sizes = torch.tensor([[len(crystals)] for crystals in batches])
        means = (losses * sizes).sum(0) / len(self.val_graphs)
        return dict(zip(("val_loss", "val_eps", "val_drude"), means.tolist(), strict=True))

    # All epochs

    def fit(self, folder: RunFolder, status: Status) -> Progress:
        """Train to the end, or on from a checkpoint of the same run and data.

        Args:
            folder: Where checkpoints, TensorBoard's log and reports of faults are kept.
            status: Kept up to date.

        Raises:
            Diverged: If the loss is still not finite after all recoveries, and no material is to blame.
            TrainingError: If a material is, or if no epoch counts as best.
            Interrupted: If a signal asked to stop; the state is saved, the next start goes on from this batch.
        """
        self.progress.best_weights = self.weights()
        self.restore(load_checkpoint(folder.checkpoint, self.fingerprint()))
        tensorboard = folder.tensorboard if self.world.is_first else None
        journal = Journal(
            self.run.name, self.progress.epoch, self.settings.epochs, tensorboard, status
        )
        try:
            with self.stop:
                self.all_epochs(folder, journal)
        finally:
            journal.close()
        if self.progress.best_epoch < self.settings.best_from_epoch:
            raise TrainingError(
                f"Expected an epoch to keep, but `patience` ended the run in epoch {self.progress.epoch}, before "
                f"`best_from_epoch` {self.settings.best_from_epoch}: lower it, or be more patient."
            )
        return self.progress

    def all_epochs(self, folder: RunFolder, journal: Journal) -> None:
        """Epoch after epoch, with checkpoints, until the last one or until patience is lost."""
        while self.progress.epoch < self.settings.epochs and not self.out_of_patience():
            try:
                journal.epoch(self.do_epoch())
            except NonFinite as error:
                self.recover(error, folder)
                self.save(folder, journal)
            except Interrupted:
                self.save(folder, journal)
                raise
            if self.progress.epoch % self.settings.checkpoint_every == 0:
                self.save(folder, journal)

    def do_epoch(self) -> dict[str, float]:
        """Train, validate, keep the best weights, set the next learning rate; the row of history."""
        start = time.perf_counter()
        try:
            row = {"epoch": self.progress.epoch, "lr": self.optimizer.param_groups[0]["lr"]}
            row |= self.train_epoch() | self.validate()
        finally:  # time counts even where the epoch is stopped or done again
            self.progress.seconds += time.perf_counter() - start
        step(self.scheduler, row["val_loss"])
        self.keep_if_best(row)
        row |= {"seconds": self.progress.seconds, "recoveries": len(self.progress.faults)}
        self.progress.seconds = 0.0
        self.progress.peak_memory = max(self.progress.peak_memory, peak_memory(self.device))
        self.progress.history.append(row)
        return row

    def recover(self, error: NonFinite, folder: RunFolder) -> None:
        """Go back to the best weights, with half the learning rate, and begin the epoch again.

        The optimiser's moments are forgotten. The report of the fault is written to the folder.

        Raises:
            TrainingError: If this has happened too often; Diverged where no material is to blame.
        """
        self.model.load_state_dict(self.progress.best_weights)
        self.optimizer.zero_grad(set_to_none=True)
        self.optimizer.state.clear()
        fault = describe(self, error)
        halve(self.scheduler)
        self.end_epoch()
        self.progress.faults.append(fault)
        if self.world.is_first:
            write_faults(folder, self.progress.faults)
        message = f"{summary(fault)} See {folder.faults.name}."
        if len(self.progress.faults) > self.settings.max_recoveries:
            tried = f"Given up after {self.settings.max_recoveries} recoveries (`max_recoveries`)."
            kind = TrainingError if culprits_of(fault) else Diverged
            raise kind(f"{message} {tried}")
        best = self.progress.best_epoch
        log.warning(
            "%s Going back to the weights %s.",
            message,
            "it began with" if best < 0 else f"of epoch {best}",
        )

    def weights(self) -> dict[str, Tensor]:
        """Copy of the network's weights and statistics."""
        return {name: v.detach().cpu().clone() for name, v in self.model.state_dict().items()}

    def keep_if_best(self, row: dict[str, float]) -> None:
        """Copy the weights if the validation loss has improved by enough.

        Whatever came before it, the first epoch that may be the best is.
        """
        improved = row["val_loss"] < self.progress.best_loss - self.settings.min_improvement
        if improved or row["epoch"] == self.settings.best_from_epoch:
            self.progress.best_loss = row["val_loss"]
            self.progress.best_epoch = int(row["epoch"])
            self.progress.best_weights = self.weights()

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
        """Changes with anything that a checkpoint must agree on: settings, crystals and data.

        Of the data, the sizes of the graphs and the targets that are single numbers are enough to tell.
        """
        graphs = self.train_graphs
        crystals = [graphs.mat_ids[i] for i in self.train_crystals]
        content = json.dumps([self.run.model_dump(mode="json"), crystals])
        fingerprint = hashlib.sha256(content.encode())
        for values in (*graphs.offsets.values(), *graphs.targets.values()):
            if values.dim() == 1:
                fingerprint.update(values.cpu().numpy().tobytes())
        return fingerprint.hexdigest()

    def save(self, folder: RunFolder, journal: Journal) -> None:
        """Write a checkpoint."""
        if self.world.is_first:
            journal.flush()
            save_checkpoint(folder.checkpoint, self.state())

    def state(self) -> dict[str, Any]:
        """Everything that decides how the run goes on."""
        state = {
            "fingerprint": self.fingerprint(),
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "order": self.order_of_epoch,  # inside an epoch, it draws the same batches again
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
        self.order_of_epoch = state["order"]
        torch.set_rng_state(state["random"])
        if "random_cuda" in state and self.device.type == "cuda":
            torch.cuda.set_rng_state(state["random_cuda"], self.device)
        self.progress = Progress(**state["progress"])
        log.info("continuing from epoch %d, batch %d", self.progress.epoch, self.progress.batches)


def make_optimizer(model: nn.Module, settings: TrainingSettings) -> torch.optim.Optimizer:
    """Adam or AdamW over all weights."""
    kinds = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    return kinds[settings.optimizer](
        model.parameters(),
        lr=settings.learning_rate,
        weight_decay=settings.weight_decay,
        fused=True,  # one pass over all weights: narrow networks have many small tensors
    )


def compiled(model: nn.Module) -> nn.Module:
    """The network with its forward and backward passes compiled, for batches of any size."""
    return cast(nn.Module, torch.compile(model, dynamic=True))


def distributed(model: CrystalNetwork, task: Task) -> DistributedDataParallel:
    """The network as one of several equal ones, whose gradients are averaged over the processes.

    These wait for the gradient of every weight, so heads that learn nothing are told not to expect one.
    """
    for target in task:
        model.heads[target.name].requires_grad_(target.weight > 0)
    return DistributedDataParallel(model)
