"""Listing of entries, without reading them."""

import subprocess
import sys

import pytest

from optimetal.database.folders import entry_folders


def test_entries_are_listed_by_folder_and_name(database):
    folders = entry_folders(database)
    assert [folder.name for folder in folders] == [f"database_nsite_{n}_part_1" for n in (1, 2)]
    for folder, files in folders.items():
        assert [file.name for file in files] == sorted(path.name for path in folder.iterdir())
        for file in files:
            stat = (folder / file.name).stat()
            assert (file.size, file.modified) == (stat.st_size, stat.st_mtime_ns)


def test_unfinished_and_other_files_are_no_entries(tmp_path):
    folder = tmp_path / "database_nsite_1_part_1"
    folder.mkdir()
    for name in ("a.json", ".b.json", "c.json.part", "d.txt"):
        (folder / name).touch()
    (tmp_path / "database.json").touch()
    (tmp_path / "database_file").touch()
    (tmp_path / "other").mkdir()
    folders = entry_folders(tmp_path)
    assert {path: [file.name for file in files] for path, files in folders.items()} == {
        folder: ["a.json"]
    }


def test_links_and_empty_folders_are_listed(tmp_path, database):
    (tmp_path / "database_b").symlink_to(database / "database_nsite_1_part_1")
    (tmp_path / "database_a").mkdir()
    numbers = {path.name: len(files) for path, files in entry_folders(tmp_path).items()}
    assert list(numbers.items()) == [("database_a", 0), ("database_b", 6)]


def test_a_file_that_cannot_be_looked_at_is_listed(tmp_path):
    folder = tmp_path / "database_a"
    folder.mkdir()
    (folder / "b.json").symlink_to(folder / "nowhere")
    (folder / "c.json").symlink_to(folder / "c.json")
    (folder / "a.json").write_text("{}")
    [files] = entry_folders(tmp_path).values()
    assert [file.name for file in files] == ["a.json", "b.json", "c.json"]
    assert [file.size for file in files] == [2, -1, -1]


@pytest.mark.parametrize("name", ["nowhere", "file"])
def test_a_missing_folder_is_named(tmp_path, name):
    (tmp_path / "file").touch()
    with pytest.raises(FileNotFoundError, match=rf"{tmp_path / name}.*check `database\.folder`"):
        entry_folders(tmp_path / name)


def test_a_plan_need_not_load_what_decodes_entries():
    code = "import sys, optimetal.database.validate; print('pymatgen' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
