"""The command line."""

import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from optimetal.cli import app
from optimetal.compat import architecture_from_published, load_published
from optimetal.models import build_model
from optimetal.models.weights import load_model

PLAIN = {
    "type": "optimetal_2b_no_residual",
    "node_embedding_dict": {"type": "group_period"},
    "edge_embedding_dict": {"type": "gaussian", "num_basis": 4},
    "message_passing_dict": {"num_layers": 1, "heads": 2},
    "pooling_dict": {"type": "mean"},
    "hidden_dim": 4,
    "spectra_dim": 4,
    "depth": 1,
}


@pytest.fixture
def weights():
    torch.manual_seed(0)
    state = build_model(architecture_from_published(PLAIN)).state_dict()
    heads = {"heads.eps_inter.mlp": "spectra_mlp", "heads.drude_frequency.mlp": "drude_mlp"}
    for ours, theirs in {"trunk.": "", **heads}.items():
        state = {key.replace(ours, theirs): value for key, value in state.items()}
    return state


@pytest.fixture
def checkpoint(tmp_path, weights):
    config = {"architecture": PLAIN, "seed": 1, "num_train_data": 2500}
    content = {"epoch": 12, "model_state_dict": weights, "config_dict": config, "precision": None}
    torch.save(content, tmp_path / "old.pt")
    return tmp_path / "old.pt"


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_version():
    result = run("--version")
    assert (result.exit_code, result.output) == (0, f"optimetal {version('optimetal')}\n")


def test_help_names_the_commands():
    assert "convert-checkpoint" in run("--help").output
    assert "--force" in run("convert-checkpoint", "--help").output


def test_a_checkpoint_is_converted(checkpoint, weights, tmp_path):
    new = tmp_path / "folder" / "new.safetensors"
    result = run("convert-checkpoint", checkpoint, new)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == f"wrote {new}: optimetal_2b_no_residual, epoch 12\n"
    network, architecture, card = load_model(new)
    assert architecture.hidden_dim == 4
    assert (card["seed"], card["num_train"], card["precision"]) == (1, 2500, "fp32")
    for name, values in load_published(PLAIN, weights).state_dict().items():
        assert torch.equal(network.state_dict()[name], values)


def test_nothing_is_overwritten_without_being_told_to(checkpoint, tmp_path):
    new = tmp_path / "new.safetensors"
    new.write_text("precious")
    result = run("convert-checkpoint", checkpoint, new)
    assert result.exit_code == 1
    assert result.stderr == f"error: {new} exists: overwrite it with --force\n"
    assert new.read_text() == "precious"
    assert run("convert-checkpoint", checkpoint, new, "--force").exit_code == 0
    assert load_model(new)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file"),
        ([1], "dictionary with `model_state_dict`"),
        ({"model_state_dict": {}, "config_dict": {"architecture": {"type": "a"}}}, "unknown type"),
        (  # a message of several lines
            {"model_state_dict": {}, "config_dict": {"architecture": PLAIN | {"depth": -1}}},
            "optimetal_2b_no_residual.depth Input should be greater than 0",
        ),
        ({"epoch": print}, "refused `builtins.print`"),
    ],
)
def test_faults_are_one_line_and_leave_nothing_behind(tmp_path, content, message):
    old, new = tmp_path / "old.pt", tmp_path / "new.safetensors"
    if content is not None:
        torch.save(content, old)
    result = run("convert-checkpoint", old, new)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert not new.exists()


def test_a_missing_argument_is_a_usage_error():
    assert run("convert-checkpoint", "old.pt").exit_code == 2


def test_as_a_program(checkpoint, tmp_path):
    """What the installed script does, in a process of its own."""
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    assert project["scripts"]["optimetal"] == "optimetal.cli:app"
    code = "import sys; from optimetal.cli import app; sys.argv[0] = 'optimetal'; app()"
    command = [sys.executable, "-c", code, "convert-checkpoint", str(checkpoint)]
    done = subprocess.run([*command, str(tmp_path / "new.safetensors")], check=False)
    assert done.returncode == 0
    assert (tmp_path / "new.safetensors").is_file()
    fault = subprocess.run([*command, str(checkpoint)], capture_output=True, text=True, check=False)
    assert fault.returncode == 1
    assert fault.stderr == f"error: {checkpoint} exists: overwrite it with --force\n"
