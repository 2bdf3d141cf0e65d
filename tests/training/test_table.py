"""The table of all runs."""

import json

import pytest

from optimetal.scaling.fits import in_study
from optimetal.training.table import collect_runs


def write(folder, name, **values):
    path = folder / name / "metrics.json"
    path.parent.mkdir(parents=True)
    model = name.split("/")[0]
    content = {"run": name, "model": model, "source": "ab initio", "val_loss": 1.0, **values}
    path.write_text(json.dumps(content))
    return path


def test_one_row_per_run_with_its_studies(tmp_path):
    files = [write(tmp_path, name) for name in ("b/two", "a/one")]
    runs = collect_runs(
        files, {"data": ["a/one", "b/two"], "grid": ["b/two"]}, {"a": "Model A", "b": "Model B"}
    )
    assert runs["run"].tolist() == ["a/one", "b/two"]
    assert runs["label"].tolist() == ["Model A", "Model B"]
    assert [list(studies) for studies in runs["studies"]] == [["data"], ["data", "grid"]]
    runs.to_parquet(tmp_path / "runs.parquet")
    import pandas as pd

    assert in_study(pd.read_parquet(tmp_path / "runs.parquet"), "grid")["run"].tolist() == ["b/two"]


def test_kinds_of_data_are_not_mixed(tmp_path):
    files = [write(tmp_path, "a/one"), write(tmp_path, "a/two", source="surrogate, not ab initio")]
    with pytest.raises(ValueError, match="one kind of data"):
        collect_runs(files, {"data": ["a/one"]}, {"a": "A"})


def test_a_damaged_file_is_named(tmp_path):
    file = write(tmp_path, "a/one")
    file.write_text("{")
    with pytest.raises(ValueError, match=r"one/metrics.json.*delete this folder"):
        collect_runs([file], {"data": ["a/one"]}, {"a": "A"})
