"""The configuration of the published study."""

from pathlib import Path

import pytest
import yaml

from optimetal.config.project import ConfigurationError, read_project
from optimetal.config.published import REFERENCE_WIDTH, STUDIES, read_published_project

CONFIG = Path(__file__).parents[2] / "config"


@pytest.fixture
def config():
    return yaml.safe_load((CONFIG / "published.yaml").read_text())


def test_the_shipped_configuration_is_valid_and_downloads(config):
    project = read_published_project(config)
    assert project.published.folder is None
    assert len(project.published.commit) == 40
    assert project.scaling.laws[-1] == "bnsl"


def test_the_studies_are_those_of_the_paper():
    paper = read_project(yaml.safe_load((CONFIG / "paper.yaml").read_text()))
    assert set(STUDIES) <= set(paper.studies)  # and those of architectures
    for name, study in STUDIES.items():
        ours = paper.studies[name]
        assert (set(study.models), study.num_train, study.widths, study.seeds, study.fit) == (
            *(set(ours.models), ours.num_train, ours.widths, ours.seeds, ours.fit),
        )
        assert study.learning_rate_exponents == ours.learning_rate_exponents
    assert paper.models["2b_tc"].reference_width == REFERENCE_WIDTH


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"published": {"comit": "0"}}, "published.comit: unknown key; did you mean .commit"),
        ({"published": {"commit": "main"}}, "published.commit: .*got 'main'"),
        ({"scaling": {"laws": ["cubic"]}}, "unknown ..cubic..; known: power"),
        ({"database": {}}, "database: unknown key"),
    ],
)
def test_errors_name_the_key(config, section, message):
    with pytest.raises(ConfigurationError, match=message):
        read_published_project({**config, **section})
