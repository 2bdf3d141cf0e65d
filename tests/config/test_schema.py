"""The JSON schema of configurations."""

from pathlib import Path

import jsonschema
import pytest
import yaml

from optimetal.config import schema

CONFIGS = sorted((Path(__file__).parents[2] / "config").glob("*.yaml"))


@pytest.fixture(scope="module")
def validator():
    return jsonschema.Draft202012Validator(yaml.safe_load(schema.FILE.read_text(encoding="utf-8")))


def test_the_file_is_current():
    written = schema.FILE.read_text(encoding="utf-8")
    message = f"{schema.FILE.name} is out of date: run python -m optimetal.config.reference"
    assert written == schema.schema(), message


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_shipped_configurations_agree_with_it(validator, path):
    validator.validate(yaml.safe_load(path.read_text()))


def test_it_finds_misspelt_keys_and_wrong_values(validator):
    config = yaml.safe_load(CONFIGS[0].read_text())
    wrong = config | {"trianing": {}, "training": {"epochs": 0}}
    found = " ".join(error.message for error in validator.iter_errors(wrong))
    assert "trianing" in found
    assert "0 is less than" in found
