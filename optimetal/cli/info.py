"""``optimetal info``: the models found, and the card of one."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from pymatgen.core import Element

from optimetal.cli.terminal import console, plain_table
from optimetal.inference.domain import Domain
from optimetal.inference.models import (
    UNKNOWN,
    find_models,
    load_model,
    model_folders,
    read_card,
)

_FIELDS: Final = {
    "Source of the data": ("source", "origin"),
    "Architecture": ("architecture",),
    "Trained on (crystals)": ("num_train",),
    "Parameters": ("num_params",),
    "Hidden width": ("width",),
    "Seed": ("seed",),
    "Epochs": ("epochs", "epoch"),
    "Validation loss": ("val_loss",),
    "Edges up to (Å)": ("cutoff",),
    "Three-body pairs up to (Å)": ("triplet_cutoff",),
    "Version of the library": ("version",),
    "Commit": ("commit",),
}
"""Title -> keys of the card, of which the first that is there is shown."""

_TEST: Final = {
    "Crystals": "num_materials",
    "Loss": "loss",
    "MAE of Re ε": "eps_real_mae",
    "MAE of Im ε": "eps_imag_mae",
    "MAE of ω_D (eV)": "drude_mae",
    "R² of ω_D": "drude_r2",
    "Colour difference ΔE": "delta_e",
}


def show_models() -> None:
    """Print the models on this machine, or where they would be looked for."""
    out = console()
    entries = find_models()
    if not entries:
        out.print(f"No model found. Looked in: {', '.join(map(str, model_folders()))}")
        return
    table = plain_table()
    for title in ("Model", "Label", "Members", "Trained on", "Test loss", "Source", "Folder"):
        table.add_column(title)
    for entry in entries:
        cards = [read_card(file) for file in entry.files]
        tests = [card.get("test") or {} for card in cards]
        table.add_row(
            entry.name,
            _told(cards, "label"),
            str(len(cards)),
            _told(cards, "num_train"),
            _told(tests, "loss"),
            _told(cards, "source", "origin"),
            str(entry.folder),
        )
    out.print(table)


def show_model(model: str) -> None:
    """Print the model card; where members differ, the range of their values.

    Raises:
        FileNotFoundError: If there is no such model.
        ValueError: If it is none.
    """
    ensemble = load_model(model, device="cpu")
    cards = [
        _architecture(member.architecture) | card
        for member, card in zip(ensemble.members, ensemble.cards, strict=True)
    ]
    table = plain_table()
    table.show_header = False
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("Model", ensemble.label)
    table.add_row("Members", "\n".join(map(str, ensemble.files)))
    for title, keys in _FIELDS.items():
        table.add_row(title, _told(cards, *keys))
    table.add_section()
    tests = [card.get("test") or {} for card in cards]
    for title, key in _TEST.items():
        table.add_row(f"Test: {title}", _told(tests, key))
    table.add_section()
    for title, text in _domain(ensemble.domain):
        table.add_row(f"Domain: {title}", text)
    console().print(table)


def _architecture(architecture: Any) -> dict[str, Any]:
    pairs = architecture.triplet_cutoff
    return {
        "architecture": architecture.type,
        "cutoff": architecture.cutoff,
        "triplet_cutoff": "none" if pairs is None else pairs,
    }


def _domain(domain: Domain) -> Iterator[tuple[str, str]]:
    elements, nearest = domain.elements, domain.nearest
    yield "elements", UNKNOWN if elements is None else _by_atomic_number(elements)
    yield "atoms per cell", UNKNOWN if domain.max_atoms is None else f"up to {domain.max_atoms}"
    yield (
        "nearest neighbours (Å)",
        UNKNOWN if nearest is None else f"{nearest[0]:.2f} to {nearest[1]:.2f}",
    )


def _by_atomic_number(symbols: Iterable[str]) -> str:
    return " ".join(sorted(symbols, key=lambda symbol: Element(symbol).Z))


def _told(cards: Sequence[Mapping[str, Any]], *keys: str) -> str:
    """What the cards say under the first key that they have: one value, a range or a list."""
    values = [
        next((card[key] for key in keys if card.get(key) is not None), None) for card in cards
    ]
    known = [value for value in values if value is not None]
    if not known:
        return UNKNOWN
    texts = list(dict.fromkeys(map(_text, known)))
    measured = "seed" not in keys and all(isinstance(value, int | float) for value in known)
    if len(texts) > 1 and measured:
        return f"{_text(min(known))} to {_text(max(known))}"
    return ", ".join(texts)


def _text(value: Any) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
