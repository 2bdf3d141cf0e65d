r"""Neural scaling laws: how the validation loss falls with data D and parameters N.

Every law is declared once, here: its formula, parameters, bounds and starting points. The
one-dimensional laws hold for x = D as well as for x = N; their LaTeX symbols carry an ``X`` that
stands for either. The forms are those of Hestness et al. (arXiv 1712.00409), Kaplan et al.
(2001.08361), Hoffmann et al. (2203.15556) and Caballero et al. (2210.14891), as combined by
Grossmann, Grunert and Runge (2602.05702).
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Starts = list[tuple[float, ...]]


@dataclass(frozen=True)
class Parameter:
    """One parameter of a law.

    A *scale* is positive and may span decades: it is fitted as its logarithm and printed as a power
    of ten. ``lower`` bounds the others.
    """

    name: str
    symbol: str
    is_scale: bool = False
    lower: float = -np.inf


@dataclass(frozen=True)
class Law:
    """A formula L(x) with its parameters.

    ``function(x, *parameters)`` returns losses (n,). For the one-dimensional laws x has shape (n,),
    for the grid laws (2, n) with N in the first row and D in the second. ``starts(x, loss)``
    proposes points to start a fit from, in the order of the parameters; ``published_start`` is the
    single one of the published study, none for a law that it did not try.
    """

    name: str
    label: str
    formula: str
    parameters: tuple[Parameter, ...]
    function: Callable[..., Array]
    starts: Callable[[Array, Array], Starts]
    published_start: Callable[[Array, Array], tuple[float, ...]] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters, in the order in which the function takes them."""
        return tuple(parameter.name for parameter in self.parameters)

    def formula_of(self, variable: str) -> str:
        """LaTeX of the law in a variable, "D" or "N"."""
        return self.formula.replace("X", variable)

    def symbols_of(self, variable: str) -> tuple[str, ...]:
        """LaTeX symbols of the parameters for a variable, "D" or "N"."""
        return tuple(parameter.symbol.replace("X", variable) for parameter in self.parameters)


def power(x: ArrayLike, alpha: float, x0: float) -> Array:
    r"""Power law :math:`(x_0 / x)^\alpha`; the loss is 1 at x0."""
    return (x0 / np.asarray(x, float)) ** alpha


def power_floor(x: ArrayLike, alpha: float, x0: float, loss_floor: float) -> Array:
    r"""Power law above a floor, :math:`(x_0 / x)^\alpha + L_\infty`."""
    return power(x, alpha, x0) + loss_floor


def broken(x: ArrayLike, alpha1: float, alpha2: float, x_break: float) -> Array:
    r"""Broken power law :math:`(x_c/x)^{\alpha_2} (1 + x_c/x)^{\alpha_1 - \alpha_2}`.

    Its exponent is alpha1 far below the break and alpha2 far above. The break also sets the size of
    the loss, 2^(alpha1 - alpha2) at x_break, so this form suits losses of order one; see
    :func:`broken_amplitude` for any others.
    """
    ratio = x_break / np.asarray(x, float)
    return ratio**alpha2 * (1 + ratio) ** (alpha1 - alpha2)


def broken_amplitude(
    x: ArrayLike, alpha1: float, alpha2: float, x_break: float, amplitude: float
) -> Array:
    r"""Broken power law times an amplitude A, so that losses may have any size."""
    return amplitude * broken(x, alpha1, alpha2, x_break)


def bnsl(
    x: ArrayLike,
    loss_floor: float,
    amplitude: float,
    c0: float,
    c1: float,
    x_break1: float,
    smoothness1: float,
    c2: float,
    x_break2: float,
    smoothness2: float,
) -> Array:
    r"""Broken neural scaling law with two breaks (Caballero et al., arXiv 2210.14891).

    .. math:: a + b x^{-c_0} \prod_i [1 + (x/d_i)^{1/f_i}]^{-c_i f_i}

    Between the breaks d_i its exponents above the floor are c_0, c_0 + c_1 and c_0 + c_1 + c_2; f_i
    is the width of break i in ln x.
    """
    log_x = np.log(np.asarray(x, float))
    log_rest = np.log(amplitude) - c0 * log_x
    for change, x_break, width in ((c1, x_break1, smoothness1), (c2, x_break2, smoothness2)):
        # (x/d)^(1/f) overflows for sharp breaks, its logarithm does not
        log_rest = log_rest - change * width * np.logaddexp(0, (log_x - np.log(x_break)) / width)
    return loss_floor + np.exp(log_rest)


def kaplan(
    x: ArrayLike,
    alpha_n: float,
    alpha_d1: float,
    alpha_d2: float,
    n_scale: float,
    d_break: float,
) -> Array:
    r"""Loss over N and D after Kaplan et al., with a broken power law in D.

    .. math:: L = [(N_c/N)^{\alpha_N/\alpha_{D,2}}
              + (D_c/D) (1 + D_c/D)^{\alpha_{D,1}/\alpha_{D,2} - 1}]^{\alpha_{D,2}}

    It tends to (N_c/N)^alpha_N for endless data and to :func:`broken` in D for an endless model.
    """
    num_params, num_train = np.asarray(x, float)
    ratio = d_break / num_train
    model_term = (n_scale / num_params) ** (alpha_n / alpha_d2)
    return (model_term + ratio * (1 + ratio) ** (alpha_d1 / alpha_d2 - 1)) ** alpha_d2


def hoffmann(
    x: ArrayLike,
    alpha_n: float,
    alpha_d1: float,
    alpha_d2: float,
    n_scale: float,
    d_break: float,
    loss_floor: float,
) -> Array:
    r"""Loss over N and D after Hoffmann et al., with a broken power law in D.

    .. math:: L = L_0 + (N_c/N)^{\alpha_N}
              + (D_c/D)^{\alpha_{D,2}} (1 + D_c/D)^{\alpha_{D,1} - \alpha_{D,2}}
    """
    num_params, num_train = np.asarray(x, float)
    data_term = broken(num_train, alpha_d1, alpha_d2, d_break)
    return loss_floor + power(num_params, alpha_n, n_scale) + data_term


def kaplan_power(
    x: ArrayLike, alpha_n: float, alpha_d: float, n_scale: float, d_scale: float
) -> Array:
    r"""Loss over N and D as Kaplan et al. have it (arXiv 2001.08361, eq. 1.5): :func:`kaplan` without a break.

    .. math:: L = [(N_c/N)^{\alpha_N/\alpha_D} + D_c/D]^{\alpha_D}
    """
    return kaplan(x, alpha_n, alpha_d, alpha_d, n_scale, d_scale)


def hoffmann_power(
    x: ArrayLike,
    alpha_n: float,
    alpha_d: float,
    n_scale: float,
    d_scale: float,
    loss_floor: float,
) -> Array:
    r"""Loss over N and D as Hoffmann et al. have it (arXiv 2203.15556, eq. 2): :func:`hoffmann` without a break.

    .. math:: L = L_0 + (N_c/N)^{\alpha_N} + (D_c/D)^{\alpha_D}
    """
    return hoffmann(x, alpha_n, alpha_d, alpha_d, n_scale, d_scale, loss_floor)


# Starting points. A flat line has no finite scale x0, so the slopes are kept away from zero.
_MIN_SLOPE: Final = 0.02
_FLOOR_SHARES: Final = (0.05, 0.5, 0.9, 0.98)
# Width of a break in ln x below which points a tenth of a decade apart see a kink.
_SHARPEST: Final = 0.01


def _slope(values: ArrayLike) -> Array:
    return np.maximum(np.abs(values), _MIN_SLOPE)


def _polynomial(x: Array, loss: Array, degree: int) -> Array:
    """Coefficients of log loss as a polynomial in log(x / geometric mean), constant first."""
    u = np.log(x) - np.log(x).mean()
    return np.linalg.lstsq(np.vander(u, degree + 1, increasing=True), np.log(loss))[0]


def _scale(x: Array, loss: float, alpha: float) -> float:
    """x0 of the power law through the loss at the geometric mean of x, kept in float range."""
    exponent = np.log(x).mean() + np.log(loss) / alpha
    return float(np.exp(np.clip(exponent, -300, 300)))


def _end_slopes(x: Array, loss: Array) -> tuple[float, float]:
    """Exponents at the smallest and the largest x, from a parabola in log-log."""
    _, linear, bend = _polynomial(x, loss, 2)
    u = np.log(np.array([x.min(), x.max()])) - np.log(x).mean()
    first, last = _slope(linear + 2 * bend * u)
    return float(first), float(last)


def _power_starts(x: Array, loss: Array) -> Starts:
    constant, linear = _polynomial(x, loss, 1)
    alpha = float(_slope(linear))
    return [(alpha, _scale(x, np.exp(constant), alpha))]


def _power_floor_starts(x: Array, loss: Array) -> Starts:
    floors = [float(share * loss.min()) for share in _FLOOR_SHARES]
    return [(*_power_starts(x, loss - floor)[0], floor) for floor in floors]


def _broken_starts(x: Array, loss: Array) -> Starts:
    alpha1, alpha2 = _end_slopes(x, loss)
    alpha, x0 = _power_starts(x, loss)[0]
    breaks = np.exp(np.quantile(np.log(x), (0.2, 0.5, 0.8)))
    return [(alpha, alpha, x0), *((alpha1, alpha2, float(x_break)) for x_break in breaks)]


def _broken_amplitude_starts(x: Array, loss: Array) -> Starts:
    starts = _broken_starts(x, loss)[1:]
    return [(*start, float(np.median(loss / broken(x, *start)))) for start in starts]


def _bnsl_starts(x: Array, loss: Array) -> Starts:
    """Three straight pieces in log-log, bent at two places, from shallow to steep floors."""
    log_x = np.log(x)
    starts = []
    for shares, floor_share in product(((0.33, 0.67), (0.2, 0.5), (0.5, 0.8)), (0.0, 0.5)):
        floor = floor_share * float(loss.min())
        breaks = np.quantile(log_x, shares)
        hinges = np.maximum(log_x[:, None] - breaks, 0)
        pieces = np.column_stack([np.ones_like(log_x), -log_x, -hinges])
        constant, c0, c1, c2 = np.linalg.lstsq(pieces, np.log(loss - floor))[0]
        first, second = np.exp(breaks)
        starts += [
            (floor, float(np.exp(constant)), c0, c1, first, width, c2, second, width)
            for width in (0.1, 0.5)
        ]
    return starts


def _grid_exponents(x: Array, loss: Array) -> tuple[float, float]:
    """Mean exponents of N and D: a plane through log loss."""
    u = np.log(x)
    plane = np.vstack([np.ones_like(loss), u - u.mean(axis=1, keepdims=True)]).T
    alpha_n, alpha_d = _slope(np.linalg.lstsq(plane, np.log(loss))[0][1:])
    return float(alpha_n), float(alpha_d)


def _grid_starts(x: Array, loss: Array, floor: float) -> Starts:
    """Model and data term share the loss above the floor by halves, the break is in the middle."""
    alpha_n, alpha_d = _grid_exponents(x, loss)
    half = float(np.exp(np.log(loss - floor).mean())) / 2
    scales = (_scale(x[0], half, alpha_n), _scale(x[1], half, alpha_d))
    bends = ((1.0, 1.0), (0.6, 1.5))
    return [(alpha_n, first * alpha_d, last * alpha_d, *scales) for first, last in bends]


def _kaplan_starts(x: Array, loss: Array) -> Starts:
    return [_published_grid_start(x, loss), *_grid_starts(x, loss, floor=0.0)]


def _hoffmann_starts(x: Array, loss: Array) -> Starts:
    own = [
        (*start, floor)
        for floor in (share * float(loss.min()) for share in _FLOOR_SHARES[:2])
        for start in _grid_starts(x, loss, floor)
    ]
    return [(*_published_grid_start(x, loss), 0.1 * float(loss.min())), *own]


def _without_break(starts: Callable[[Array, Array], Starts]) -> Callable[[Array, Array], Starts]:
    """Those of the same law with a break, whose exponents of D are equal."""

    def of_law(x: Array, loss: Array) -> Starts:
        own = [
            (alpha_n, first, *rest)
            for alpha_n, first, last, *rest in starts(x, loss)
            if first == last
        ]
        return list(dict.fromkeys(own))

    return of_law


def _published_grid_start(x: Array, loss: Array) -> tuple[float, ...]:
    return (0.5, 0.5, 0.5, 1e4, 1e4)


_FLOOR: Final = Parameter("loss_floor", r"L_\infty", lower=0.0)
_BROKEN: Final = (
    Parameter("alpha1", r"\alpha_{X,1}"),
    Parameter("alpha2", r"\alpha_{X,2}"),
    Parameter("x_break", r"X_\mathrm{c}", is_scale=True),
)
_POWER: Final = (Parameter("alpha", r"\alpha_X"), Parameter("x0", "X_0", is_scale=True))
_BNSL: Final = (
    Parameter("loss_floor", "a", lower=0.0),
    Parameter("amplitude", "b", is_scale=True),
    Parameter("c0", "c_0"),
    Parameter("c1", "c_1"),
    Parameter("x_break1", "d_1", is_scale=True),
    Parameter("smoothness1", "f_1", lower=_SHARPEST),
    Parameter("c2", "c_2"),
    Parameter("x_break2", "d_2", is_scale=True),
    Parameter("smoothness2", "f_2", lower=_SHARPEST),
)
_GRID: Final = (
    Parameter("alpha_n", r"\alpha_N"),
    Parameter("alpha_d1", r"\alpha_{D,1}"),
    Parameter("alpha_d2", r"\alpha_{D,2}"),
    Parameter("n_scale", r"N_\mathrm{c}", is_scale=True),
    Parameter("d_break", r"D_\mathrm{c}", is_scale=True),
)
_GRID_POWER: Final = (
    Parameter("alpha_n", r"\alpha_N"),
    Parameter("alpha_d", r"\alpha_D"),
    Parameter("n_scale", r"N_\mathrm{c}", is_scale=True),
    Parameter("d_scale", r"D_\mathrm{c}", is_scale=True),
)

LAWS: Final[dict[str, Law]] = {
    law.name: law
    for law in (
        Law(
            name="power",
            label="Power law",
            formula=r"(X_0/X)^{\alpha_X}",
            parameters=_POWER,
            function=power,
            starts=_power_starts,
            published_start=lambda x, loss: (0.1, x.min()),
        ),
        Law(
            name="power_floor",
            label="Power law + floor",
            formula=r"(X_0/X)^{\alpha_X} + L_\infty",
            parameters=(*_POWER, _FLOOR),
            function=power_floor,
            starts=_power_floor_starts,
            published_start=lambda x, loss: (0.1, x.min(), loss[x.argmax()]),
        ),
        Law(
            name="broken",
            label="Broken power law",
            formula=r"(X_\mathrm{c}/X)^{\alpha_{X,2}}"
            r" (1 + X_\mathrm{c}/X)^{\alpha_{X,1} - \alpha_{X,2}}",
            parameters=_BROKEN,
            function=broken,
            starts=_broken_starts,
            published_start=lambda x, loss: (0.1, 0.1, x.min()),
        ),
        Law(
            name="broken_amplitude",
            label="Broken power law + amplitude",
            formula=r"A (X_\mathrm{c}/X)^{\alpha_{X,2}}"
            r" (1 + X_\mathrm{c}/X)^{\alpha_{X,1} - \alpha_{X,2}}",
            parameters=(*_BROKEN, Parameter("amplitude", "A", lower=0.0)),
            function=broken_amplitude,
            starts=_broken_amplitude_starts,
            published_start=lambda x, loss: (0.1, 0.1, x.min(), 1.0),
        ),
        Law(
            name="bnsl",
            label="Two breaks (BNSL)",
            formula=r"a + b X^{-c_0} \prod_i [1 + (X/d_i)^{1/f_i}]^{-c_i f_i}",
            parameters=_BNSL,
            function=bnsl,
            starts=_bnsl_starts,
        ),
    )
}
"""The one-dimensional laws, by name."""

PUBLISHED_LAWS: Final = ("power", "power_floor", "broken", "broken_amplitude")
"""Those that the published study tried."""

GRID_LAWS: Final[dict[str, Law]] = {
    law.name: law
    for law in (
        Law(
            name="kaplan",
            label="Kaplan form",
            formula=r"[(N_\mathrm{c}/N)^{\alpha_N/\alpha_{D,2}} + (D_\mathrm{c}/D)"
            r" (1 + D_\mathrm{c}/D)^{\alpha_{D,1}/\alpha_{D,2} - 1}]^{\alpha_{D,2}}",
            parameters=_GRID,
            function=kaplan,
            starts=_kaplan_starts,
            published_start=_published_grid_start,
        ),
        Law(
            name="hoffmann",
            label="Hoffmann form",
            formula=r"L_0 + (N_\mathrm{c}/N)^{\alpha_N} + (D_\mathrm{c}/D)^{\alpha_{D,2}}"
            r" (1 + D_\mathrm{c}/D)^{\alpha_{D,1} - \alpha_{D,2}}",
            parameters=(*_GRID, Parameter("loss_floor", "L_0", lower=0.0)),
            function=hoffmann,
            starts=_hoffmann_starts,
            published_start=lambda x, loss: (*_published_grid_start(x, loss), 0.0),
        ),
        Law(
            name="kaplan_power",
            label="Kaplan form without break",
            formula=r"[(N_\mathrm{c}/N)^{\alpha_N/\alpha_D} + D_\mathrm{c}/D]^{\alpha_D}",
            parameters=_GRID_POWER,
            function=kaplan_power,
            starts=_without_break(_kaplan_starts),
        ),
        Law(
            name="hoffmann_power",
            label="Hoffmann form without break",
            formula=r"L_0 + (N_\mathrm{c}/N)^{\alpha_N} + (D_\mathrm{c}/D)^{\alpha_D}",
            parameters=(*_GRID_POWER, Parameter("loss_floor", "L_0", lower=0.0)),
            function=hoffmann_power,
            starts=_without_break(_hoffmann_starts),
        ),
    )
}
"""The laws over N and D together, by name."""

PUBLISHED_GRID_LAWS: Final = ("kaplan", "hoffmann")
"""Those that the published study tried."""


def get_law(name: str) -> Law:
    """The law of that name, one-dimensional or on the grid.

    Raises:
        ValueError: If there is none.
    """
    laws = LAWS | GRID_LAWS
    if name not in laws:
        raise ValueError(f"no scaling law {name!r}: choose from {', '.join(laws)}")
    return laws[name]
