"""Losses and gradients that are not finite: which batch, and which of its crystals is to blame."""

import json
import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from optimetal.files import write_text
from optimetal.graphs.packed import PackedGraphs
from optimetal.training.folder import RunFolder

if TYPE_CHECKING:
    from optimetal.training.loop import Trainer

Fault = dict[str, Any]
"""Plain JSON: ``phase``, ``epoch``, ``batch``, ``loss``, ``grad_norm``, ``lr`` and the batch's ``materials``."""


class NonFinite(Exception):
    """A loss or gradient is not finite; nothing was learned from the batch.

    Args:
        phase: "training" or "validation".
        batch: Number of the batch in the epoch, from 0.
        crystals: (B,) positions in the training or validation set.
        loss: Mean loss of the batch.
        grad_norm: Norm of the whole gradient; none in validation.
    """

    def __init__(
        self,
        phase: str,
        batch: int,
        crystals: Tensor,
        loss: float,
        grad_norm: float | None = None,
    ) -> None:
        """Remember which batch it was."""
        super().__init__(f"{phase} batch {batch}: loss {loss}, gradient norm {grad_norm}")
        self.phase, self.batch, self.crystals = phase, batch, crystals
        self.loss, self.grad_norm = loss, grad_norm


def describe(trainer: "Trainer", error: NonFinite) -> Fault:
    """What went wrong, with each material's own loss and gradient, the worst first.

    They are those of the trainer's present weights, without the influence of other crystals: a material that is not
    finite even there is to blame; where all are finite, it is the learning rate.
    """
    graphs = trainer.train_graphs if error.phase == "training" else trainer.val_graphs
    mine, _ = trainer.world.part(error.crystals)
    materials = [_material(trainer, graphs, crystal) for crystal in mine.split(1)]
    if trainer.world.shares(error.crystals):
        materials = trainer.world.gather(materials)
    return {
        "phase": error.phase,
        "epoch": trainer.progress.epoch,
        "batch": error.batch,
        "loss": _plain(error.loss),
        "grad_norm": _plain(error.grad_norm),
        "lr": trainer.optimizer.param_groups[0]["lr"],
        "materials": sorted(materials, key=_badness, reverse=True),
    }


def write_faults(folder: RunFolder, faults: list[Fault]) -> None:
    """Write all faults of a run to its folder."""
    write_text(folder.faults, json.dumps(faults, indent=1))


def culprits_of(fault: Fault) -> list[str]:
    """Materials that are not finite even alone; where there is none, the settings are to blame."""
    return [m["mat_id"] for m in fault["materials"] if _badness(m)[0]]


def summary(fault: Fault) -> str:
    """One sentence on what went wrong and who is to blame."""
    culprits = culprits_of(fault)
    names = ", ".join(culprits[:8]) + (" …" if len(culprits) > 8 else "")
    innocent = "every material alone is fine: `learning_rate` may be too high"
    blame = f"check {names}" if culprits else innocent
    return (
        f"Expected a finite loss and gradient, got loss {fault['loss']} and gradient norm {fault['grad_norm']} in "
        f"epoch {fault['epoch']}, {fault['phase']} batch {fault['batch']}: {blame}."
    )


def _material(trainer: "Trainer", graphs: PackedGraphs, crystal: Tensor) -> dict[str, Any]:
    """Loss and gradient norm of one crystal, in eval mode so that no statistics change."""
    trainer.model.eval()
    loss, _ = trainer.loss(trainer.model, graphs, crystal)
    weights = [weight for weight in trainer.model.parameters() if weight.requires_grad]
    gradients = torch.autograd.grad(loss, weights, allow_unused=True)
    norms = torch.stack([gradient.norm() for gradient in gradients if gradient is not None])
    return {
        "mat_id": graphs.mat_ids[int(crystal)],
        "loss": _plain(loss.item()),
        "grad_norm": _plain(norms.norm().item()),
    }


def _badness(material: dict[str, Any]) -> tuple[bool, float]:
    """Sorts finite numbers by size, below all that are not finite."""
    values = [float(material[name]) for name in ("loss", "grad_norm")]
    bad = not all(map(math.isfinite, values))
    return bad, 0.0 if bad else values[0]


def _plain(value: float | None) -> float | str | None:
    """A number as JSON knows it: NaN and infinity become text."""
    return value if value is None or math.isfinite(value) else str(value)
