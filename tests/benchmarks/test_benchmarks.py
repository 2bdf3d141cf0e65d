"""The benchmarks run, agree with themselves and write what they promise."""

import json
import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from torch.autograd import DeviceType
from torch.autograd.profiler_util import FunctionEvent

from benchmarks import __main__ as benchmarks
from benchmarks import data, gpu, jobs, networks
from benchmarks.crystals import PUBLISHED_SIZES, benchmark_records, crystals_of_published_sizes
from benchmarks.report import WANTED, epochs_table, markdown_table
from benchmarks.timing import Comparison, compare, peak_megabytes

REQUIRED = {
    *("train_2b_tc_w256", "train_2b_cgc_w256", "train_3b_tc_w256", "infer_3b_tc_w256"),
    *("train_optimate", "train_3b_tc_w16", "evaluate", "open_data", "build_graphs"),
}
FILES_OF_A_GPU = ("results_gpu.json", "epochs_gpu.json")


def test_crystals_have_the_published_sizes():
    crystals = list(crystals_of_published_sizes(300, seed=1))
    sizes = [len(crystal.atomic_numbers) for crystal in crystals]
    assert set(sizes) <= set(PUBLISHED_SIZES)
    mean = np.average(list(PUBLISHED_SIZES), weights=list(PUBLISHED_SIZES.values()))
    assert sum(PUBLISHED_SIZES.values()) == 201_361
    assert np.mean(sizes) == pytest.approx(
        mean, abs=4 * 2.2 / 300**0.5
    )  # of the mean's own scatter
    again = next(crystals_of_published_sizes(1, seed=1))
    np.testing.assert_array_equal(again.positions, crystals[0].positions)


def test_a_comparison_refuses_other_results():
    def never_same(plain, ours):
        np.testing.assert_allclose(plain, ours)

    same = Comparison("sums", 10, lambda: sum(range(3000)), lambda: 4498500, never_same)
    row = compare(same)
    assert row["ratio"] > 1
    assert row["plain_ms"] > row["ours_ms"] > 0
    with pytest.raises(AssertionError):
        compare(Comparison("sums", 10, lambda: 1, lambda: 2, never_same))


def test_memory_is_that_of_the_call():
    assert 60 < peak_megabytes(partial, np.ones, 8 * 2**20) < 100  # 64 MB


def test_all_measurements_are_there(tmp_path):
    data.write_inputs(tmp_path, 4)
    names = [name for name, _ in data.comparisons(tmp_path)]
    names += [name for name, _ in networks.comparisons(tmp_path, "cpu")]
    names += [name for name, _ in jobs.comparisons(tmp_path, "cpu")]
    assert len(names) == len(set(names))
    assert {*REQUIRED, *WANTED} <= set(names)


def test_measuring_some_writes_results_and_table(tmp_path, monkeypatch):
    page = "# Title\n\n<!-- begin results.json -->\nold\n<!-- end results.json -->\n\nWords.\n"
    (tmp_path / "RESULTS.md").write_text(page)
    monkeypatch.setattr(benchmarks, "HERE", tmp_path)
    only = "gather_batch|infer_2b_tc_w16$"
    command = ["benchmarks", "--crystals", "256", "--threads", "1", "--only", only]
    monkeypatch.setattr("sys.argv", command)
    benchmarks.main()
    written = json.loads((tmp_path / "results.json").read_text())
    assert set(written["results"]) == {"gather_batch", "infer_2b_tc_w16"}
    row = written["results"]["infer_2b_tc_w16"]
    assert row["plain_mflop"] > row["ours_mflop"] > 0
    text = (tmp_path / "RESULTS.md").read_text()
    assert markdown_table(written["machine"], written["results"]) in text
    assert text.startswith("# Title\n") and text.endswith("\nWords.\n") and "old" not in text


def event(start_us, end_us, device=DeviceType.CUDA, **words):
    """What a profiler records."""
    settings = {"id": 0, "name": "", "thread": 0, "start_us": start_us, "end_us": end_us}
    return FunctionEvent(**settings, device_type=device, **words)


def test_a_device_is_busy_while_at_least_one_kernel_runs():
    events = [
        event(50, 60),
        event(0, 10),
        event(5, 20),  # on another stream
        event(6, 8),
        event(0, 90, is_user_annotation=True),
        event(20, 50, device=DeviceType.CPU),
    ]
    assert gpu.busy_seconds(events, "cuda") == pytest.approx(30e-6)
    assert gpu.busy_seconds([], "cuda") == 0


def test_epochs_are_measured_wherever_the_network_is(tmp_path, monkeypatch):
    """On a CPU, where nobody wants the numbers, by the way that a GPU takes."""
    data.write_inputs(tmp_path, 4)
    monkeypatch.setattr(gpu, "EPOCHS", 1)
    only = re.compile("epoch_2b_.*_w16$")
    results = dict(gpu.epochs(tmp_path, "cpu", only))
    assert set(results) == {"epoch_2b_cgc_w16", "epoch_2b_tc_w16"}
    for result in results.values():
        # a step of four crystals takes from 0.1 ms to 4 s
        assert 4 < result["seconds_per_epoch"] < 160_728
        assert 0 < result["utilisation"] <= 1
        assert result["peak_memory_mb"] > 0
    (row,) = [line for line in epochs_table({}, results).splitlines() if "| 16 | 2B TC" in line]
    assert "%" in row and row.endswith(" MB |")


def test_the_table_of_epochs_has_no_number_that_was_not_measured():
    """All networks from the narrowest to the widest have a row, filled from the file of results alone."""
    page = (Path(benchmarks.HERE) / "RESULTS.md").read_text()
    shown = page.split("<!-- begin epochs_gpu.json -->\n")[1].split("\n<!-- end epochs_gpu.json")[0]
    file = Path(benchmarks.HERE) / "epochs_gpu.json"
    kept = json.loads(file.read_text()) if file.exists() else {"machine": None, "results": {}}
    assert shown == epochs_table(kept["machine"], kept["results"])
    assert [w for w in (16, 64, 256, 1024) for _ in range(3)] == [
        int(width) for width in re.findall(r"^\| (\d+) \|", shown, re.MULTILINE)
    ]


def test_a_gpu_fills_tables_of_its_own(tmp_path, monkeypatch):
    (tmp_path / "RESULTS.md").write_text(
        "".join(f"<!-- begin {f} -->\n<!-- end {f} -->\n" for f in FILES_OF_A_GPU)
    )
    result = {"seconds_per_epoch": 12.34, "utilisation": 0.567, "peak_memory_mb": 890.1}
    monkeypatch.setattr(benchmarks, "HERE", tmp_path)
    monkeypatch.setattr(benchmarks, "machine", lambda _: {"device": "H100"})
    monkeypatch.setattr(data, "write_inputs", lambda *_: None)
    monkeypatch.setattr(benchmarks, "measured", lambda *_: [])
    monkeypatch.setattr(gpu, "epochs", lambda *_: [("epoch_3b_tc_w64", result)])
    monkeypatch.setattr("sys.argv", ["benchmarks", "--device", "cuda"])
    benchmarks.main()
    page = (tmp_path / "RESULTS.md").read_text()
    assert "Measured with device H100." in page
    assert "| 64 | 3B TC | 12.3 s | 57% | 890 MB |\n" in page
    assert json.loads((tmp_path / "epochs_gpu.json").read_text())["results"] == {
        "epoch_3b_tc_w64": result
    }


def test_records_are_complete():
    record = next(benchmark_records(1))
    assert np.isfinite(record.eps_inter).all() and (record.eps_inter.imag >= 0).all()
    assert record.source == "invented for benchmarks"
