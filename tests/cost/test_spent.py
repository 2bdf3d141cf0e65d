"""What a project has cost, study by study."""

import pandas as pd
import pytest

from optimetal.cost.published import ALL_GPU_HOURS, GPU_HOURS
from optimetal.cost.spent import ALL, read_trials, spent

RUNS = pd.DataFrame(
    {
        "run": ["a", "b", "c"],
        "studies": [["sizes"], ["sizes", "grid"], ["grid"]],
        "seconds": [3600.0, 7200, 1800],
        "processes": [1, 1, 4],
        "gpu_hours": [0.25, 0.5, 2.0],  # a and b share a GPU with others
        "source": "surrogate, not ab initio",
    }
)
TRIALS = {
    "m/x": pd.DataFrame({"seconds": [1800.0, 0, 1800], "gpu_hours": [0.5, 0, 0.5]}),
    "m/y": pd.DataFrame({"seconds": [3600.0], "gpu_hours": [1.0]}),
}
SEARCHES = {"grid": ["m/x"], "best": ["m/x", "m/y"]}
LABELS = {"sizes": "Sizes", "grid": "Grid", "best": "Best"}


def test_everything_counts_once():
    table = spent(RUNS, TRIALS, SEARCHES, LABELS).set_index("study")
    assert table.index.tolist() == ["Sizes", "Grid", "Best", ALL]
    assert table["trainings"].tolist() == [2, 2, 0, 3]
    assert table["new"].tolist() == [2, 1, 0, 3]
    assert table["trials"].tolist() == [0, 3, 1, 4]
    assert table["training_hours"].tolist() == [3.0, 2.0, 0.0, 5.0]
    assert table["trial_hours"].tolist() == [0.0, 1.0, 1.0, 2.0]
    assert table["hours"].tolist() == [3.0, 3.0, 1.0, 7.0]
    assert table["gpu_hours"].tolist() == [0.75, 3.0, 1.0, 4.75]


@pytest.mark.parametrize("source", ["ab initio", "ab initio (published)"])
def test_only_ab_initio_studies_stand_beside_the_published_one(source):
    table = spent(RUNS.assign(source=source), TRIALS, SEARCHES, LABELS)
    published = table["published_gpu_hours"].tolist()
    assert published[1::2] == [GPU_HOURS["grid"], ALL_GPU_HOURS]
    assert pd.isna(published[0])
    assert pd.isna(published[2])
    assert "published_gpu_hours" not in spent(RUNS, TRIALS, SEARCHES, LABELS)


def test_searches_are_named_like_their_folders(tmp_path):
    file = tmp_path / "searches" / "m" / "x" / "trials.csv"
    file.parent.mkdir(parents=True)
    TRIALS["m/x"].to_csv(file, index=False)
    (name,), (table,) = zip(*read_trials([file]).items(), strict=True)
    assert name == "m/x"
    assert table["seconds"].sum() == 3600
