"""Lists of identifiers: where they are, and what they may hold."""

import gzip

import pytest

from optimetal.database.lists import list_files, read_lists

LISTS = {"train": ["a", "c", "d"], "val": ["b"], "test": ["e"]}


def write_lists(folder, lists):
    """The first as plain text, the others packed, without a last line break."""
    (folder / "train.txt").write_text("\n".join(lists["train"]) + "\n")
    for name in ("val", "test"):
        with gzip.open(folder / f"{name}.txt.gz", "wt") as file:
            file.write("\n".join(lists[name]))


def test_plain_and_packed_lists_are_read(tmp_path):
    write_lists(tmp_path, LISTS)
    assert read_lists(tmp_path) == LISTS


def test_plain_lists_come_first_and_missing_ones_are_called_so(tmp_path):
    write_lists(tmp_path, LISTS)
    (tmp_path / "val.txt").write_text("f")
    (tmp_path / "test.txt.gz").unlink()
    files = {name: path.name for name, path in list_files(tmp_path).items()}
    assert files == {"train": "train.txt", "val": "val.txt", "test": "test.txt"}


@pytest.mark.parametrize("name", ["train", "test"])
def test_a_missing_list_is_named(tmp_path, name):
    write_lists(tmp_path, LISTS)
    list_files(tmp_path)[name].unlink()
    with pytest.raises(FileNotFoundError, match=rf"{name}\.txt or {name}\.txt\.gz: check `splits"):
        read_lists(tmp_path)


def test_an_identifier_is_in_one_list(tmp_path):
    write_lists(tmp_path, LISTS | {"val": ["a"]})
    with pytest.raises(ValueError, match="4 different names among 5"):
        read_lists(tmp_path)


@pytest.mark.parametrize("damage", [lambda content: content[:-9], lambda content: b"agm1\nagm2"])
def test_a_damaged_list_is_named(tmp_path, damage):
    write_lists(tmp_path, LISTS)
    packed = tmp_path / "test.txt.gz"
    packed.write_bytes(damage(packed.read_bytes()))
    with pytest.raises(ValueError, match=r"list of identifiers in .*test\.txt\.gz, got: "):
        read_lists(tmp_path)
