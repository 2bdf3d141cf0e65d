"""All settings in one table."""

from pathlib import Path

import pytest
import yaml

from optimetal.config.project import read_project
from optimetal.config.table import all_settings

CONFIG = Path(__file__).parents[2] / "config"


@pytest.fixture(scope="module")
def given():
    return yaml.safe_load((CONFIG / "test.yaml").read_text())


@pytest.fixture(scope="module")
def table(given):
    return all_settings(read_project(given)).set_index("setting")


def paths(section, above=""):
    """Paths of the single values of nested dictionaries."""
    for key, value in section.items():
        if isinstance(value, dict):
            yield from paths(value, f"{above}{key}.")
        else:
            yield above + key


def test_every_given_setting_is_there_with_its_value(given, table):
    assert table.index.is_unique
    for path in paths({key: given[key] for key in ("database", "splits", "training", "scaling")}):
        value = given
        for key in path.split("."):
            value = value[key]
        assert yaml.safe_load(table.loc[path, "value"]) == value
        assert table.loc[path, "given"]


def test_defaults_are_told_apart(table):
    assert not table.loc["graphs.cutoff", "given"]
    assert yaml.safe_load(table.loc["graphs.cutoff", "value"]) == 5.5
    assert "Longest edge" in table.loc["graphs.cutoff", "meaning"]
    assert (table["meaning"] != "").drop([p for p in table.index if p.endswith(".type")]).all()


def test_sections_by_name_have_rows_of_their_own(table):
    assert table.loc["models.2b_tc.architecture.message_passing.type", "value"] == "transformer"
    assert table.loc["studies.grid.fit", "value"] == "grid"
    assert table.loc["studies.grid.search", "value"] == "null"
    assert table.loc["studies.node_embedding.search.trials", "value"] == "2"


def test_lists_and_mappings_stand_on_one_line(table):
    assert table.loc["studies.grid.widths", "value"] == "[4, 8]"
    varied = yaml.safe_load(table.loc["studies.node_embedding.vary", "value"])
    assert list(varied) == ["architecture.node_embedding"]
    assert not table["value"].str.contains("\n").any()
