"""What the documentation shows is true: its code runs, its options exist, and the site is built without a warning."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import matplotlib as mpl
import pytest
import torch
import yaml
from typer.testing import CliRunner

from optimetal.cli import app
from optimetal.config.project import read_project
from optimetal.inference.models import SEARCH_PATH
from optimetal.models import build_model
from optimetal.models.weights import save_model

mpl.use("Agg")

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").rglob("*.md"))


def blocks(page, language):
    """Code blocks of a page."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


@pytest.fixture
def newcomer(tmp_path, monkeypatch, small_architectures):
    """A folder with the examples, and one small fresh model of two members that is found."""
    for seed in (1, 2):
        torch.manual_seed(seed)
        card = {"seed": seed, "source": "surrogate, not ab initio"}
        file = tmp_path / "models" / "small" / f"seed{seed}.safetensors"
        save_model(build_model(small_architectures["2b_cgconv"]), file, card)
    monkeypatch.setenv(SEARCH_PATH, str(tmp_path / "models"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")


@pytest.mark.parametrize(
    "page", [page for page in PAGES if blocks(page, "python")], ids=lambda page: page.stem
)
def test_python_runs(page, newcomer):
    program = "\n".join(blocks(page, "python"))
    exec(compile(program, page.name, "exec"), {})


def commands():
    """Every line of the pages that calls ``optimetal``."""
    text = "\n".join(block for page in PAGES for block in blocks(page, "sh"))
    return sorted(set(re.findall(r"^optimetal .*", text, re.MULTILINE)))


@pytest.mark.parametrize("line", commands())
def test_options_exist(line):
    command, *words = line.partition("#")[0].split()[1:]
    shown = CliRunner().invoke(app, [command, "--help"])
    assert shown.exit_code == 0
    for option in (word for word in words if word[0] == "-"):
        assert re.search(rf"(?<![\w-]){option}(?![\w-])", shown.output), option


def test_example_study_is_valid():
    example = blocks(ROOT / "docs" / "studies.md", "yaml")[0]
    project = read_project(yaml.safe_load(example))
    assert project.studies["data_scaling"].fit == "num_train"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, and what building it said."""
    for package in ("mkdocs", "material", "mkdocstrings_handlers", "ziamath"):
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed: pip install -e '.[docs]'")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", folder]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    return folder, done


def test_site_is_built_without_a_word(site):
    _, done = site
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_reader_needs_no_network(site):
    folder, _ = site
    pages = {page: page.read_text() for page in folder.rglob("*.html")}
    assert len(pages) > len(PAGES)  # the command line and "not found" as well
    outside = r'<(?:script|img|iframe)[^>]*src="(?:https?:)?//|<link[^>]*href="(?:https?:)?//[^"]*"'
    assert not [page.name for page, text in pages.items() if re.search(outside, text)]


def test_formulae_and_tables_are_drawn(site):
    folder, _ = site
    models = (folder / "models.html").read_text()
    assert 'aria-label="e_{ij}"' in models
    assert r'class="arithmatex"' not in models
    assert "8,268,707" in models  # parameters of the published OptiMetal2B (CGC)
    assert ":math:" not in (folder / "reference" / "python" / "optics.html").read_text()
