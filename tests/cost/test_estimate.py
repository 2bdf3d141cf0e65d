import pytest

from optimetal.config.project import read_project
from optimetal.config.studies import Plan
from optimetal.cost.estimate import START, Estimate, Sizes, makespan
from optimetal.database.validate import PUBLISHED_SPLITS
from tests.cost.conftest import make_project


@pytest.fixture
def estimate(project, workloads, machine):
    return Estimate(project, workloads, machine)


def seconds(project, workloads, machine, **changes):
    """Of a training like the first of the plan."""
    run = next(iter(Plan(project).runs.values()))
    training = {key: changes.pop(key) for key in ("epochs", "batch_size") if key in changes}
    run = run.model_copy(update={**changes, "training": run.training.model_copy(update=training)})
    return Estimate(project, workloads, machine).seconds(run)


def test_distinct_trainings_are_those_of_the_plan(estimate, project):
    known = [job for job in estimate.jobs if job.study != "pooling"]
    assert sorted(job.name for job in known) == sorted(Plan(project).runs)


def test_a_training_of_two_studies_counts_once(estimate):
    width = estimate.studies["width"]
    assert (width.trainings, width.new) == (6, 4)
    assert 0 < width.new_hours < width.hours
    assert sum(cost.new_hours for cost in estimate.studies.values()) == pytest.approx(
        estimate.hours
    )


def test_searches_are_counted_with_their_trials(estimate):
    pooling = estimate.studies["pooling"]
    assert (pooling.trainings, pooling.new, pooling.trials) == (2, 2, 10)
    assert not pooling.is_known
    trainings = sum(map(estimate.seconds, estimate.trainings("pooling")))
    # 5 trials of 4 epochs cost two trainings of 10
    assert 3600 * pooling.hours == pytest.approx(3 * trainings)


def test_a_study_of_best_settings_has_all_combinations(workloads, machine):
    follows = {
        "models": ["2b"],
        "num_train": [40],
        "best_of": {"pooling": 2, "width": 3},
        "seeds": [1],
    }
    project = make_project()
    content = project.model_dump(exclude_unset=True) | {
        "studies": project.model_dump(exclude_unset=True)["studies"]
        | {"best": {**follows, "search": {"trials": 5}}}
    }
    best = Estimate(read_project(content), workloads, machine).studies["best"]
    assert (best.trainings, best.trials) == (6, 30)


def test_seconds_by_hand(project, workloads, machine):
    """D = 20 in batches of 8 are steps of 8, 8 and 4; 10 of 100 crystals validate in one batch."""
    run = next(iter(Plan(project).runs.values()))
    work = workloads.of(run.architecture)
    steps = 2 * machine.training.seconds(work, 8) + machine.training.seconds(work, 4)
    epoch = steps + machine.validation.seconds(work, 10)
    assert Estimate(project, workloads, machine).seconds(run) == pytest.approx(10 * epoch)


def test_more_epochs_crystals_and_width_cost_more(project, workloads, machine):
    common = project, workloads, machine
    base = seconds(*common)
    assert seconds(*common, epochs=20) == pytest.approx(2 * base)
    assert seconds(*common, num_train=40) > base
    assert seconds(*common, batch_size=16) < base
    by_width = [
        job for job in Estimate(*common).jobs if job.study == "width" and "seed1" in job.name
    ]
    wide, narrow = sorted(by_width, key=lambda job: job.num_params, reverse=True)
    assert wide.seconds > narrow.seconds


@pytest.mark.parametrize(
    ("jobs", "parallel", "expected"), [([4, 3, 3], 1, 10), ([4, 3, 3], 2, 6), ([4, 3, 3], 9, 4)]
)
def test_makespan(jobs, parallel, expected):
    assert makespan(jobs, parallel) == expected


def test_wall_time_is_bounded_by_the_work_and_the_longest_job(estimate):
    count, longest = len(estimate.jobs), estimate.longest.seconds
    total = 3600 * estimate.hours + START * count
    assert 3600 * estimate.wall_hours(1) == pytest.approx(total)
    assert 3600 * estimate.wall_hours(count) == pytest.approx(longest + START)
    assert total / 3 <= 3600 * estimate.wall_hours(3) <= total / 3 + longest + START


def test_classes_hold_every_job_once(estimate, machine):
    slow = machine.training.model_copy(update={"kernel": 5.0})  # hundreds of kernels: jobs of hours
    mixed = Estimate(
        estimate.project, estimate.workloads, machine.model_copy(update={"training": slow})
    )
    for one in (estimate, mixed):
        classes = one.classes()
        assert sum(map(len, classes)) == len(one.jobs)
    assert not mixed.classes()[0]
    assert not estimate.classes()[-1]


def test_disk_grows_with_runs_and_crystals(estimate, project, workloads, machine):
    disk = estimate.disk(2)
    assert disk.total == pytest.approx(sum(vars(disk).values()))
    assert estimate.disk(4).checkpoints > disk.checkpoints
    assert estimate.disk(4).runs == disk.runs
    weights = 4 * sum(job.num_params for job in estimate.jobs)
    assert weights < disk.runs < weights + 1e6 * len(estimate.jobs)
    larger = make_project(database={"source": "surrogate", "surrogate": {"num_crystals": 200}})
    assert Estimate(larger, workloads, machine).disk(2).graphs == pytest.approx(2 * disk.graphs)


def test_sizes_of_databases(project):
    assert Sizes.of(project) == Sizes(80, 10, 10)
    published = make_project(database={"source": "figshare_full"})
    assert Sizes.of(published).train == PUBLISHED_SPLITS["train"]
