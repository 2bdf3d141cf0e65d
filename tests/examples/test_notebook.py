"""The example notebook runs from top to bottom, with small fresh networks, and is stored empty."""

from pathlib import Path

import pytest
import torch

from optimetal.inference.models import SEARCH_PATH
from optimetal.models import build_model
from optimetal.models.weights import save_model

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

NOTEBOOK = Path(__file__).parents[2] / "examples" / "prediction.ipynb"
SOURCE = "surrogate, not ab initio"


@pytest.fixture
def small_models(tmp_path, monkeypatch, small_architectures):
    """A folder of models with one model of two members, which is the one that is found."""
    for seed in (1, 2):
        torch.manual_seed(seed)
        network = build_model(small_architectures["2b_cgconv"])
        card = {"seed": seed, "source": SOURCE, "domain": {"elements": ["Al", "Cu", "Au"]}}
        save_model(network, tmp_path / "small" / f"seed{seed}.safetensors", card)
    monkeypatch.setenv(SEARCH_PATH, str(tmp_path))


@pytest.fixture
def notebook():
    """The notebook as it is stored."""
    return nbformat.read(NOTEBOOK, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_runs_from_top_to_bottom(notebook, small_models):
    resources = {"metadata": {"path": str(NOTEBOOK.parent)}}
    nbclient.NotebookClient(notebook, timeout=120, resources=resources).execute()

    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    text = "\n".join(output.get("text", "") for output in outputs)
    figures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert SOURCE in str(outputs)
    assert "Johnson and Christy" in text  # the measurement of gold
    assert "No crystal of the training set contained Na or Cl" in text
    assert "disordered" in text
    assert len(figures) == 4


def test_is_stored_without_results(notebook):
    """Outputs would be those of one machine's models, and change with every run."""
    assert not [cell for cell in code_cells(notebook) if cell.outputs or cell.execution_count]
