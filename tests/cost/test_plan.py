"""The command: optimetal plan."""

import json

import pytest
import yaml
from typer.testing import CliRunner

from optimetal.cli import app
from optimetal.cost import machine as machines
from tests.cost.conftest import CONFIG


@pytest.fixture(autouse=True)
def file(tmp_path, monkeypatch):
    path = tmp_path / "machines.json"
    monkeypatch.setattr(machines, "machines_file", lambda: path)
    return path


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG)
    return path


def plan(*arguments):
    result = CliRunner().invoke(app, ["plan", *map(str, arguments)])
    return result.exit_code, result.output


def test_tables(config):
    code, output = plan(config, "--jobs", 3)
    assert code == 0, output
    rows = [line.split() for line in output.splitlines()]
    assert ["data", "8", "8"] in [row[:3] for row in rows]
    assert ["width", "6", "4"] in [row[:3] for row in rows]
    assert ["pooling", "*", "2", "2", "10"] in [row[:5] for row in rows]
    assert "on 3 cores" in output
    assert "Not measured on this device" in output


def test_json_holds_the_same_numbers(config):
    code, output = plan(config, "--json", "-j", 2)
    assert code == 0, output
    report = json.loads(output)
    assert report["num_jobs"] == sum(part["jobs"] for part in report["queue"]) == 8 + 4 + 2 + 2
    assert report["hours"] == pytest.approx(sum(part["hours"] for part in report["queue"]))
    assert report["machine"]["is_measured"] is False
    assert report["disk_bytes"]["total"] > report["disk_bytes"]["runs"] > 0


def test_a_measured_machine_is_chosen_by_name(config, machine):
    gpu = machine.model_copy(update={"device": "NVIDIA H100", "kind": "gpu"})
    machines.keep_machine(gpu)
    code, output = plan(config, "--machine", "h100")
    assert code == 0, output
    assert "GPU-hours" in output
    assert "Measured on NVIDIA H100" in output
    code, output = plan(config, "--machine", "A100")
    assert code == 1
    assert "Known: NVIDIA H100" in output


def test_calibration_is_kept_and_used_by_the_next_plan(config, file, machine, monkeypatch):
    name = machines.machine_name(machines.torch.device("cpu"))
    here = machine.model_copy(update={"device": name})
    monkeypatch.setattr("optimetal.cli.plan.calibrate", lambda *_: here)
    content = yaml.safe_load(CONFIG)
    content["training"]["device"] = "cpu"
    config.write_text(yaml.safe_dump(content))
    code, output = plan(config, "--calibrate")
    assert code == 0, output
    assert f"Measured {name}" in output
    assert file.exists()
    code, output = plan(config)
    assert f"Measured on {name}" in output


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("published: {}", "is none"),
        ("a: [", "Expected YAML"),
        ("trainign: {}", "trainign: unknown key"),
    ],
)
def test_other_files_are_refused(config, text, message):
    config.write_text(text)
    code, output = plan(config)
    assert code == 1
    assert message in output
