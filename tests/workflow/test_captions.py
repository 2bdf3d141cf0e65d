"""The front page of the report, without a report."""

from pathlib import Path
from types import SimpleNamespace

import jinja2
import yaml

ROOT = Path(__file__).parents[2]


def test_the_front_page_says_where_a_study_takes_its_learning_rate_from():
    config = yaml.safe_load((ROOT / "config" / "test.yaml").read_text())
    template = (ROOT / "workflow" / "report" / "workflow.rst").read_text()
    page = jinja2.Template(template).render(snakemake=SimpleNamespace(config=config), categories=[])
    (line,) = [part for part in page.split(";") if "**Fitted rate**" in part]
    assert "with the learning-rate exponent that learning rate scaling gives" in line
    assert page.count("learning-rate exponent that") == 1
