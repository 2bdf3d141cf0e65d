"""Published training settings, under our names."""

from typing import Any, Final

from optimetal.compat.sections import REQUIRED, Section, choose, read, read_typed
from optimetal.config.training import TrainingSettings

_OPTIMIZER: Final = {"lr": 1e-3, "weight_decay": 0.0}
_SCHEDULERS: Final = {
    "none": {},
    "None": {},
    "cosineannealing": {"T_max": REQUIRED, "eta_min": 0.0},
    "cosineannealingwarmrestarts": {"T_0": REQUIRED, "T_mult": 1, "eta_min": 0.0},
    "reducelronplateau": {"factor": 0.9, "patience": 10, "eta_min": 0.0},
}
_DRUDE_LOSSES: Final = {"mae": "mae", "mse": "mse"}
_EPS_LOSSES: Final = {**_DRUDE_LOSSES, "optimate": "imaginary_mae"}
# bf16 was used on GPUs that have it and silently replaced elsewhere: our "auto"
_PRECISIONS: Final = {"fp32": "fp32", "bf16": "auto", "auto": "auto"}
_TRAINING: Final = {
    "optimizer": REQUIRED,
    "lr_scheduler": REQUIRED,
    "warmup_epochs": 0,
    "grad_clip": 100.0,
    "num_epoch": 1000,
    "batch_size": REQUIRED,
    "loss_fn_eps": REQUIRED,
    "loss_fn_drude": REQUIRED,
    "eps_weight": 1.0,
    "drude_weight": 1.0,
    "precision": REQUIRED,
    "early_stopping": False,
    "patience": 200,
}
_OF_THE_RUN: Final = ("architecture", "num_train_data", "seed", "trial_dir")
"""Keys of a published configuration that are no training settings."""

MIN_IMPROVEMENT: Final = 1e-3
BEST_FROM_EPOCH: Final = 10


def training_from_published(config: Section) -> TrainingSettings:
    """Our settings for a published training, with the published rules of what a best model is.

    Args:
        config: A published configuration; ``architecture``, ``num_train_data``, ``seed`` and ``trial_dir`` are
            passed over. Keys that it leaves out take their published defaults, which differ from ours.

    Raises:
        ValueError: If a key or type is unknown, a key without default is missing or a value is out of range. (The
            published code trains at a constant rate where it does not understand ``lr_scheduler``.)
    """
    given = read("configuration", config, _TRAINING, _OF_THE_RUN)
    kind, optimizer = read_typed(
        "optimizer", given["optimizer"], {"adam": _OPTIMIZER, "adamw": _OPTIMIZER}
    )
    return TrainingSettings.model_validate(
        {
            "optimizer": kind,
            "learning_rate": optimizer["lr"],
            "weight_decay": optimizer["weight_decay"],
            "epochs": given["num_epoch"],
            "batch_size": given["batch_size"],
            "warmup_epochs": given["warmup_epochs"],
            "schedule": _schedule(given["lr_scheduler"], optimizer["lr"]),
            "gradient_clip": given["grad_clip"],
            "eps_loss": choose("loss_fn_eps", "configuration", given["loss_fn_eps"], _EPS_LOSSES),
            "drude_loss": choose(
                "loss_fn_drude", "configuration", given["loss_fn_drude"], _DRUDE_LOSSES
            ),
            "eps_weight": given["eps_weight"],
            "drude_weight": given["drude_weight"],
            "patience": given["patience"] if given["early_stopping"] else None,
            "precision": choose("precision", "configuration", given["precision"], _PRECISIONS),
            **_best_model(given["num_epoch"]),
        }
    )


def _best_model(num_epoch: object) -> dict[str, Any]:
    """Published rules; a run of fewer epochs kept no model, ours keeps its last."""
    last = num_epoch - 1 if isinstance(num_epoch, int) else BEST_FROM_EPOCH
    return {
        "min_improvement": MIN_IMPROVEMENT,
        "best_from_epoch": max(0, min(BEST_FROM_EPOCH, last)),
    }


def _schedule(section: Section, learning_rate: float) -> dict[str, Any]:
    kind, given = read_typed("lr_scheduler", section, _SCHEDULERS)
    match kind:
        case "cosineannealing":
            return {"type": "cosine", "period": given["T_max"], "minimum": given["eta_min"]}
        case "cosineannealingwarmrestarts":
            return {
                "type": "cosine_restarts",
                "period": given["T_0"],
                "period_factor": given["T_mult"],
                "minimum": given["eta_min"],
            }
        case "reducelronplateau":
            return {
                "type": "plateau",
                "factor": given["factor"],
                "patience": given["patience"],
                "minimum": _lowest_rate(learning_rate, given["factor"], given["eta_min"]),
            }
    return {"type": "constant"}


def _lowest_rate(rate: float, factor: float, smallest_change: float) -> float:
    """Where the reductions end, as the published ``eta_min`` of this schedule bounds the change.

    A reduction by no more than it is left out, and so are all later ones.
    """
    if smallest_change <= 0:
        return smallest_change
    while rate - rate * factor > smallest_change:
        rate *= factor
    return rate
