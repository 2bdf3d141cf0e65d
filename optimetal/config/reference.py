"""Reference of all settings, written from their declarations: ``python -m optimetal.config.reference``.

The same command writes their JSON schema.
"""

import types
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from optimetal.config import schema
from optimetal.config.project import Project
from optimetal.config.published import PublishedFiles

PAGE: Final = Path(__file__).parents[2] / "config" / "README.md"

HEADER: Final = """# Configuration

`config.yaml` is the default study (embedded surrogate data, minutes on two cores), `paper.yaml` the published one,
`test.yaml` the smallest that touches every rule; `published.yaml` redraws the published study from its measurements;
`custom.yaml` is a worked example of studies of your own, which vary any settings. Choose one with
`snakemake --configfile config/paper.yaml`; it replaces the default. A misspelt key or a value out of range stops the
run before anything is computed and is named. `workflow/schemas/config.schema.yaml` says the same to editors that
complete and check YAML by a JSON schema.

All settings, with their defaults. Lengths are in Å, energies in eV, counts have no unit.
This page is written by `python -m optimetal.config.reference`.
"""

PUBLISHED_HEADER: Final = """## The published study, `published.yaml`

Tables and figures of the published study from its own measurements (`snakemake paper_figures`). Such a file has the
section `published` and, of those above, `scaling` and `pathvars`.
"""


def page() -> str:
    """The whole page, in Markdown."""
    published = [PUBLISHED_HEADER, *_section("published", PublishedFiles, 3)]
    return "\n".join([HEADER, *_section("", Project, 2), *published]) + "\n"


def _section(path: str, model: type[BaseModel], level: int) -> list[str]:
    """A table of the plain settings of a model, then a section for each model inside it."""
    name = f"`{path}`" if path else "Top level"
    kind = model.model_fields.get("type")
    title = f"{name}, type `{kind.default}`" if kind and path else name
    lines = [f"{'#' * level} {title}", "", _summary(model), ""]
    rows = [_row(key, field) for key, field in model.model_fields.items() if key != "type"]
    if rows:
        lines += ["| key | values | default | meaning |", "|---|---|---|---|", *rows, ""]
    for key, field in model.model_fields.items():
        for inner, suffix in _models(field.annotation):
            lines += _section(
                ".".join(filter(None, [path, key + suffix])), inner, min(level + 1, 5)
            )
    return lines


def _summary(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip().split("\n\n")[0]


def _row(key: str, field: FieldInfo) -> str:
    cells = [f"`{key}`", _values(field), _default(field), field.description or ""]
    return "| " + " | ".join(cell.replace("\n", " ").replace("|", "\\|") for cell in cells) + " |"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel) and hasattr(value, "type"):
        return f"`{{type: {value.type}}}`"  # pyright: ignore[reportAttributeAccessIssue]
    if isinstance(value, BaseModel) or value is PydanticUndefined:
        return "see below"
    return "none" if value in (None, (), {}) else f"`{_plain(value)}`"


def _plain(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_plain, value))}]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _values(field: FieldInfo) -> str:
    bounds = [
        f"{sign} {getattr(limit, name):g}"
        for limit in field.metadata
        for name, sign in {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}.items()
        if getattr(limit, name, None) is not None
    ]
    return ", ".join([_type_name(field.annotation), *bounds])


def _type_name(annotation: Any) -> str:
    """What may be written in YAML for a type."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type_name(arguments[0])
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(map(_type_name, arguments)))
    if origin is tuple:
        inner = [argument for argument in arguments if argument is not Ellipsis]
        return f"list of {_type_name(inner[0])}"
    if origin is dict:
        return "mapping"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "section"
    names = {
        int: "integer",
        float: "number",
        str: "text",
        bool: "true or false",
        type(None): "none",
    }
    return names.get(annotation, "any")


def _models(annotation: Any) -> list[tuple[type[BaseModel], str]]:
    """Models inside a type, each with what stands between its key and theirs."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [(annotation, "")]
    if origin is Annotated:
        return _models(arguments[0])
    if origin in (Union, types.UnionType):
        return [found for argument in arguments for found in _models(argument)]
    if origin is dict:
        return [(model, ".<name>") for model, _ in _models(arguments[1])]
    return []


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    schema.FILE.write_text(schema.schema(), encoding="utf-8")
