"""The command ``optimetal runs``."""

import importlib
import json
import shutil
from datetime import datetime

import pandas as pd
import pytest
from typer.testing import CliRunner

from optimetal.cli import State, app
from optimetal.processes import this_process

module = importlib.import_module("optimetal.cli.runs")

CONFIG = """
database: {source: surrogate, surrogate: {num_crystals: 24}}
training: {epochs: 4, warmup_epochs: 1}
models:
  2b_tc:
    label: OptiMetal2B (TC)
    architecture: {type: optimetal_2b, hidden_dim: 8, message_passing: {type: transformer}}
studies:
  sizes: {models: [2b_tc], num_train: [4, 8], seeds: [1, 2]}
  heads:
    models: [2b_tc]
    num_train: [8]
    vary: {architecture.message_passing.heads: [4, 8]}
    seeds: [1]
  best: {models: [2b_tc], num_train: [4], best_of: {heads: 1}, seeds: [1]}
evaluation: {study: sizes, models: [2b_tc]}
scaling: {laws: [power], bootstrap_samples: 2}
"""
DONE, FAILED, RUNNING, WAITING = (
    f"2b_tc/data{size}_width8_lr0.001_seed{seed}" for size, seed in ((4, 1), (8, 1), (8, 2), (4, 2))
)
REASON = "TrainingError: Expected a finite loss\nand gradient, " + "got others, " * 10


def write_status(folder, **values):
    folder.mkdir(parents=True, exist_ok=True)
    now = datetime.now().astimezone().isoformat()
    known = {**this_process(), "reason": "", "epoch": 1, "epochs": 4, "updated": now}
    (folder / "status.json").write_text(json.dumps({**known, **values}))


def finish(folder, name):
    write_status(folder / name, state="done", epoch=4)
    outcome = {"run": name, "model": "2b_tc", "epochs": 4, "val_loss": 0.25, "train_loss": 0.2}
    more = {"lr": 1e-3, "recoveries": 0, "seconds": 90.0, "num_train": 4, "source": "invented"}
    (folder / name / "metrics.json").write_text(json.dumps(outcome | more))


@pytest.fixture
def results(tmp_path):
    """Trainings that are done, failed and running, one of another study, and trials."""
    runs, trials = tmp_path / "runs", tmp_path / "searches/2b_tc/data8_width8/trials/abc"
    finish(runs, DONE)
    write_status(runs / FAILED, state="failed", reason=REASON)
    write_status(runs / RUNNING, state="running", val_loss=0.5, lr=3e-4, seconds_per_epoch=40)
    write_status(runs / "other/data4_seed1", state="interrupted", reason="stopped by SIGTERM")
    write_status(trials / "000", state="done")
    write_status(trials / "001", state="running")
    (tmp_path / "config.yaml").write_text(CONFIG)
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(app, ["runs", *map(str, arguments)])


def lines_of(output):
    """First word of a line -> the others."""
    return {line.partition(" ")[0]: line.split()[1:] for line in output.splitlines()[2:]}


def test_one_line_per_training_and_numbers_of_all(results):
    result = run(results)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    states = [line.partition(" ")[0] for line in lines[2:-2]]
    assert states == ["done", "interrupted", "failed", "running", "running"]
    assert lines[2].split()[1:5] == [DONE, "4/4", "━" * 10, "0.25"]
    assert lines[2].endswith("1.5 min")
    assert lines[4].endswith(" ".join(REASON.split()))  # in one line
    assert lines[5].split()[1:6] == [RUNNING, "1/4", "━━╸", "0.5", "0.0003"]
    assert lines[5].endswith("2 min left")
    assert "2b_tc/data8_width8 trial 001" in lines[6]
    assert lines[-2] == "4 trainings: 1 running, 1 failed, 1 interrupted, 1 done"
    assert lines[-1] == "2 trials of searches: 1 running, 1 done"


def test_a_folder_of_trainings_will_do(results):
    assert "4 trainings" in run(results / "runs").stdout
    assert "1 trainings: 1 done" in run(results / "runs" / DONE).stdout


def test_searches_may_come_before_all_trainings(results):
    shutil.rmtree(results / "runs")
    lines = run(results).stdout.splitlines()
    assert "2b_tc/data8_width8 trial 001" in lines[2]
    assert lines[3:] == [
        "No training has started.",
        "2 trials of searches: 1 running, 1 done",
    ]


def test_only_some_states(results):
    result = run(results, "--state", "failed", "--state", "interrupted")
    shown = lines_of(result.stdout)
    assert shown.keys() >= {"failed", "interrupted"}
    assert not {"done", "running"} & shown.keys()
    assert "4 trainings" in result.stdout
    assert run(results, "--state", "great").exit_code == 2


def test_every_state_has_a_style_and_can_be_asked_for():
    assert {state.value for state in State} == set(module._STYLES)


def test_json_has_everything(results):
    told = json.loads(run(results, "--json").stdout)
    assert [row["state"] for row in told["runs"]] == ["done", "interrupted", "failed", "running"]
    assert told["runs"][2]["reason"] == REASON
    assert told["runs"][3] | {"run": RUNNING, "epoch": 1, "val_loss": 0.5} == told["runs"][3]
    assert told["runs"][3]["train_loss"] is None
    assert [row["run"] for row in told["trials"]] == [
        "2b_tc/data8_width8 trial 000",
        "2b_tc/data8_width8 trial 001",
    ]
    told = json.loads(run(results, "--json", "--state", "failed").stdout)
    assert [row["run"] for row in told["runs"]] == [FAILED]


def test_a_configuration_tells_what_has_not_begun(results):
    result = run(results, "--config", results / "config.yaml")
    assert "other/" not in result.stdout
    # of `sizes` one, of `heads` two; those of `best` are not known yet
    assert "6 trainings: 1 running, 1 failed, 3 waiting, 1 done" in result.stdout
    assert WAITING not in result.stdout
    waiting = run(results, "--config", results / "config.yaml", "--state", "waiting").stdout
    assert WAITING in waiting
    found = results / "studies/best/taken_over.json"
    found.parent.mkdir(parents=True)
    settings = [{"architecture.message_passing.heads": 4}]
    found.write_text(json.dumps({"settings": settings}))
    more = run(results, "--config", results / "config.yaml").stdout
    assert "7 trainings" in more


def test_results_are_where_the_configuration_says(results, monkeypatch):
    monkeypatch.chdir(results.parent)
    config = results / "elsewhere.yaml"
    config.write_text(f"pathvars: {{results: {results}}}\n{CONFIG}")
    assert "6 trainings" in run("--config", config).stdout


def test_the_table_is_written_anew_at_any_time(results):
    file = results / "new" / "runs.parquet"
    assert "4 trainings: 1 running, 1 failed" in run(results, "--write", file).stdout
    table = pd.read_parquet(file).set_index("run")
    assert table.loc[FAILED, ["state", "reason"]].tolist() == ["failed", REASON]
    assert table.loc[DONE, ["state", "val_loss"]].tolist() == ["done", 0.25]
    assert table["label"].unique().tolist() == ["2b_tc", None] or set(
        table["studies"].map(len)
    ) == {0}


def test_with_the_configuration_it_is_that_of_the_workflow(results):
    file = results / "runs.parquet"
    result = run(results, "--write", file, "--config", results / "config.yaml")
    assert result.exit_code == 0, result.output
    table = pd.read_parquet(file).set_index("run")
    assert sorted(table.index) == sorted([DONE, FAILED, RUNNING])
    assert list(table.loc[DONE, "studies"]) == ["sizes"]
    assert table.loc[DONE, "label"] == "OptiMetal2B (TC)"
    assert "architecture.message_passing.heads" in table


def test_studies_have_the_order_of_the_configuration(results):
    """As in the workflow, whether their trainings are known beforehand or not."""
    first, _, rest = CONFIG.partition("studies:\n")
    search = "search: {trials: 1, epochs: 1, learning_rates: [1.0e-3], weight_decays: [0.0]}"
    early = f"  tried: {{models: [2b_tc], num_train: [4], seeds: [1], {search}}}\n"
    config = results / "order.yaml"
    config.write_text(f"{first}studies:\n{early}{rest}")
    study, _ = module._study(config, results)
    assert list(study.runs) == ["tried", "sizes", "heads", "best"]


def test_nothing_has_begun(tmp_path):
    result = run(tmp_path)
    assert (result.exit_code, result.stdout) == (0, "No training has started.\n")
    written = run(tmp_path, "--write", tmp_path / "runs.parquet")
    assert written.stdout.endswith("no trainings\n")
    assert pd.read_parquet(tmp_path / "runs.parquet").empty


def test_a_missing_folder_is_named(tmp_path):
    result = run(tmp_path / "missing")
    assert result.exit_code == 1
    assert (
        result.stderr == f"error: Expected a folder of results at {tmp_path}/missing, found none.\n"
    )


@pytest.fixture
def terminal(monkeypatch):
    """Function that makes the output a terminal of some size."""
    console = module.console

    def make(width, height=30):
        def sized():
            made = console()
            made._force_terminal, made._width, made._height = True, width, height
            made._environ = {"TERM": "xterm"}
            return made

        monkeypatch.setattr(module, "console", sized)

    return make


def test_a_narrow_screen_shows_what_matters(results, terminal):
    terminal(80)
    lines = run(results).stdout.splitlines()
    assert all(len(line) <= 80 for line in lines)
    (failed,) = (line for line in lines if FAILED in line)
    assert "TrainingErr" in failed
    assert failed.endswith("…")
    assert "Host" not in lines[0]
    (failed,) = (
        line for line in run(results, "--state", "failed").stdout.splitlines() if FAILED in line
    )
    assert " ".join(REASON.split()) in failed


def test_it_is_watched_until_nothing_runs(results, terminal, monkeypatch):
    terminal(120, height=11)
    looks = []

    def wait(seconds):
        looks.append(seconds)
        if len(looks) == 2:
            finish(results / "runs", RUNNING)
            for trial in results.rglob("trials/abc/001"):
                write_status(trial, state="done")

    monkeypatch.setattr(module.time, "sleep", wait)
    result = run(results, "--watch")
    assert result.exit_code == 0, result.output
    assert looks == [module.INTERVAL] * 2
    assert "... and 1 more above" in result.stdout
    assert "4 trainings: 1 failed, 1 interrupted, 2 done" in result.stdout


def test_ctrl_c_ends_the_watch(results, terminal, monkeypatch):
    terminal(120)

    def interrupted(seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr(module.time, "sleep", interrupted)
    assert run(results, "--watch").exit_code == 0


def test_without_a_terminal_it_is_printed_once(results):
    assert run(results, "--watch").stdout == run(results).stdout
