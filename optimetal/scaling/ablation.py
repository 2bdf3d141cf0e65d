"""The architecture search: every setting of one kind of layer beside the architecture it started from.

The published files hold means and sample standard deviations (ddof 1) over the seeds, no single
losses, so this is a table of its own, one row per setting.
"""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from optimetal.config.run import Run
from optimetal.config.variation import Choice, as_choice, hidden_multiplier, key_of
from optimetal.scaling.fits import in_study
from optimetal.scaling.published import SEEDS, SOURCE, read_json

logger = logging.getLogger(__name__)

Section = Mapping[str, Any]

_BASE: Final[dict[str, Any]] = {
    "node_embedding_dict": {"type": "group_period"},
    "edge_embedding_dict": {
        "type": "gaussian",
        "num_basis": 64,
        "basis_width": 2.0,
        "apply_envelope": False,
    },
    "message_passing_dict": {"type": "gatv2", "num_layers": 2, "heads": 4, "hidden_multiplier": 4},
    "pooling_dict": {"type": "vector_attention"},
}
_SHARED: Final = {
    "hidden_dim": 256,
    "spectra_dim": 1024,
    "depth": 2,
    "activation": "relu",
    "twobody_cutoff": 5.5,
}
_BEST_EMBEDDINGS: Final = {
    "node_embedding_dict": {"type": "group_period"},
    "edge_embedding_dict": {
        "type": "gaussian",
        "num_basis": 32,
        "basis_width": 4.0,
        "apply_envelope": True,
    },
    "angle_embedding_dict": {"l_max": 3},
    "pooling_dict": {"type": "vector_attention"},
}


@dataclass(frozen=True)
class LayerKind:
    """A part of the search: the kind of layer that was varied, its file, and where it started."""

    label: str
    file: str
    section: str
    start: Section
    """Setting of the architecture that the search started from."""


LAYER_KINDS: Final[dict[str, LayerKind]] = {
    **{
        kind: LayerKind(label, f"ablation/2b_{file}_results.json", section, _BASE[section])
        for kind, label, file, section in (
            ("node_embedding", "Node embedding", "node_embedding", "node_embedding_dict"),
            ("edge_embedding", "Edge embedding", "edge_embedding", "edge_embedding_dict"),
            ("message_passing", "Message passing", "mp", "message_passing_dict"),
            ("pooling", "Pooling", "pool", "pooling_dict"),
        )
    },
    "message_passing_3b": LayerKind(
        "Message passing (3B)",
        "ablation/3b_mp_results.json",
        "triplet_block_dict",
        {"type": "cgconv", "num_layers": 1, "hidden_multiplier": 6},
    ),
}
"""The kinds of layers whose settings were varied one at a time."""

INTERACTION: Final = "interaction"
"""All combinations of the two best settings of each kind (of the edge embedding only the best)."""
_INTERACTION_FILE: Final = "ablation/2b_interaction_results.json"
_FIRST: Final = ["node_embedding", "edge_embedding", "message_passing", "pooling"]
"""Kinds of which the first architecture is the start."""
_COMBINED: Final = ("node_embedding", "message_passing", "pooling")


@dataclass(frozen=True)
class Parts:
    """The parts of a search for architectures, each a kind of its table, with labels."""

    layers: Mapping[str, str]
    """Kinds of layers of the first architecture that were varied one at a time."""
    combinations: str | None = None
    """Combinations of their best settings."""
    three_body: Mapping[str, str] = field(default_factory=dict)
    """Kinds of layers of the three-body network, which began with an architecture of its own."""
    by_multiplier: Sequence[str] = ()
    """Kinds of layers of several hidden multipliers, each with a second figure that tells these apart."""
    published_first: tuple[str, ...] = ()
    """Kinds whose starts the published study averaged, where it did not take each once."""

    @property
    def labels(self) -> dict[str, str]:
        """Kind -> label of everything but the combinations."""
        return {**self.layers, **self.three_body}


PUBLISHED_PARTS: Final = Parts(
    {kind: LAYER_KINDS[kind].label for kind in _FIRST},
    INTERACTION,
    {"message_passing_3b": LAYER_KINDS["message_passing_3b"].label},
    by_multiplier=("message_passing", "message_passing_3b"),
    published_first=("node_embedding", "message_passing", "pooling", "pooling"),
)
"""The published search."""

COLUMNS: Final = (
    *("kind", "type", "setting", "hidden_multiplier", "num_best", "num_params", "lr"),
    *("weight_decay", "val_loss", "val_loss_std", "num_seeds", "is_start", "source"),
)


def read_published_ablation(folder: Path) -> pd.DataFrame:
    """Read the published architecture search.

    Args:
        folder: Folder with the files of ``published_files.FILES``.

    Returns:
        One row per setting with ``COLUMNS``, best first in each kind: ``kind`` is a key of
        ``LAYER_KINDS`` or ``INTERACTION``, ``setting`` words for the figure, ``num_best`` the
        number of kinds in which a combination has the best setting (of the interaction only),
        ``val_loss_std`` the sample standard deviation (ddof 1).

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a setting lacks a seed, or the start of a kind is missing; it is named.
    """
    folder = Path(folder)
    rows = [
        row
        for kind, layer in LAYER_KINDS.items()
        for row in _layer_rows(kind, layer, read_json(folder / layer.file))
    ]
    table = pd.DataFrame(rows)
    for kind, layer in LAYER_KINDS.items():
        if not table.loc[table["kind"] == kind, "is_start"].any():
            raise ValueError(
                f"{layer.file} lacks the setting {dict(layer.start)}, where it started"
            )
    best = {kind: _settings_by_loss(table, kind)[0] for kind in _COMBINED}
    combined = _interaction_rows(read_json(folder / _INTERACTION_FILE), best)
    table = pd.concat([table, pd.DataFrame(combined)], ignore_index=True)
    table = table.sort_values(["kind", "val_loss"], ignore_index=True).reindex(columns=COLUMNS)
    return table.astype({"hidden_multiplier": "Int64", "num_best": "Int64", "is_start": bool})


def improvements(ablation: pd.DataFrame, parts: Parts = PUBLISHED_PARTS) -> pd.DataFrame:
    r"""How much each part of the search lowered the loss.

    The first architecture was trained in every kind, with the learning rate and weight decay found in each; where
    all of it is meant, its loss is the mean of these. The published study took pooling twice and edge embedding not
    at all; ``published_improvement`` repeats that. Of a kind whose search left out its start, the best alone is known:
    the rest is missing, and a warning is logged.

    Args:
        ablation: Table of :func:`read_published_ablation` or :func:`ablation_of_runs`.
        parts: What the kinds of the table are.

    Returns:
        One row per comparison: ``comparison``, ``start_loss``, ``start_loss_std``, ``best_loss``,
        ``best_loss_std``, ``best`` (its setting), ``improvement`` and ``improvement_error`` (from
        the two standard deviations; missing for a single seed), ``published_improvement``, in percent of the loss at
        the start.
    """
    starts = ablation.loc[ablation["is_start"]].set_index("kind")
    at_best = ablation.loc[ablation.groupby("kind")["val_loss"].idxmin()].set_index("kind")
    best: dict[Any, dict[str, Any]] = at_best.to_dict("index")
    for kind in set(parts.labels) - set(starts.index):
        logger.warning(
            "%s: the search left out the setting where it started, so it has no improvement", kind
        )
    rows = [
        _compare(label, _mean(starts.reindex(parts.labels), [kind]), best[kind])
        for kind, label in parts.labels.items()
    ]
    first_kinds = [kind for kind in parts.layers if kind in starts.index]
    if first_kinds and parts.combinations:
        first, best_2b = _mean(starts, first_kinds), best[parts.combinations]
        published = _mean(starts, list(parts.published_first)) if parts.published_first else None
        rows.append(_compare("Best 2B against first 2B", first, best_2b, published))
        for kind in parts.three_body:
            rows.append(_compare("Best 3B against first 2B", first, best[kind], published))
            rows.append(_compare("Best 3B against best 2B", best_2b, best[kind]))
    return pd.DataFrame(rows)


def start_of(
    ablation: pd.DataFrame, kind: str, parts: Parts = PUBLISHED_PARTS
) -> dict[str, float] | None:
    """Loss and its standard deviation of the architecture that the search of a kind started from; None if not tried.

    The combinations started from the first architecture: the mean of its trainings.

    Args:
        ablation: Table of :func:`read_published_ablation` or :func:`ablation_of_runs`.
        kind: One of its kinds.
        parts: What the kinds are.
    """
    starts = ablation.loc[ablation["is_start"]].set_index("kind")
    kinds = list(parts.layers) if kind == parts.combinations else [kind]
    tried = [kind for kind in kinds if kind in starts.index]
    return _mean(starts, tried) if tried else None


def ablation_of_runs(
    runs: pd.DataFrame,
    trained: Mapping[str, Run],
    settings: Mapping[str, Sequence[str]],
    starts: Mapping[str, Choice],
) -> pd.DataFrame:
    """The same table as :func:`read_published_ablation` from our own trainings.

    Args:
        runs: Table of the training runs.
        trained: Name of a run -> what was trained.
        settings: Study -> paths of the settings that it varied, one of those that take equal values.
        starts: Study -> settings of the architecture that it started from; without one, as of combinations, no row is a
            start and ``num_best`` is counted.
    """
    rows = [
        _setting_row(study, choice, group, trained, starts.get(study))
        for study in settings
        for choice, group in _by_choice(in_study(runs, study), trained, settings[study])
    ]
    table = pd.DataFrame(rows)
    best = {}
    for study in settings:
        if study in starts:
            best |= table.loc[table["kind"] == study].sort_values("val_loss")["choice"].iloc[0]
    combined = ~table["kind"].isin(starts)
    table.loc[combined, "num_best"] = table.loc[combined, "choice"].map(
        lambda choice: sum(best.get(path) == value for path, value in choice.items())
    )
    table = table.sort_values(["kind", "val_loss"], ignore_index=True).reindex(columns=COLUMNS)
    return table.astype({"hidden_multiplier": "Int64", "num_best": "Int64", "is_start": bool})


def _by_choice(
    runs: pd.DataFrame, trained: Mapping[str, Run], paths: Sequence[str]
) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """Settings and the runs of every seed with them."""
    keys = runs["run"].map(lambda name: key_of(as_choice(trained[name], paths)))
    for key, group in runs.groupby(keys, sort=True):
        yield json.loads(str(key)), group


def _setting_row(
    study: str,
    choice: dict[str, Any],
    runs: pd.DataFrame,
    trained: Mapping[str, Run],
    start: Choice | None,
) -> dict[str, Any]:
    sections = [value for value in choice.values() if isinstance(value, Mapping)]
    run = trained[runs["run"].iloc[0]]
    return {
        "kind": study,
        "choice": choice,
        "type": sections[-1]["type"] if sections else "number",
        "setting": "; ".join(_in_words(path, value) for path, value in choice.items()),
        "hidden_multiplier": hidden_multiplier(choice),
        "num_params": runs["num_params"].iloc[0],
        "lr": run.training.learning_rate,
        "weight_decay": run.training.weight_decay,
        "val_loss": runs["val_loss"].mean(),
        "val_loss_std": runs["val_loss"].std(ddof=1),  # missing for a single seed
        "num_seeds": len(runs),
        "is_start": choice == start,
        "source": runs["source"].iloc[0],
    }


def _in_words(path: str, value: Any) -> str:
    if not isinstance(value, Mapping):
        return f"{path.rpartition('.')[2].replace('_', ' ')} {value}"
    return describe({**value, "apply_envelope": value.get("envelope_exponent") is not None})


def _mean(starts: pd.DataFrame, kinds: list[str]) -> dict[str, float]:
    columns = ["val_loss", "val_loss_std"]
    return {column: float(starts.loc[kinds, column].mean()) for column in columns}


def _compare(
    name: str, start: Section, best: Section, published_start: Section | None = None
) -> dict[str, Any]:
    ratio = best["val_loss"] / start["val_loss"]
    scatter = np.hypot(
        start["val_loss_std"] / start["val_loss"], best["val_loss_std"] / best["val_loss"]
    )
    published = start if published_start is None else published_start
    return {
        "comparison": name,
        "start_loss": start["val_loss"],
        "start_loss_std": start["val_loss_std"],
        "best_loss": best["val_loss"],
        "best_loss_std": best["val_loss_std"],
        "best": best["setting"],
        "improvement": 100 * (1 - ratio),
        # the start itself may be the best
        "improvement_error": 0.0 if ratio == 1 else 100 * ratio * float(scatter),
        "published_improvement": 100 * (1 - best["val_loss"] / published["val_loss"]),
    }


def _layer_rows(
    kind: str, layer: LayerKind, entries: list[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    for entry in entries:
        given = json.loads(entry["perm_str"])
        yield {
            "kind": kind,
            "type": given["type"],
            "setting": describe(given),
            "hidden_multiplier": given.get("hidden_multiplier"),
            "num_params": _count(_architecture(kind, layer.section, given)),
            "is_start": given == layer.start,
            **_measured(layer.file, entry),
        }


def _interaction_rows(
    entries: list[dict[str, Any]], best: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    for entry in entries:
        architecture = json.loads(entry["perm_str"])["architecture"]
        settings = {kind: describe(architecture[LAYER_KINDS[kind].section]) for kind in _COMBINED}
        yield {
            "kind": INTERACTION,
            "type": architecture[LAYER_KINDS["message_passing"].section]["type"],
            "setting": "; ".join(settings.values()),
            "num_best": sum(settings[kind] == best[kind] for kind in _COMBINED),
            "num_params": _count(architecture),
            "is_start": False,
            **_measured(_INTERACTION_FILE, entry),
        }


def _measured(file: str, entry: dict[str, Any]) -> dict[str, Any]:
    if entry["n_seeds"] != len(SEEDS):
        raise ValueError(
            f"expected {len(SEEDS)} seeds in {file} for {entry['perm_str']}, got "
            f"{entry['n_seeds']}: the result file is incomplete, get it again"
        )
    return {
        "lr": entry["lr"],
        "weight_decay": entry["wd"],
        "val_loss": entry["mean_val_loss"],
        "val_loss_std": entry["std_val_loss"],
        "num_seeds": entry["n_seeds"],
        "source": SOURCE,
    }


def _settings_by_loss(table: pd.DataFrame, kind: str) -> list[str]:
    return table.loc[table["kind"] == kind].sort_values("val_loss")["setting"].tolist()


_TYPES: Final = {
    "group_period": "group and period",
    "atom": "atomic number",
    "gaussian": "Gaussian",
    "bessel": "Bessel",
    "cgconv": "CGConv",
    "gatv2": "GATv2",
    "transformer": "Transformer",
    "mean": "mean",
    "scalar_attention": "scalar attention",
    "vector_attention": "vector attention",
    "set2set": "Set2Set",
}
_DETAILS: Final = {
    "embedding_dim": "dimension {}",
    "num_basis": "{} functions",
    "basis_width": "width {:g}",
    "heads": "{} heads",
    "hidden_multiplier": "multiplier {}",
    "processing_steps": "{} steps",
}
_FLAGS: Final = {"apply_envelope": "envelope", "trainable": "trainable"}


def type_label(name: str) -> str:
    """A type of layer in words."""
    return _TYPES.get(name, name)


def describe(setting: Section) -> str:
    """A published setting of a layer in words, such as "Gaussian, 32 functions, width 4, envelope"."""
    details = [text.format(setting[key]) for key, text in _DETAILS.items() if key in setting]
    flags = [text for key, text in _FLAGS.items() if setting.get(key)]
    return ", ".join([type_label(setting["type"]), *details, *flags])


def _architecture(kind: str, section: str, setting: Section) -> dict[str, Any]:
    """The whole published architecture with one setting of the search."""
    if kind != "message_passing_3b":
        return {"type": "optimetal_2b", **_SHARED, **_BASE, section: setting}
    block = {"num_layers": 2, "edge_graph_mp_dict": setting, "node_graph_mp_dict": setting}
    return {"type": "optimetal_3b", **_SHARED, **_BEST_EMBEDDINGS, section: block}


def _count(architecture: Section) -> int:
    # these import torch, which most of the package does not need
    from optimetal.compat import architecture_from_published
    from optimetal.models import count_parameters

    return count_parameters(architecture_from_published(architecture))
