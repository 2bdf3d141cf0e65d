"""Settings of the embedded tight-binding surrogate database."""

from typing import Self

from pydantic import Field, NonNegativeInt, PositiveInt, field_validator, model_validator

from optimetal.config.base import Settings
from optimetal.database.surrogate.elements import ELEMENTS, SMALL_ELEMENTS
from optimetal.database.surrogate.prototypes import PROTOTYPES


class SurrogateSettings(Settings):
    """Which invented crystals the surrogate database holds (not ab initio)."""

    num_crystals: PositiveInt = Field(default=400, description="Number of crystals (count).")
    elements: tuple[str, ...] = Field(
        default=SMALL_ELEMENTS,
        min_length=1,
        description="Chemical symbols that crystals are made of (no unit).",
    )
    prototypes: tuple[str, ...] = Field(
        default=tuple(PROTOTYPES),
        min_length=1,
        description="Names of the crystal prototypes that are decorated (no unit).",
    )
    seed: NonNegativeInt = Field(
        default=42,
        description="Seed of the random choice of crystals, part of their names (no unit).",
    )

    @field_validator("elements")
    @classmethod
    def _elements_known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _checked_names(value, "element", tuple(ELEMENTS))

    @field_validator("prototypes")
    @classmethod
    def _prototypes_known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _checked_names(value, "prototype", tuple(PROTOTYPES))

    @model_validator(mode="after")
    def _enough_elements(self) -> Self:
        most = max(self.prototypes, key=lambda name: PROTOTYPES[name].num_species)
        needed = PROTOTYPES[most].num_species
        if len(self.elements) < needed:
            raise ValueError(
                f"prototype {most} needs {needed} different elements, got {len(self.elements)}: "
                f"add elements, or leave the prototype out"
            )
        return self


def _checked_names(names: tuple[str, ...], kind: str, known: tuple[str, ...]) -> tuple[str, ...]:
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"unknown {kind} {', '.join(unknown)}; known are {' '.join(known)}")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"each {kind} may be named once, got {', '.join(repeated)} several times")
    return names
