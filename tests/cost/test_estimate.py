import pytest

from optimetal.config.project import read_project
from optimetal.config.studies import Plan
from optimetal.cost.estimate import START, Estimate, Sizes, makespan
from optimetal.database.figshare import UNPACKED_RATIO
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
    known = Plan(project).runs
    assert [job.name for job in estimate.jobs[: len(known)]] == list(known)
    assert len(estimate.jobs) == len(known) + 2 + 2  # trainings and searches of `pooling`


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
        "best_of": {"pooling": 2},
        "seeds": [1],
    }
    project = make_project()
    content = project.model_dump(exclude_unset=True) | {
        "studies": project.model_dump(exclude_unset=True)["studies"]
        | {"best": {**follows, "search": {"trials": 5}}}
    }
    best = Estimate(read_project(content), workloads, machine).studies["best"]
    assert (best.trainings, best.trials) == (2, 10)


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
    by_width = {part.name: part for part in Estimate(*common).parts}
    wide, narrow = (by_width[f"2b/data40_width{width}_lr0.001_seed1"] for width in (32, 8))
    assert wide.seconds > narrow.seconds


@pytest.mark.parametrize(
    ("jobs", "parallel", "expected"),
    [
        ([(4, 1), (3, 1), (3, 1)], 1, 10),
        ([(4, 1), (3, 1), (3, 1)], 2, 6),
        ([(4, 1), (3, 1), (3, 1)], 9, 4),
        ([(4, 1), (3, 2), (3, 1)], 2, 10),
        ([(4, 9), (3, 1)], 2, 7),
    ],
)
def test_makespan(jobs, parallel, expected):
    assert makespan(jobs, parallel) == expected


def packed(workloads, machine, **packing):
    return Estimate(make_project(packing=packing), workloads, machine)


def test_packed_trainings_are_those_of_the_workflow(estimate, workloads, machine):
    packs = packed(workloads, machine, trainings=5)
    known = {
        job.name: {part.name for part in job.parts} for job in packs.jobs if "known" in job.name
    }
    runs = packs.plan.runs
    assert known == {name: set(pack) for name, pack in packs.plan.packs("known", runs).items()}
    assert sum(len(job.parts) for job in packs.jobs) == len(estimate.jobs)
    assert len(packs.jobs) == 3 + 1 + 2  # known ones, those of `pooling`, its searches
    assert packs.hours == pytest.approx(estimate.hours)
    saved = START * (len(estimate.jobs) - len(packs.jobs))
    assert 3600 * (estimate.wall_hours(1) - packs.wall_hours(1)) == pytest.approx(saved)


def test_trainings_of_a_pack_share_cores_but_not_a_gpu(workloads, machine):
    one = packed(workloads, machine, trainings=12)
    two = packed(workloads, machine, trainings=12, at_once=2)
    gpu = packed(workloads, machine.model_copy(update={"kind": "gpu"}), trainings=12, at_once=2)
    longest = {
        name: max(estimate.jobs, key=lambda job: len(job.parts))
        for name, estimate in (("one", one), ("two", two), ("gpu", gpu))
    }
    assert [job.places for job in longest.values()] == [1, 2, 1]
    assert longest["two"].seconds < 0.7 * longest["one"].seconds
    assert longest["gpu"].seconds == pytest.approx(longest["one"].seconds)
    assert longest["two"].hours == pytest.approx(longest["one"].hours)


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
    weights = 4 * sum(part.num_params for part in estimate.parts)
    assert weights < disk.runs < weights + 1e6 * len(estimate.parts)
    larger = make_project(database={"source": "surrogate", "surrogate": {"num_crystals": 200}})
    assert Estimate(larger, workloads, machine).disk(2).graphs == pytest.approx(2 * disk.graphs)


def test_databases_have_sizes_of_their_own(workloads, machine, tmp_path):
    sources = {
        "figshare_full": {},
        "figshare_ml": {},
        "folder": {"folder": str(tmp_path)},
    }
    disks = {
        source: Estimate(
            make_project(database={"source": source, **more}), workloads, machine
        ).disk(1)
        for source, more in sources.items()
    }
    full, ml, own = disks.values()
    assert full.database == pytest.approx(79e9, rel=0.01)  # 201,361 entries of 394 kB
    assert full.archives == pytest.approx(full.database / UNPACKED_RATIO)
    assert ml.database == ml.archives == pytest.approx(4e9, rel=0.01)
    assert own.database == own.archives == 0  # there already
    assert full.graphs == ml.graphs == own.graphs


def test_sizes_of_databases(project):
    assert Sizes.of(project) == Sizes(80, 10, 10)
    published = make_project(database={"source": "figshare_full"})
    assert Sizes.of(published).train == PUBLISHED_SPLITS["train"]
