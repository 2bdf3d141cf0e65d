"""Invented training runs that follow a law."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

NUM_TRAIN = (100, 200, 400, 800, 1600, 3200, 6400)
WIDTHS = (4, 8, 16, 32, 64, 128)


def num_params(width: int) -> int:
    return 300 * width + 10 * width**2


def make_runs(
    loss: Callable[[float, float], float],
    *,
    model: str = "2b_tc",
    num_train: tuple[int, ...] = NUM_TRAIN,
    widths: tuple[int, ...] = (16,),
    seeds: tuple[int, ...] = (1, 2, 3),
    noise: float = 0.01,
) -> pd.DataFrame:
    """Runs with loss(num_params, num_train) and a relative scatter over the seeds."""
    rng = np.random.default_rng(0)
    rows = []
    for size in num_train:
        for width in widths:
            for seed in seeds:
                rows.append(
                    {
                        "run": f"{model}/data{size}_width{width}_seed{seed}",
                        "studies": ["invented"],
                        "model": model,
                        "label": f"Model {model}",
                        "num_train": size,
                        "width": width,
                        "num_params": num_params(width),
                        "seed": seed,
                        "lr": 1e-3,
                        "val_loss": loss(num_params(width), size) * (1 + noise * rng.normal()),
                    }
                )
    return pd.DataFrame(rows)


@pytest.fixture
def runs_of() -> Callable[..., pd.DataFrame]:
    """Maker of invented runs, see :func:`make_runs`."""
    return make_runs


@pytest.fixture
def grid_runs() -> pd.DataFrame:
    """Runs over data and width that follow the Kaplan form."""
    from optimetal.scaling.laws import kaplan

    def loss(params, size):
        return float(kaplan([params, size], 0.3, 0.2, 0.4, 2e4, 1e3))

    return make_runs(loss, widths=WIDTHS)


@pytest.fixture
def lr_runs() -> pd.DataFrame:
    """Runs whose best learning rate is 1e-3 (N0 / N), N0 at width 16."""
    parts = []
    for exponent in (0.0, 0.5, 1.0, 1.5):
        for width in (4, 8, 16, 32):
            ratio = num_params(16) / num_params(width)
            lr = 1e-3 * ratio**exponent
            if width == 16 and exponent != 1:
                continue
            scale = 1 + 0.2 * np.log(lr / (1e-3 * ratio)) ** 2

            def loss(params, size, scale=scale):
                return params**-0.1 * scale

            part = make_runs(loss, num_train=(400,), widths=(width,), noise=1e-3)
            parts.append(part.assign(lr=lr, run=part["run"] + f"_lr{lr:g}"))
    return pd.concat(parts, ignore_index=True)
