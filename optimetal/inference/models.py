"""Finding and loading trained networks, single or as an ensemble."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from platformdirs import user_data_path

from optimetal.cards import read_card
from optimetal.inference.domain import Domain
from optimetal.inference.preparation import Settings
from optimetal.models import weights
from optimetal.models.network import CrystalNetwork
from optimetal.training.devices import resolve_device

SEARCH_PATH: Final = "OPTIMETAL_MODELS"
"""Environment variable with folders of models, separated as those in PATH."""

UNKNOWN: Final = "unknown"
"""What is said where a model card does not say."""


@dataclass(frozen=True)
class ModelEntry:
    """A model on this machine: a folder with one ``*.safetensors`` per member."""

    name: str
    folder: Path
    files: tuple[Path, ...]


@dataclass(frozen=True, eq=False)
class Ensemble:
    """One or more networks whose mean is the prediction, and their spread its uncertainty."""

    name: str
    members: list[CrystalNetwork]
    """In evaluation mode, on ``device``."""
    cards: list[dict[str, Any]]
    """Model card of each member; keys may be missing."""
    files: list[Path]
    device: torch.device

    def __post_init__(self) -> None:
        for title in ("cutoff", "triplet_cutoff"):
            found = {getattr(member.architecture, title) for member in self.members} - {None}
            if len(found) > 1:
                raise ValueError(
                    f"Members of an ensemble must share one `{title}`, got {sorted(found)} Å: predict with "
                    "each of these models alone."
                )

    def __repr__(self) -> str:
        members = f"{len(self.members)} member{'s' * (len(self.members) > 1)}"
        return f"Ensemble({self.label!r}, {members} on {self.device}, source: {self.source})"

    @cached_property
    def label(self) -> str:
        """Human name: the label of the cards where all members have the same, else ``name``."""
        labels = {card.get("label") for card in self.cards}
        return str(labels.pop()) if len(labels) == 1 and None not in labels else self.name

    @cached_property
    def source(self) -> str:
        """What the networks learned from, e.g. "surrogate, not ab initio"; "unknown" if unsaid."""
        return " + ".join(dict.fromkeys(map(_source, self.cards)))

    @cached_property
    def domain(self) -> Domain:
        """What the training sets of all members held."""
        return Domain.of_cards(self.cards)

    @cached_property
    def settings(self) -> Settings:
        """What :func:`optimetal.inference.preparation.prepare` needs.

        A graph with pairs serves two-body networks as well.
        """
        architectures = [member.architecture for member in self.members]
        pairs = (architecture.triplet_cutoff for architecture in architectures)
        return Settings(
            cutoff=architectures[0].cutoff,
            triplet_cutoff=max((reach for reach in pairs if reach is not None), default=None),
            domain=self.domain,
        )


def _source(card: dict[str, Any]) -> str:
    return str(card.get("source") or card.get("origin") or UNKNOWN)


# Finding


def model_folders() -> list[Path]:
    """Folders in which models are looked for, in this order.

    Those of the environment variable OPTIMETAL_MODELS, ``results/models`` below the current
    folder, and ``models`` in the user's data folder.
    """
    named = os.environ.get(SEARCH_PATH, "").split(os.pathsep)
    return [
        *(Path(folder).expanduser() for folder in named if folder.strip()),
        Path("results", "models"),
        user_data_path("optimetal") / "models",
    ]


def find_models() -> list[ModelEntry]:
    """All models in :func:`model_folders`, folder after folder, by name within each."""
    return [entry for folder in model_folders() for entry in _models_in(folder)]


def _models_in(folder: Path) -> list[ModelEntry]:
    inside = sorted(folder.iterdir()) if folder.is_dir() else []
    entries = (ModelEntry(each.name, each, tuple(_members_in(each))) for each in inside)
    return [entry for entry in entries if entry.files]


def _members_in(folder: Path) -> list[Path]:
    """Weights in a folder; a name that begins with a dot is an unfinished file."""
    return sorted(file for file in folder.glob("*.safetensors") if file.name[0] != ".")


def default_model() -> ModelEntry:
    """The model with the lowest mean loss in its test, in the first folder that has any.

    Raises:
        FileNotFoundError: If no folder has a model.
    """
    for folder in model_folders():
        if entries := _models_in(folder):
            return min(entries, key=_test_loss)
    raise FileNotFoundError(_not_found("There is no model on this machine."))


def _test_loss(entry: ModelEntry) -> float:
    """Mean over the members; infinite where a card knows of no test."""
    tests = [read_card(file).get("test") or {} for file in entry.files]
    return float(np.mean([test.get("loss", np.inf) for test in tests]))


# Loading


def load_model(
    model: str | Path | Sequence[str | Path] | None = None, device: str = "auto"
) -> Ensemble:
    """A trained model, ready to predict.

    Args:
        model: Name of a model in one of :func:`model_folders`; or path of a ``*.safetensors`` file
            or of a folder of them; or several of either, which become one ensemble; none: the model
            of the first folder that has any with the lowest loss in its test.
        device: "auto" is the GPU when there is one.

    Raises:
        FileNotFoundError: If it is not found; the names that are, and the folders, are listed.
        ValueError: If a file is no model, or the members look differently far.
    """
    wanted = [model] if model is None or isinstance(model, str | Path) else list(model)
    if not wanted:
        raise ValueError("Expected at least one model, got none.")
    entries = [default_model() if each is None else _resolved(each) for each in wanted]
    files = [file for entry in entries for file in entry.files]
    loaded = [weights.load_model(file) for file in files]
    place = resolve_device(device)
    return Ensemble(
        name=_joint_name([entry.name for entry in entries]),
        members=[network.to(place) for network, _, _ in loaded],
        cards=[card for _, _, card in loaded],
        files=files,
        device=place,
    )


def _resolved(model: str | Path) -> ModelEntry:
    """Model of a name, or of the path of a file or folder."""
    path = Path(model)
    named = (entry for entry in find_models() if entry.name == str(model))
    for entry in (*named, *_at_path(path)):
        return entry
    if path.is_file():
        raise ValueError(
            f"Expected weights *.safetensors, got {model}: turn a published checkpoint into a model with "
            "`optimetal convert-checkpoint`."
        )
    raise FileNotFoundError(_not_found(f"There is no model {str(model)!r}, neither name nor path."))


def _joint_name(names: list[str]) -> str:
    """Members that differ in the seed alone share a name."""
    if len(names) == 1:
        return names[0]
    return " + ".join(dict.fromkeys(re.sub(r"[/_]seed\d+$", "", name) for name in names))


def _at_path(path: Path) -> Iterator[ModelEntry]:
    path = path.expanduser().absolute()
    if path.is_file() and path.suffix == ".safetensors":
        # model.safetensors is the file of any training, seed1.safetensors of any member
        folder = path.parent.name
        name = folder if path.stem == "model" else f"{folder}/{path.stem}"
        yield ModelEntry(name, path.parent, (path,))
    elif files := _members_in(path):
        yield ModelEntry(path.name, path, tuple(files))


def _not_found(problem: str) -> str:
    found = ", ".join(dict.fromkeys(entry.name for entry in find_models())) or "none"
    folders = ", ".join(map(str, model_folders()))
    return (
        f"{problem} Found: {found}. Looked in: {folders}. `make model` in the project's folder "
        f"trains one; or give the path of a *.safetensors file or of a folder of them, or set {SEARCH_PATH}."
    )
