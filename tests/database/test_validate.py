"""What a folder of entries holds, and whether it is the published database."""

import logging
import os
import shutil

import pandas as pd
import pytest

from optimetal.database.validate import (
    PUBLISHED_FOLDERS,
    PUBLISHED_SPLITS,
    PlannedEntries,
    check_published,
    deviations,
    take_inventory,
    write_inventory,
)


def test_the_published_numbers_sum_up():
    assert len(PUBLISHED_FOLDERS) == 19
    assert sum(PUBLISHED_FOLDERS.values()) == 201_361
    assert sum(PUBLISHED_SPLITS.values()) == 201_361
    assert PUBLISHED_FOLDERS["database_nsite_4_part_5"] == 14_007
    assert PUBLISHED_FOLDERS["database_nsite_10_part_3"] == 2_387


@pytest.fixture
def folder(tmp_path):
    for part, count in {"database_a": 3, "database_b": 1, "other": 2}.items():
        (tmp_path / "in" / part).mkdir(parents=True)
        for n in range(count):
            (tmp_path / "in" / part / f"{n}.json").write_text(f"{n}")
    (tmp_path / "in/database_a/notes.txt").write_text("x")
    (tmp_path / "in/database_a/.4.json").write_text("unfinished")
    (tmp_path / "in/database_file").write_text("x")
    return tmp_path / "in"


def test_entries_are_counted(folder):
    assert take_inventory(folder).counts == {"database_a": 3, "database_b": 1}


def add(folder):
    (folder / "database_b/new.json").write_text("1")


def remove(folder):
    (folder / "database_a/0.json").unlink()


def rename(folder):
    (folder / "database_a/0.json").rename(folder / "database_a/9.json")


def move(folder):
    (folder / "database_a/2.json").rename(folder / "database_b/2.json")


def write(folder):
    file = folder / "database_a/1.json"
    before = file.stat()
    file.write_text("5")  # as long as before
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns + 1_000_000))


@pytest.mark.parametrize("change", [add, remove, rename, move, write])
def test_any_change_of_the_entries_changes_the_fingerprint(folder, change):
    before = take_inventory(folder).fingerprint
    change(folder)
    assert take_inventory(folder).fingerprint != before


def test_copies_and_other_files_do_not(folder, tmp_path):
    before = take_inventory(folder).fingerprint
    shutil.copytree(folder, tmp_path / "copy")  # keeps the times
    (tmp_path / "copy/database_a/notes.txt").write_text("other")
    (tmp_path / "copy/README").write_text("x")
    assert take_inventory(tmp_path / "copy").fingerprint == before


def test_a_name_that_is_no_text_is_counted(folder):
    (folder / "database_a" / os.fsdecode(b"\xff.json")).write_text("3")
    assert take_inventory(folder).counts["database_a"] == 4


@pytest.mark.parametrize("name", ["nowhere", "in/database_file"])
def test_a_missing_folder_is_named(folder, name):
    missing = folder.parent / name
    with pytest.raises(FileNotFoundError, match=rf"{missing}.*check `database\.folder`"):
        take_inventory(missing)


COUNTS = PUBLISHED_FOLDERS | {
    "database_nsite_1_part_1": 70,
    "database_nsite_2_part_1": 900,
    "database_nsite_3_part_1": 0,
    "database_mine": 4,
}
del COUNTS["database_nsite_7_part_1"]


def test_everything_that_is_wrong_is_in_one_error():
    with pytest.raises(ValueError, match=r"allow_partial.*expected: any") as caught:
        check_published("there", COUNTS, allow_partial=False)
    message = str(caught.value)
    for line in (
        "in there is not the published one (181584 of 201361 entries)",
        "database_nsite_7_part_1 is missing (7905 entries)",
        "database_nsite_2_part_1 has 900 of 924 entries",
        "database_nsite_3_part_1 has 0 of 11854 entries",
        "database_nsite_1_part_1 has 70 entries, 2 too many",
        "database_mine is unknown (4 entries)",
    ):
        assert line in message
    assert message.count("\n  ") == 5


def test_the_whole_database_is_right(caplog):
    with caplog.at_level(logging.INFO):
        check_published("there", PUBLISHED_FOLDERS, allow_partial=False)
    assert "201361 of 201361" in caplog.text
    found = deviations(PUBLISHED_FOLDERS)
    assert found.lacking == found.surplus == []


def test_a_partial_one_may_be_allowed_and_is_told(caplog):
    partial = {name: COUNTS[name] for name in list(PUBLISHED_FOLDERS)[1:3]}
    with pytest.raises(ValueError, match="900 of 924"):
        check_published("there", partial, allow_partial=False)
    check_published("there", partial, allow_partial=True)
    assert "partial database: database_nsite_2_part_1 has 900 of 924" in caplog.text
    assert "partial database: database_nsite_10_part_3 is missing" in caplog.text


def test_partial_does_not_mean_another_database():
    with pytest.raises(ValueError, match="2 too many") as caught:
        check_published("there", COUNTS, allow_partial=True)
    assert "7905" in str(caught.value)


def test_an_empty_folder_is_no_published_database(tmp_path):
    with pytest.raises(ValueError, match="0 of 201361"):
        write_inventory(tmp_path, tmp_path / "table.csv", published=True, allow_partial=False)
    assert list(tmp_path.iterdir()) == []


def test_the_table_has_the_expected_numbers_beside_the_found(folder, tmp_path):
    write_inventory(folder, tmp_path / "own.csv", published=False, allow_partial=False)
    own = pd.read_csv(tmp_path / "own.csv")
    assert own[["folder", "entries"]].to_numpy().tolist() == [["database_a", 3], ["database_b", 1]]
    assert own["expected"].isna().all()
    for part in ("database_a", "database_b"):
        (folder / part).rename(folder / f"x{part}")
    (folder / "xdatabase_a").rename(folder / "database_nsite_1_part_1")
    write_inventory(folder, tmp_path / "part.csv", published=True, allow_partial=True)
    part = pd.read_csv(tmp_path / "part.csv")
    assert part["expected"].sum() == 201_361
    assert part["entries"].tolist() == [3] + [0] * 18


def test_what_a_plan_needs_to_know(folder, caplog):
    own = PlannedEntries(str(folder), published=False, allow_partial=False)
    assert own.fingerprint == take_inventory(folder).fingerprint
    assert own.faults == own.missing() == []
    assert len(PlannedEntries(str(folder), True, False).faults) == 19 + 2
    (folder / "database_a").rename(folder / "database_nsite_1_part_1")
    shutil.rmtree(folder / "database_b")
    assert PlannedEntries(str(folder), True, True).faults == []
    assert caplog.text == ""


def test_a_plan_without_its_folder_says_so(tmp_path, caplog):
    planned = PlannedEntries(str(tmp_path / "x"), published=True, allow_partial=False)
    assert (planned.fingerprint, planned.faults) == ("", [])
    assert planned.missing() == [str(tmp_path / "x")]
    assert "check `database.folder`" in caplog.text
