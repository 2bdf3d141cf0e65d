"""All settings of a project in one table, for the report."""

from collections.abc import Iterator
from typing import Any

import pandas as pd
import yaml
from pydantic import BaseModel


def all_settings(project: BaseModel) -> pd.DataFrame:
    """Every setting with its value, whether given or left at its default.

    Args:
        project: The validated configuration.

    Returns:
        One row per setting, in the order of their declaration: ``setting`` (its path), ``value`` (as in YAML),
        ``given`` (whether the configuration says it) and ``meaning``.
    """
    return pd.DataFrame(_rows(project, ""), columns=["setting", "value", "given", "meaning"])


def _rows(section: BaseModel, above: str) -> Iterator[tuple[str, str, bool, str]]:
    for key, field in type(section).model_fields.items():
        value = getattr(section, key)
        path, given = above + key, key in section.model_fields_set
        sections = value if isinstance(value, dict) else {}
        if isinstance(value, BaseModel):
            yield from _rows(value, f"{path}.")
        elif sections and all(isinstance(inner, BaseModel) for inner in sections.values()):
            for name, inner in sections.items():
                yield from _rows(inner, f"{path}.{name}.")
        else:
            yield (
                path,
                _as_yaml(section.model_dump(mode="json")[key]),
                given,
                field.description or "",
            )


def _as_yaml(value: Any) -> str:
    """A value on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=float("inf"))
    return text.removesuffix("\n").removesuffix("\n...")
