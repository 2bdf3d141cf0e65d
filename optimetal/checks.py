"""Assertions on the results of a study: tables in, findings out.

Every check returns at least one finding, so that the table says what was looked at, also where all is well. A *failure*
is something that cannot be right; a *note* is something to know when the results are read.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from optimetal.config.run import Run
from optimetal.database.splits import SPLITS, digest, published_differences, subset
from optimetal.models import count_parameters

Severity = Literal["ok", "note", "failure"]
Histories = Mapping[str, pd.DataFrame]
"""Run -> its table of epochs."""

MAX_SEED_SPREAD: Final = 0.05
"""Standard deviation over seeds, relative to their mean, that needs no note. Published: at most 0.032 on the grid."""

MAX_GRADIENT_GROWTH: Final = 10.0
"""The typical gradient norm may grow by so much in a training. Measured on the default study, typical norms grow by 2.4
at most; with a learning rate a thousand times too high, they grow ten-thousandfold or not at all, because the network
has collapsed."""

MAX_LOSS_RISE: Final = 2.0
"""The training loss of the last epochs, relative to the lowest. Measured on the default study: at most 1.1."""

TYPICAL: Final = 5
"""A value is typical of so many epochs in a row: a single bad batch is no divergence."""

_ORDER: Final = ("failure", "note", "ok")

_LOSS_TOLERANCE: Final = 1e-5
"""Relative; losses are sums in single precision."""


@dataclass(frozen=True)
class Finding:
    """What one check found."""

    check: str
    severity: Severity
    expected: str
    found: str
    runs: tuple[str, ...] = ()
    """The trainings it is about; none: all of them, or the data."""


def check_study(
    configs: Mapping[str, Run],
    runs: pd.DataFrame,
    histories: Histories,
    splits: pd.DataFrame,
    graph_ids: Mapping[str, Sequence[str]],
    exploratory: Collection[str] = (),
    published_data: bool = False,
) -> list[Finding]:
    """All checks of a study.

    Args:
        configs: Name of each planned training -> what its folder says was trained.
        runs: Table of training runs, those that diverged included.
        histories: Name of each planned training -> its epochs.
        splits: Table with ``mat_id``, ``composition`` and ``split``.
        graph_ids: Split -> identifiers of its crystal graphs, as stored.
        exploratory: Trainings that try settings out: that one diverges is a result.
        published_data: Whether the crystals are those of the published database, or a part of them.
    """
    done = runs.query("state == 'done'")
    diverged = runs.query("state == 'diverged'").set_index("run")["reason"].to_dict()
    return [
        *check_finished(configs, runs, histories),
        *check_settings(configs, runs),
        *check_parameter_counts(configs, runs),
        *check_losses(configs, done, histories),
        *check_gradients(histories, exploratory, diverged),
        *check_seed_spread(done),
        *check_code(runs),
        *check_splits(splits),
        *(check_published_splits(splits) if published_data else []),
        *check_graphs(splits, graph_ids),
        *check_subsets({run.num_train for run in configs.values()}, len(graph_ids["train"])),
        *check_training_crystals(configs, runs, graph_ids["train"]),
    ]


def check_finished(
    configs: Mapping[str, Run], runs: pd.DataFrame, histories: Histories
) -> list[Finding]:
    """Every planned training has an outcome, a usable loss and all its epochs.

    Those that diverged are the matter of :func:`check_gradients`.

    Args:
        configs: Name of each planned training -> what was trained.
        runs: Table of training runs.
        histories: Name -> epochs.
    """
    outcomes, problems = _outcomes(runs), []
    for name, run in configs.items():
        if name not in outcomes:
            problems.append((name, "no outcome"))
            continue
        if outcomes[name]["state"] == "diverged":
            continue
        loss, told = outcomes[name]["val_loss"], outcomes[name]["epochs"]
        done, asked = len(histories[name]), run.training.epochs
        in_time = run.training.patience is not None and 0 < done < asked
        if not (math.isfinite(loss) and loss > 0):
            problems.append((name, f"validation loss {loss}"))
        elif told != done or not (done == asked or in_time):
            problems.append((name, f"{asked} epochs asked for, {done} in history, {told} told"))
    expected = "an outcome with a positive loss after all epochs"
    return _per_run("finished", expected, problems, f"{len(configs)} trainings finished")


def check_settings(configs: Mapping[str, Run], runs: pd.DataFrame) -> list[Finding]:
    """The folder of each training holds the settings that its name and the table say.

    Args:
        configs: Name of each planned training -> what its folder says was trained.
        runs: Table of training runs.
    """
    problems = []
    for name, row in _outcomes(runs).items():
        run = configs[name]
        stored = {"num_train": run.num_train, "width": run.width, "seed": run.seed}
        stored |= {"run": run.name, "lr": run.training.learning_rate}
        differing = [
            f"{key} {value} in config.json, {row[key]} in the table"
            for key, value in stored.items()
            if row[key] != value
        ]
        if differing:
            problems.append((name, "; ".join(differing)))
    expected = "settings in config.json as in the table"
    return _per_run("settings", expected, problems, f"{len(runs)} trainings agree")


def check_parameter_counts(configs: Mapping[str, Run], runs: pd.DataFrame) -> list[Finding]:
    """The recorded number of parameters is that of the architecture, counted anew.

    Args:
        configs: Name of each training -> what was trained.
        runs: Table of training runs.
    """
    problems = []
    for name, row in _outcomes(runs).items():
        counted = count_parameters(configs[name].architecture)
        if counted != row["num_params"]:
            problems.append((name, f"{row['num_params']} recorded, {counted} counted"))
    sizes = runs["num_params"]
    good = f"{sizes.nunique()} sizes, from {sizes.min()} to {sizes.max()}"
    expected = "recorded parameters = parameters of the architecture"
    return _per_run("parameter counts", expected, problems, good)


def check_losses(
    configs: Mapping[str, Run], runs: pd.DataFrame, histories: Histories
) -> list[Finding]:
    """Losses are the weighted sum of their parts, and the reported one is the lowest of the epochs.

    Args:
        configs: Name of each training -> what was trained.
        runs: Table of training runs.
        histories: Name -> epochs.
    """
    problems = []
    for name, row in _outcomes(runs).items():
        training, epochs = configs[name].training, histories[name]
        loss, lowest = row["val_loss"], epochs["val_loss"].min()
        of_epochs, of_outcome = (
            training.eps_weight * values["val_eps"] + training.drude_weight * values["val_drude"]
            for values in (epochs, row)
        )
        wrong = np.count_nonzero(~_close(epochs["val_loss"], of_epochs))
        if wrong:
            problems.append((name, f"another sum in {wrong} of {len(epochs)} epochs"))
        elif not _close(loss, of_outcome):
            problems.append((name, f"{loss:.6g} reported, parts give {of_outcome:.6g}"))
        elif not _close(loss, lowest):
            problems.append((name, f"{loss:.6g} reported, lowest is {lowest:.6g}"))
    expected = "loss = weighted ε part + weighted Drude part, the lowest of all epochs"
    return _per_run("losses", expected, problems, f"holds in {len(runs)} trainings")


def check_gradients(
    histories: Histories,
    exploratory: Collection[str] = (),
    given_up: Mapping[str, str] | None = None,
) -> list[Finding]:
    """No training diverges; those that recovered from a batch that was not finite are noted.

    A training has diverged if a number in its history is not finite, if its typical gradient norm (median of five
    epochs) outgrows the median of all epochs before by a factor of ten, or if its training loss ends at more than
    twice its lowest value. A large norm alone says nothing: its size is that of the problem.

    Args:
        histories: Name of each training -> epochs with ``train_loss`` and ``grad_norm``.
        exploratory: Trainings in which divergence is a note.
        given_up: Name of each training that found no way on from losses that are not finite -> what it said.
    """
    expected = (
        f"finite; gradients grow at most {MAX_GRADIENT_GROWTH:g}-fold, losses do not come back"
    )
    diverged = dict(given_up or {})
    for name, epochs in histories.items():
        if name not in diverged and (reason := divergence(epochs)):
            diverged[name] = reason
    findings: list[Finding] = [
        Finding(
            "gradients", "note" if name in exploratory else "failure", expected, reason, (name,)
        )
        for name, reason in diverged.items()
    ]
    for name, epochs in histories.items():
        recoveries = epochs["recoveries"].to_numpy().max(initial=0) if "recoveries" in epochs else 0
        if recoveries and name not in diverged:
            found = f"{recoveries} recoveries: see faults.json of the training"
            findings.append(
                Finding("gradients", "note", "no batch to recover from", found, (name,))
            )
    return findings or [Finding("gradients", "ok", expected, _growth(histories))]


def _growth(histories: Histories) -> str:
    """How much typical gradients grow, where that can be told."""
    enough, told = 2 * TYPICAL, []
    long = [epochs for epochs in histories.values() if len(epochs) >= enough]
    if long:
        growth = max(map(gradient_growth, long))
        told.append(f"{len(long)} trainings; typical gradients grow {growth:.2g}-fold at most")
    if short := len(histories) - len(long):
        told.append(
            f"{short} trainings of less than {enough} epochs: too short to tell, but finite"
        )
    return "; ".join(told)


def divergence(epochs: pd.DataFrame) -> str:
    """Why a training counts as diverged, see :func:`check_gradients`; empty if it does not."""
    train_loss = epochs["train_loss"].to_numpy(float)
    finite = np.isfinite(epochs[["train_loss", "grad_norm", "val_loss"]].to_numpy(float)).all(1)
    if not finite.all():
        return f"not finite in epoch {finite.argmin()}"
    if (growth := gradient_growth(epochs)) > MAX_GRADIENT_GROWTH:
        return f"typical gradient norm grew {growth:.3g}-fold"
    rise = np.median(train_loss[-TYPICAL:]) / train_loss.min()
    if rise > MAX_LOSS_RISE:
        return f"training loss ended at {rise:.3g} times its lowest value"
    return ""


def gradient_growth(epochs: pd.DataFrame) -> float:
    """Largest growth of the typical gradient norm over that of all epochs before; at least 1.

    Histories of less than ten epochs have no typical norm before another one.
    """
    norms = epochs["grad_norm"]
    typical = norms.rolling(TYPICAL).median().to_numpy()
    before = norms.expanding(TYPICAL).median().to_numpy()
    return float(np.nanmax(typical[TYPICAL:] / before[:-TYPICAL], initial=1.0))


def check_seed_spread(runs: pd.DataFrame, limit: float = MAX_SEED_SPREAD) -> list[Finding]:
    """Losses of equal trainings with different seeds agree; points that do not are listed.

    Args:
        runs: Table of training runs.
        limit: Standard deviation (of the sample) over the mean.
    """
    expected = f"standard deviation over seeds below {100 * limit:g} % of the mean"
    losses: dict[str, dict[str, float]] = defaultdict(dict)
    for name, row in _outcomes(runs).items():
        losses[name.rpartition("_seed")[0]][name] = row["val_loss"]
    spreads = [
        (float(np.std(values, ddof=1) / np.mean(values)), tuple(seeds))
        for seeds in losses.values()
        if len(values := list(seeds.values())) > 1
    ]
    findings: list[Finding] = [
        Finding("seed spread", "note", expected, f"{100 * spread:.3g} %", names)
        for spread, names in spreads
        if not spread < limit
    ]
    if single := len(losses) - len(spreads):
        found = f"{single} settings with one seed"
        findings.append(Finding("seed spread", "note", "two seeds or more", found))
    within = [spread for spread, _ in spreads if spread < limit]
    if within or not findings:
        good = f"at most {100 * max(within, default=0.0):.3g} %, {len(within)} settings"
        findings.append(Finding("seed spread", "ok", expected, good))
    return findings


def check_code(runs: pd.DataFrame) -> list[Finding]:
    """All trainings come from one committed state of the code; any others are noted.

    Args:
        runs: Table of training runs.
    """
    states: dict[str, tuple[str, ...]] = {}
    for name, row in _outcomes(runs).items():
        state = f"{row['version']}, commit {row['commit']}"
        states[state] = (*states.get(state, ()), name)
    expected = "one version and commit of the code, without changes"
    if len(states) == 1 and not any(state.endswith("+changes") for state in states):
        return [Finding("code", "ok", expected, next(iter(states)))]
    return [Finding("code", "note", expected, state, names) for state, names in states.items()]


def check_splits(splits: pd.DataFrame) -> list[Finding]:
    """No composition, and no material, is in two splits.

    Args:
        splits: Table with ``mat_id``, ``composition`` and ``split``.
    """
    placed = splits[["composition", "split"]].drop_duplicates()
    mixed = _repeated(placed["composition"])
    repeated = _repeated(splits["mat_id"])
    expected = "no composition in two splits, no material twice"
    faults = [("compositions in two splits", mixed), ("materials listed twice", repeated)]
    findings: list[Finding] = [
        Finding("splits", "failure", expected, f"{len(names)} {what}: {_listed(names)}")
        for what, names in faults
        if names
    ]
    sizes = " + ".join(f"{(splits['split'] == name).sum()} {name}" for name in SPLITS)
    return findings or [Finding("splits", "ok", expected, f"{sizes} materials")]


def check_published_splits(splits: pd.DataFrame) -> list[Finding]:
    """Every crystal is in its published split; any difference is noted.

    Args:
        splits: Table with ``mat_id`` and ``split``.
    """
    expected = "the crystals of the published splits"
    if differences := published_differences(splits):
        return [Finding("published splits", "note", expected, "; ".join(differences))]
    return [Finding("published splits", "ok", expected, f"all {len(splits)} crystals")]


def check_graphs(splits: pd.DataFrame, graph_ids: Mapping[str, Sequence[str]]) -> list[Finding]:
    """The graphs of each split are those of its materials, in order of identifier.

    Training subsets are positions in this order.

    Args:
        splits: Table with ``mat_id`` and ``split``.
        graph_ids: Split -> identifiers of its graphs, as stored.
    """
    expected = "one graph for each material of a split, in order of identifier"
    findings = []
    for split, found in graph_ids.items():
        wanted = set(splits.loc[splits["split"] == split, "mat_id"])
        faults = {
            "without a graph": sorted(wanted - set(found)),
            "of another split": sorted(set(found) - wanted),
            "with several graphs": _repeated(found),
        }
        problems = [f"{len(ids)} {what}: {_listed(ids)}" for what, ids in faults.items() if ids]
        if not problems and list(found) != sorted(found):
            problems = ["another order"]
        findings += [Finding("graphs", "failure", expected, f"{split}: {p}") for p in problems]
    total = sum(map(len, graph_ids.values()))
    return findings or [Finding("graphs", "ok", expected, f"{total} graphs")]


def check_subsets(
    sizes: Iterable[int],
    num_total: int,
    draw: Callable[[int, int], Sequence[int]] = subset,
) -> list[Finding]:
    """Training subsets have distinct crystals, and each holds the next smaller one.

    They are drawn anew here: :func:`check_training_crystals` looks at what was learned from.

    Python's ``random.sample`` draws by one of two methods, depending on the share that is drawn. Where two sizes are
    drawn by different methods the smaller is not part of the larger. The published subsets of 20,000 and 40,000
    crystals are such a pair; pairs of this kind are noted.

    Args:
        sizes: Sizes of the subsets.
        num_total: Size of the training set.
        draw: Function from the size of the training set and of the subset to positions.
    """
    expected = "distinct crystals, each subset inside the next"
    drawn = {size: list(draw(num_total, size)) for size in sorted(set(sizes))}
    findings: list[Finding] = [
        Finding("subsets", "failure", expected, f"{len(set(crystals))} crystals instead of {size}")
        for size, crystals in drawn.items()
        if not len(set(crystals)) == len(crystals) == size
    ]
    for small, large in pairwise(drawn):
        share = len(set(drawn[small]) & set(drawn[large])) / small
        if share < 1:
            other_method = _draws_from_pool(num_total, small) != _draws_from_pool(num_total, large)
            found = f"{100 * share:.3g} % of {small} are in {large}"
            found += "; they are sampled by different methods" if other_method else ""
            severity: Severity = "note" if other_method else "failure"
            findings.append(Finding("subsets", severity, expected, found))
    good = f"{', '.join(map(str, drawn))} of {num_total}"
    return findings or [Finding("subsets", "ok", expected, good)]


def check_training_crystals(
    configs: Mapping[str, Run], runs: pd.DataFrame, train_ids: Sequence[str]
) -> list[Finding]:
    """Every network learned from the crystals of its subset, by the digest that its training noted.

    Args:
        configs: Name of each training -> what was trained.
        runs: Table of training runs.
        train_ids: Identifiers of the training set, in order.
    """
    subsets = {
        size: digest(train_ids[position] for position in subset(len(train_ids), size))
        for size in {run.num_train for run in configs.values()}
    }
    problems = [
        (name, f"digest {row['crystals'][:8]} instead of {subsets[configs[name].num_train][:8]}")
        for name, row in _outcomes(runs).items()
        if row["crystals"] != subsets[configs[name].num_train]
    ]
    expected = "learned from the crystals of the subset, by their digest"
    return _per_run("training crystals", expected, problems, f"{len(runs)} trainings agree")


def _draws_from_pool(num_total: int, size: int) -> bool:
    """Whether ``random.sample`` draws from a list of all positions, rather than remembering those it took."""
    memory = 21 + (4 ** math.ceil(math.log(3 * size, 4)) if size > 5 else 0)
    return num_total <= memory


def findings_table(findings: Iterable[Finding], max_runs: int | None = None) -> pd.DataFrame:
    """Findings as a table, the worst first: ``check``, ``severity``, ``expected``, ``found``, ``runs``.

    Args:
        findings: What was found.
        max_runs: How many trainings are named in a row; none: all.
    """
    rows = [
        (f.check, f.severity, f.expected, f.found, _listed(f.runs, max_runs, separator=" "))
        for f in sorted(findings, key=lambda finding: _ORDER.index(finding.severity))
    ]
    return pd.DataFrame(rows, columns=["check", "severity", "expected", "found", "runs"])


def verdict(table: pd.DataFrame) -> tuple[bool, str]:
    """Whether the checks of a table are passed, and what to tell a reader.

    Args:
        table: Table of :func:`findings_table`.
    """
    failures = table.loc[table["severity"] == "failure"].fillna("")
    counts = (
        f"{table['check'].nunique()} checks: {len(failures)} failures, "
        f"{(table['severity'] == 'note').sum()} notes."
    )
    rows: list[dict[Any, str]] = failures.to_dict("records")
    lines = [
        f"  {row['check']}: expected {row['expected']}; found {row['found']} {row['runs']}".rstrip()
        for row in rows
    ]
    return failures.empty, "\n".join([counts, *lines])


def _outcomes(runs: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Name of each training -> its row of the table."""
    rows: list[dict[Any, Any]] = runs.to_dict("records")
    return {row["run"]: row for row in rows}


def _per_run(
    check: str, expected: str, problems: Iterable[tuple[str, str]], good: str
) -> list[Finding]:
    """A failure for each training at fault, or one finding that all is well."""
    findings = [Finding(check, "failure", expected, found, (name,)) for name, found in problems]
    return findings or [Finding(check, "ok", expected, good)]


def _repeated(names: Iterable[str]) -> list[str]:
    return sorted(name for name, count in Counter(names).items() if count > 1)


def _close(first: ArrayLike, second: ArrayLike) -> NDArray[np.bool]:
    return np.isclose(first, second, rtol=_LOSS_TOLERANCE, atol=0)


def _listed(names: Sequence[str], most: int | None = 5, separator: str = ", ") -> str:
    shown = list(names[:most])
    if most is not None and len(names) > most:
        shown.append(f"and {len(names) - most} more")
    return separator.join(shown)
