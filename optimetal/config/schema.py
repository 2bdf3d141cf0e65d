"""JSON schema of a configuration file, for editors and other programs."""

from pathlib import Path
from typing import Final

import yaml
from pydantic import TypeAdapter

from optimetal.config.project import Project
from optimetal.config.published import PublishedProject

FILE: Final = Path(__file__).parents[2] / "workflow" / "schemas" / "config.schema.yaml"

_HEADER: Final = """# What a configuration may say, for editors; `python -m optimetal.config.reference` writes it
# from the declarations in optimetal/config, which check more than a schema can: Snakemake asks them, not this file.
"""


def schema() -> str:
    """The schema, in YAML: of a study of ours, or of the published one where there is a section ``published``."""
    content = TypeAdapter(Project | PublishedProject).json_schema()
    ours, published = content.pop("anyOf")
    content |= {"if": {"required": ["published"]}, "then": published, "else": ours}
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "OptiMetal"}
    return _HEADER + yaml.safe_dump(
        dialect | content, sort_keys=False, allow_unicode=True, width=120
    )
