"""Training with PyG's loader and a plain optimiser."""

import torch
from torch import nn
from torch_geometric.loader import DataLoader

from benchmarks.plain.graphs import FOLLOW, CrystalData
from optimetal.config.run import Run
from optimetal.config.training import TrainingSettings
from optimetal.database.splits import subset
from optimetal.tasks import Task, optics_task, task_loss
from optimetal.training.devices import resolve_precision
from optimetal.training.schedules import learning_rate


def train(run: Run, network: nn.Module, crystals: list[CrystalData]) -> list[list[float]]:
    """Train a network as the run says, on the device where it is, and return the loss of every step.

    Args:
        run: Settings; a schedule that looks at the validation loss stays at its base rate.
        network: In the precision of the crystals.
        crystals: The whole training set; the run takes its subset.

    Returns:
        One list per epoch.
    """
    settings = run.training
    optimizer = make_optimizer(network, settings)
    loader = make_loader([crystals[i] for i in subset(len(crystals), run.num_train)], run)
    task = optics_task(
        settings.eps_loss, settings.drude_loss, settings.eps_weight, settings.drude_weight
    )
    losses = []
    for epoch in range(settings.epochs):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(settings, epoch)
        network.train()
        losses.append([train_step(network, optimizer, b, task, settings) for b in loader])
    return losses


def make_optimizer(network: nn.Module, settings: TrainingSettings) -> torch.optim.Optimizer:
    """Adam or AdamW with torch's defaults."""
    kinds = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    return kinds[settings.optimizer](
        network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )


def make_loader(crystals: list[CrystalData], run: Run) -> DataLoader:
    """Loader that shuffles in each epoch, always in the same order for a seed."""
    order = torch.Generator().manual_seed(run.seed)
    batch_size = run.training.batch_size
    return DataLoader(crystals, batch_size, shuffle=True, generator=order, follow_batch=FOLLOW)


def train_step(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    batch: CrystalData,
    task: Task,
    settings: TrainingSettings,
) -> float:
    """One step of the optimiser; the loss before it."""
    device = next(network.parameters()).device
    batch = batch.to(device)
    optimizer.zero_grad()
    bf16 = resolve_precision(settings.precision, device) == "bf16"
    with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        predictions = network(batch)
    targets = {target.name: batch[target.name] for target in task}
    predictions = {name: values.to(targets[name].dtype) for name, values in predictions.items()}
    loss, _ = task_loss(task, predictions, targets)
    loss.backward()
    nn.utils.clip_grad_norm_(network.parameters(), settings.gradient_clip)
    optimizer.step()
    return loss.item()
