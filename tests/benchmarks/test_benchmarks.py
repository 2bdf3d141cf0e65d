"""The benchmarks run, agree with themselves and write what they promise."""

import json
from functools import partial

import numpy as np
import pytest

from benchmarks import __main__ as benchmarks
from benchmarks import data, jobs, networks
from benchmarks.crystals import PUBLISHED_SIZES, benchmark_records, crystals_of_published_sizes
from benchmarks.report import WANTED, markdown_table
from benchmarks.timing import Comparison, compare, peak_megabytes

REQUIRED = {
    *("train_2b_tc_w256", "train_2b_cgc_w256", "train_3b_tc_w256", "infer_3b_tc_w256"),
    *("train_optimate", "train_3b_tc_w16", "evaluate", "open_data", "build_graphs"),
}


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


def test_records_are_complete():
    record = next(benchmark_records(1))
    assert np.isfinite(record.eps_inter).all() and (record.eps_inter.imag >= 0).all()
    assert record.source == "invented for benchmarks"
