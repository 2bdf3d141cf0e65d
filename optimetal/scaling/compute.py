r"""What to train for a loss: fitted laws inverted, and the model that is optimal for a cost.

A training of a network with N parameters on D crystals costs

.. math:: t = (t_0 + c N) \, D \times \mathrm{epochs},

with both constants fitted to the measured times. On a grid fit, the optimal N for each D is where a further per cent of
cost lowers the loss by the same amount, whether it is spent on parameters or on crystals:

.. math:: -\frac{\partial L}{\partial \ln N} = -s \frac{\partial L}{\partial \ln D}, \qquad
          s = \frac{\partial \ln t}{\partial \ln N} = \frac{c N}{t_0 + c N}

(the efficient frontier of Kaplan et al., arXiv 2001.08361, and Hoffmann et al., 2203.15556, where t_0 = 0). The lowest
loss for a cost lies on it, too, where t equals that cost. All
intervals come from a bootstrap over the seeds, see :mod:`optimetal.scaling.bootstrap`: they know nothing of how wrong
the form of the law is, which the difference between two laws shows better.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import nnls

from optimetal.scaling.bootstrap import sample_fit
from optimetal.scaling.fits import Axis
from optimetal.scaling.laws import Law, broken, get_law

Array = NDArray[np.float64]

_LARGEST: Final = 1e50
"""A size above it counts as infinite."""
_BISECTIONS: Final = 64
FURTHEST: Final = 10.0
"""For a cost, no network is named whose size lies further outside the measured ones than by this factor."""
_SHARES: Final = (2.0, 1.5, 1.2, 1.0, 0.9, 0.8, 0.7, 0.6)


class Estimate(NamedTuple):
    """A number with its 95 % interval; infinite where no size suffices, NaN where nothing is known."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class SampledFit:
    """A law fitted to one model, with the bootstrap draws of its parameters."""

    model: str
    label: str
    law: Law
    axis: Axis
    parameters: Array
    """(k, 1 + draws): the estimate first."""
    measured: dict[str, tuple[float, float]]
    """Smallest and largest measured ``num_params`` and ``num_train``."""
    reason: str
    """Why there are no numbers, or no intervals; empty where there are."""

    def loss(self, num_params: ArrayLike, num_train: ArrayLike) -> Array:
        """Losses (..., 1 + draws) at sizes of a shape that broadcasts with that.

        A law over one size ignores the other one.
        """
        sizes = {"num_params": np.asarray(num_params, float)}
        sizes["num_train"] = np.asarray(num_train, float)
        with np.errstate(all="ignore"):
            if self.axis != "grid":
                return self.law.function(sizes[self.axis], *self.parameters)
            both = np.broadcast_arrays(sizes["num_params"], sizes["num_train"], self.parameters[0])
            return self.law.function(np.stack(both[:2]), *self.parameters)

    @property
    def floor(self) -> float:
        """Loss of the estimate for endless data and parameters."""
        names = self.law.names
        return self.parameters[names.index("loss_floor"), 0] if "loss_floor" in names else 0.0


@dataclass(frozen=True)
class CostModel:
    """Seconds of a training: (per_crystal + per_parameter N) D epochs.

    The default counts N D epochs, for tables without run times.
    """

    per_crystal: float = 0.0
    """Seconds for a crystal in one epoch that do not depend on the network."""
    per_parameter: float = 1.0
    """Seconds for a crystal in one epoch, per parameter."""
    scatter: float = 0.0
    """Standard deviation of the logarithm of the measured times about the model."""
    device: str = ""
    """Where times were measured; empty: cost is N D epochs."""
    remark: str = "no run times: cost is N D epochs"

    @property
    def quantity(self) -> str:
        """What a cost is: "hours" of the device where times were measured, or else "compute", N D epochs."""
        return "hours" if self.device else "compute"

    def __call__(self, num_params: ArrayLike, num_train: ArrayLike, epochs: float) -> Array:
        """Cost of a training."""
        per_epoch = self.per_crystal + self.per_parameter * np.asarray(num_params, float)
        cost = per_epoch * np.asarray(num_train, float) * epochs
        return cost / 3600 if self.quantity == "hours" else cost

    def parameter_share(self, num_params: ArrayLike) -> Array:
        """s = d ln cost / d ln N."""
        grows = self.per_parameter * np.asarray(num_params, float)
        return grows / (self.per_crystal + grows)


def fit_cost(runs: pd.DataFrame) -> CostModel:
    """Cost of a training from measured times, by least squares of the relative deviations.

    Seconds of several processes add up. If devices differ, those of the most common one count.

    Args:
        runs: Table of training runs of one model with ``num_params``, ``num_train`` and, where
            measured, ``epochs``, ``seconds`` and ``device`` (and ``processes``).

    Returns:
        The fitted model; the default one where no times are known, there is only one size of the
        network, or time does not grow with it: ``remark`` says so.
    """
    if "seconds" not in runs:
        return CostModel()
    device = Counter(runs["device"]).most_common(1)[0][0]
    runs = runs.loc[(runs["device"] == device) & (runs["seconds"] > 0)]
    seconds = runs["seconds"] * runs.get("processes", 1)
    per_crystal = (seconds / (runs["num_train"] * runs["epochs"])).to_numpy(float)
    num_params = runs["num_params"].to_numpy(float)
    typical = num_params.mean()
    columns = np.column_stack([np.ones_like(num_params), num_params / typical])
    (constant, slope), _ = nnls(columns / per_crystal[:, None], np.ones_like(per_crystal))
    if len(set(num_params)) < 2 or slope == 0:
        return CostModel(remark="run times do not grow with N: cost is N D epochs")
    deviation = np.log(per_crystal / (columns @ [constant, slope]))
    freedom = max(1, len(deviation) - 2)
    scatter = float(np.sqrt(deviation @ deviation / freedom))
    remark = f"times on {device} scatter by {100 * scatter:.2g} % about the cost model"
    return CostModel(float(constant), float(slope / typical), scatter, device, remark)


@dataclass(frozen=True)
class WidthLaw:
    """Parameters of a network as a polynomial of its width h, a + b h + c h².

    All architectures of the study follow it exactly.
    """

    coefficients: tuple[float, float, float]
    """c, b, a"""

    def width(self, num_params: ArrayLike) -> Array:
        """Width of a network with so many parameters, a real number; 0 below the smallest network."""
        square, linear, constant = self.coefficients
        num_params = np.asarray(num_params, float)
        more = np.maximum(num_params - constant, 0)
        with np.errstate(invalid="ignore"):
            # stable for a vanishing square
            width = 2 * more / (linear + np.sqrt(linear**2 + 4 * square * more))
        return np.where(np.isinf(num_params), num_params, width)


def fit_width(runs: pd.DataFrame) -> WidthLaw:
    """The polynomial through the measured widths; two widths give a straight line, one none (NaN)."""
    sizes = runs[["width", "num_params"]].drop_duplicates().to_numpy(float)
    if len(sizes) < 2:
        return WidthLaw((np.nan, np.nan, np.nan))
    width, num_params = sizes.T
    coefficients = np.polyfit(width, num_params, min(2, len(sizes) - 1))
    return WidthLaw(tuple(np.pad(coefficients, (3 - len(coefficients), 0)).tolist()))


def sampled_fit(
    runs: pd.DataFrame, x: Axis, law: str, *, seed: int, num_samples: int = 200
) -> SampledFit:
    """Fit a law to one model, with bootstrap draws.

    Args:
        runs: Table of the training runs of one model in one study.
        x: "num_train", "num_params" or "grid".
        law: Name of a law of that axis.
        seed: Seed of the draws.
        num_samples: Number of draws.

    Raises:
        ValueError: If the table has several models; see also ``fits.points``.
    """
    models = sorted(set(runs["model"]))
    if len(models) != 1:
        raise ValueError(f"a plan is for one model, got {models}: choose one")
    fit, draws = sample_fit(get_law(law), runs, x, seed=seed, num_samples=num_samples)
    reason = "" if fit.converged else f"law not converged: {fit.reason}"
    if fit.converged and not len(draws):
        reason = "no intervals: a bootstrap needs two seeds at every point"
    sizes = {name: runs[name].to_numpy(float) for name in ("num_params", "num_train")}
    return SampledFit(
        model=runs["model"].iloc[0],
        label=runs["label"].iloc[0],
        law=get_law(law),
        axis=x,
        parameters=np.vstack([fit.parameters, draws]).T,
        measured={name: (values.min(), values.max()) for name, values in sizes.items()},
        reason=reason,
    )


def crystals_for_loss(fit: SampledFit, loss: ArrayLike, num_params: ArrayLike = np.inf) -> Array:
    """Training crystals D that a loss needs, for a network of N parameters or an endless one.

    Args:
        fit: A fit over "num_train" or "grid".
        loss: Losses to reach, of a shape that broadcasts with (1 + draws,).
        num_params: N, likewise; a fit over "num_train" ignores it.

    Returns:
        (..., 1 + draws); infinite where no number of crystals suffices.
    """
    return _size(lambda num_train: fit.loss(num_params, num_train), fit, loss)


def params_for_loss(fit: SampledFit, loss: ArrayLike, num_train: ArrayLike = np.inf) -> Array:
    """Parameters N that a loss needs, with D crystals or endless data.

    Args:
        fit: A fit over "num_params" or "grid".
        loss: Losses to reach, of a shape that broadcasts with (1 + draws,).
        num_train: D, likewise; a fit over "num_params" ignores it.

    Returns:
        (..., 1 + draws); infinite where no number of parameters suffices.
    """
    return _size(lambda num_params: fit.loss(num_params, num_train), fit, loss)


def estimate(samples: ArrayLike, confidence: float = 0.95) -> Estimate:
    """Value and interval of samples (1 + draws,), the first of which is the estimate.

    Infinite samples count as larger than all others, so that a limit may be infinite.
    """
    value, *draws = np.asarray(samples, float).tolist()
    draws = [draw for draw in draws if not np.isnan(draw)]
    if np.isnan(value) or not draws:
        return Estimate(value, np.nan, np.nan)
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    low, high = np.quantile(draws, tails, method="inverted_cdf").tolist()
    return Estimate(value, low, high)


@dataclass(frozen=True, eq=False)
class Planner:
    """What to train, from a grid fit and a cost model."""

    fit: SampledFit
    cost: CostModel
    widths: WidthLaw
    epochs: float
    """Of a training."""

    def optimal_params(self, num_train: ArrayLike) -> Array:
        """N that gives the lowest loss for its cost together with D crystals, (..., 1 + draws)."""
        gain_n, gain_d = _LOG_GAINS[self.fit.law.name]
        with np.errstate(all="ignore"):
            log_gain_d = gain_d(self.fit.parameters, np.asarray(num_train, float))

        def excess(num_params: Array) -> Array:
            log_share = np.log(self.cost.parameter_share(num_params))
            return gain_n(self.fit.parameters, num_params) - log_share - log_gain_d

        return _crossing(excess, log_gain_d.shape)

    def optimal_crystals(self, loss: ArrayLike) -> Array:
        """D at which the optimal network reaches a loss, (..., 1 + draws)."""
        return _size(lambda d: self.fit.loss(self.optimal_params(d), d), self.fit, loss)

    def affordable_crystals(self, cost: float) -> Array:
        """D at which a training of the optimal network has this cost, (1 + draws,).

        Each draw has a run time of its own, from the scatter of the measured ones.
        """
        spent = cost / self._scatter

        def left(num_train: Array) -> Array:
            return spent - self.cost(self.optimal_params(num_train), num_train, self.epochs)

        return _crossing(left, spent.shape)

    def frontier(self, num_train: Sequence[float]) -> pd.DataFrame:
        """The optimal network for each number of crystals.

        Args:
            num_train: Numbers of crystals.

        Returns:
            One row for each: ``model``, ``label``, ``law``, ``num_train``; ``num_params``,
            ``width``, ``loss`` and ``hours`` or ``compute``, each with ``_low`` and ``_high`` (95 %, that of the
            cost with the scatter of run times); ``remark`` on sizes outside the measured ones.
        """
        rows = []
        for size in num_train:
            num_params = self.optimal_params(size)
            row = {"num_train": size, **self._columns(num_params, size)}
            rows.append(row | {"remark": self._remark(num_params[0], size)})
        return self._table(rows)

    def for_loss(self, losses: Sequence[float]) -> pd.DataFrame:
        """The cheapest way to each loss.

        Args:
            losses: Losses to reach.

        Returns:
            One row for each: ``model``, ``label``, ``law``, ``loss``; ``num_train``, ``num_params``,
            ``width`` and ``hours`` or ``compute`` with their limits, infinite where the loss is below the floor;
            ``least_num_train`` (for an endless network), ``least_num_params`` (for endless data);
            ``remark``.
        """
        rows = []
        for loss in losses:
            num_train = self.optimal_crystals(loss)
            num_params = self.optimal_params(num_train)
            row = {"loss": loss, **_limits("num_train", num_train)}
            columns = self._columns(num_params, num_train)
            row |= {name: value for name, value in columns.items() if "loss" not in name}
            row["least_num_train"] = crystals_for_loss(self.fit, loss)[0]
            row["least_num_params"] = params_for_loss(self.fit, loss)[0]
            rows.append(row | {"remark": self._remark(num_params[0], num_train[0], num_train[1:])})
        return self._table(rows)

    def for_cost(self, costs: Sequence[float]) -> pd.DataFrame:
        """The lowest loss that one training of each cost can reach, and the network that reaches it.

        Args:
            costs: Costs to spend, in hours or, without run times, as N D epochs; see ``cost.quantity``.

        Returns:
            One row for each: ``model``, ``label``, ``law``, ``hours`` or ``compute``; ``loss``, ``num_train``,
            ``num_params`` and ``width``, each with ``_low`` and ``_high`` (95 %, with the scatter of run times);
            ``remark``. Nothing but the remark is said where a size lies outside the measured ones by more than
            ``FURTHEST``: there the law is a guess.
        """
        rows = []
        for cost in costs:
            num_train = self.affordable_crystals(cost)
            num_params = self.optimal_params(num_train)
            columns = self._columns(num_params, num_train) | _limits("num_train", num_train)
            answer = {
                f"{name}{limit}": columns[f"{name}{limit}"]
                for name in ("loss", "num_train", "num_params", "width")
                for limit in ("", "_low", "_high")
            }
            remark = self._remark(num_params[0], num_train[0])
            if self._is_far(num_params[0], num_train[0]):
                answer = dict.fromkeys(answer, np.nan)
                remark = f"not answered, too far from the measured sizes: {remark}"
            rows.append({self.cost.quantity: cost, **answer, "remark": remark})
        return self._table(rows)

    @property
    def _scatter(self) -> Array:
        """Run times of the draws over those of the cost model; 1 for the estimate."""
        return np.exp(self.cost.scatter * _normal(self.fit.parameters.shape[1]))

    def _columns(self, num_params: Array, num_train: ArrayLike) -> dict[str, float]:
        cost = self.cost(num_params, num_train, self.epochs)
        return {
            **_limits("num_params", num_params),
            **_limits("width", self.widths.width(num_params)),
            **_limits("loss", self.fit.loss(num_params, num_train)),
            **_limits(self.cost.quantity, cost * self._scatter),
        }

    def _is_far(self, num_params: float, num_train: float) -> bool:
        """Whether a size lies outside the measured ones by more than ``FURTHEST``."""
        sizes = {"num_params": num_params, "num_train": num_train}
        return any(
            sizes[name] > FURTHEST * largest or sizes[name] < smallest / FURTHEST
            for name, (smallest, largest) in self.fit.measured.items()
        )

    def _remark(self, num_params: float, num_train: float, draws: ArrayLike = ()) -> str:
        """What to know of an answer: not reachable, or outside the measured sizes."""
        if np.isnan(num_params):
            return self.fit.reason
        if not np.isfinite(num_train):
            return f"not reachable: the fitted floor is {self.fit.floor:.3g}"
        remarks = [self.fit.reason] if self.fit.reason else []
        for name, size in (("num_params", num_params), ("num_train", num_train)):
            smallest, largest = self.fit.measured[name]
            if size > largest:
                remarks.append(f"{name} {size / largest:.3g} times the largest measured")
            elif size < smallest:
                remarks.append(f"{name} {size / smallest:.3g} times the smallest measured")
        if np.isinf(draws).any():
            share = 100 * np.isinf(draws).mean()
            remarks.append(f"not reachable in {share:.2g} % of the draws")
        return "; ".join(remarks)

    def _table(self, rows: list[dict[str, Any]]) -> pd.DataFrame:
        names = {"model": self.fit.model, "label": self.fit.label, "law": self.fit.law.name}
        return pd.DataFrame([{**names, **row} for row in rows])


def make_planner(
    runs: pd.DataFrame, law: str, cost: CostModel, *, seed: int, num_samples: int = 200
) -> Planner:
    """Fit everything that a plan needs.

    Args:
        runs: Table of the training runs of one model in a grid study.
        law: Name of a grid law.
        cost: Of a training, see :func:`fit_cost`.
        seed: Seed of the bootstrap.
        num_samples: Number of draws.

    Raises:
        ValueError: See :func:`sampled_fit`.
    """
    fit = sampled_fit(runs, "grid", law, seed=seed, num_samples=num_samples)
    return Planner(fit, cost, fit_width(runs), float(np.median(runs["epochs"])))


def fit_costs(runs: pd.DataFrame) -> dict[str, CostModel]:
    """Cost model of each model; N D epochs for all of them unless all have measured times.

    Args:
        runs: Table of training runs.
    """
    costs = {str(model): fit_cost(of_model) for model, of_model in runs.groupby("model")}
    if all(cost.device for cost in costs.values()):
        return costs
    return {model: replace(CostModel(), remark=cost.remark) for model, cost in costs.items()}


def losses_around(lowest: float) -> list[float]:
    """Losses from twice the lowest measured one down to 0.6 times that, to two digits."""
    return [float(f"{share * lowest:.2g}") for share in _SHARES]


def decades(costs: ArrayLike) -> list[float]:
    """Powers of ten around some costs: from the last below the lowest to the second above the highest.

    Raises:
        ValueError: If a cost is not positive.
    """
    costs = np.asarray(costs, float)
    if not (costs > 0).all():
        raise ValueError(f"expected positive costs, got {costs.min():g}: check the run times")
    first, last = np.floor(np.log10([costs.min(), costs.max()])).astype(int).tolist()
    return [10.0**power for power in range(first, last + 3)]


# How much the loss falls for one per cent more parameters or crystals: logarithms, up to a term that both share.
# Differences of losses would lose all digits near the floor.


def _kaplan_gain_n(parameters: Array, num_params: Array) -> Array:
    alpha_n, _, alpha_d2, n_scale, _ = parameters
    exponent = alpha_n / alpha_d2
    return np.log(exponent) + exponent * np.log(n_scale / num_params)


def _kaplan_gain_d(parameters: Array, num_train: Array) -> Array:
    _, alpha_d1, alpha_d2, _, d_break = parameters
    ratio, bend = d_break / num_train, alpha_d1 / alpha_d2 - 1
    slope = 1 + bend * ratio / (1 + ratio)
    return np.log(slope) + np.log(ratio) + bend * np.log1p(ratio)


def _hoffmann_gain_n(parameters: Array, num_params: Array) -> Array:
    alpha_n, n_scale = parameters[0], parameters[3]
    return np.log(alpha_n) + alpha_n * np.log(n_scale / num_params)


def _hoffmann_gain_d(parameters: Array, num_train: Array) -> Array:
    _, alpha_d1, alpha_d2, _, d_break, _ = parameters
    ratio = d_break / num_train
    slope = alpha_d2 + (alpha_d1 - alpha_d2) * ratio / (1 + ratio)
    return np.log(slope) + np.log(broken(num_train, alpha_d1, alpha_d2, d_break))


def _without_break(gain: Callable[..., Array]) -> Callable[..., Array]:
    """The same for a law with one exponent of D instead of two."""

    def of_law(parameters: Array, size: Array) -> Array:
        alpha_n, alpha_d, *others = parameters
        return gain([alpha_n, alpha_d, alpha_d, *others], size)

    return of_law


_LOG_GAINS: Final[dict[str, tuple[Callable[..., Array], Callable[..., Array]]]] = {
    "kaplan": (_kaplan_gain_n, _kaplan_gain_d),
    "hoffmann": (_hoffmann_gain_n, _hoffmann_gain_d),
    "kaplan_power": (_without_break(_kaplan_gain_n), _without_break(_kaplan_gain_d)),
    "hoffmann_power": (_without_break(_hoffmann_gain_n), _without_break(_hoffmann_gain_d)),
}


def _size(loss_at: Callable[[Array], Array], fit: SampledFit, loss: ArrayLike) -> Array:
    """Size at which a loss that falls with it reaches a value."""
    shape = np.broadcast_shapes(np.shape(loss), fit.parameters[0].shape)
    wanted = np.asarray(loss, float)
    return _crossing(lambda size: loss_at(size) - wanted, shape)


def _crossing(excess: Callable[[Array], Array], shape: tuple[int, ...]) -> Array:
    """Size from 1 at which a falling function crosses zero; infinite where it does not, NaN where undefined."""
    low, high = np.zeros(shape), np.full(shape, np.log(_LARGEST))
    with np.errstate(all="ignore"):
        unknown = np.isnan(excess(np.exp(high)))
        never = excess(np.exp(high)) >= 0
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            above = excess(np.exp(middle)) > 0
            low, high = np.where(above, middle, low), np.where(above, high, middle)
        return np.select([unknown, never], [np.nan, np.inf], np.exp((low + high) / 2))


def _limits(name: str, samples: Array) -> dict[str, float]:
    value, low, high = estimate(samples)
    return {name: value, f"{name}_low": low, f"{name}_high": high}


def _normal(count: int) -> Array:
    """Zero for the estimate and normal deviates for the draws, the same for every plan."""
    return np.append(0.0, np.random.default_rng(0).normal(size=count - 1))
