"""The configuration of a study, from its file."""

from pathlib import Path

import yaml

from optimetal.config.project import Project, read_project


def study_project(config: Path) -> Project:
    """Read a configuration.

    Raises:
        ValueError: If it is not one of a study that trains.
        OSError: If it cannot be read.
    """
    try:
        content = yaml.safe_load(config.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(f"Expected YAML in {config}: {error}") from error
    if not isinstance(content, dict) or "published" in content:
        raise ValueError(f"Expected the configuration of a study that trains, {config} is none.")
    return read_project(content)
