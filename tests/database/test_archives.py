"""Unpacking: honest archives whole, all others not at all."""

import io
import stat
import tarfile
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest

from optimetal.database import archives
from optimetal.database.archives import ArchiveError, unpack

FILES = {"folder/a.json": b"{}", "folder/deep/b.json": b"[1, 2]", "c.txt": b"x"}
TIME = 1_700_000_000


def place(path):
    return "/".join(path.parts[1:]) if path.suffix == ".json" else None


def write_zip(path, files=FILES, **changes):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, (2024, 5, 6, 7, 8, 10))
            entry.compress_type = zipfile.ZIP_DEFLATED
            for key, value in changes.items():
                setattr(entry, key, value)
            archive.writestr(entry, content)
    return path


def write_tar(path, files=FILES, mode="w:gz", **changes):
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime = len(content), TIME
            for key, value in changes.items():
                setattr(entry, key, value)
            archive.addfile(entry, io.BytesIO(content))
    return path


WRITERS = {
    "x.zip": write_zip,
    "x.tar.gz": write_tar,
    "x.tgz": write_tar,
    "x.tar": lambda path, *a, **k: write_tar(path, *a, mode="w", **k),
    "x.tar.xz": lambda path, *a, **k: write_tar(path, *a, mode="w:xz", **k),
    "x.TBZ2": lambda path, *a, **k: write_tar(path, *a, mode="w:bz2", **k),
}


@pytest.fixture(params=WRITERS)
def archive(request, tmp_path):
    return WRITERS[request.param], tmp_path / "in" / request.param


@pytest.fixture(autouse=True)
def folder(tmp_path):
    (tmp_path / "in").mkdir()
    return tmp_path / "out"


def written(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


JSON = {"folder/a.json": b"{}", "folder/deep/b.json": b"[1, 2]"}


def test_chosen_files_are_unpacked(archive, folder):
    write, path = archive
    assert unpack([write(path)], folder, place) == 2
    assert written(folder) == JSON
    assert sorted(p.name for p in folder.parent.iterdir()) == ["in", "out"]


def test_times_are_kept(archive, folder):
    write, path = archive
    write(path)
    unpack([path], folder, place)
    first = (folder / "folder/a.json").stat().st_mtime_ns
    unpack([path], folder, place)
    assert (folder / "folder/a.json").stat().st_mtime_ns == first
    assert 1_600_000_000 < first / 1e9 < 1_750_000_000


def test_several_archives_and_plain_files_go_to_one_folder(tmp_path, folder):
    (tmp_path / "in/d.json").write_bytes(b"4")
    files = [
        write_zip(tmp_path / "in/x.zip"),
        write_tar(tmp_path / "in/y.tar.gz", {"e.json": b"5"}),
        tmp_path / "in/d.json",
    ]
    assert unpack(files, folder, lambda p: p.name if p.suffix == ".json" else None) == 4
    assert set(written(folder)) == {"a.json", "b.json", "d.json", "e.json"}


def test_an_earlier_folder_is_replaced_only_by_a_whole_one(tmp_path, folder):
    folder.mkdir()
    (folder / "old.json").write_bytes(b"1")
    bad = tmp_path / "in/y.tar.gz"
    content = np.random.default_rng(0).bytes(10_000)
    bad.write_bytes(write_tar(bad, {"a/e.json": content}).read_bytes()[:5_000])
    good = write_zip(tmp_path / "in/x.zip")
    with pytest.raises(ArchiveError, match=r"y\.tar\.gz is damaged"):
        unpack([good, bad], folder, place)
    assert written(folder) == {"old.json": b"1"}
    unpack([good], folder, place)
    assert written(folder) == JSON
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in", "out"]


@pytest.mark.parametrize(
    "name",
    ["../evil.json", "folder/../../evil.json", "/tmp/evil.json", "C:/evil.json", "a\\..\\b.json"],
)
def test_no_file_leaves_the_folder(archive, tmp_path, folder, name):
    write, path = archive
    write(path, {"folder/a.json": b"{}", name: b"{}"})
    with pytest.raises(ArchiveError, match="leads out of the folder"):
        unpack([path], folder, place)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in"]


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices_in_a_tar_are_refused(tmp_path, folder, kind):
    path = write_tar(tmp_path / "in/x.tar.gz", {"a.json": b""}, type=kind, linkname="/etc/passwd")
    with pytest.raises(ArchiveError, match=r"expected plain files, 'a\.json' is none"):
        unpack([path], folder, place)
    assert not folder.exists()


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_links_and_devices_in_a_zip_are_refused(tmp_path, folder, kind):
    path = write_zip(tmp_path / "in/x.zip", {"a.json": b"/etc"}, external_attr=(kind | 0o777) << 16)
    with pytest.raises(ArchiveError, match=r"expected plain files, 'a\.json' is none"):
        unpack([path], folder, place)
    assert not folder.exists()


@pytest.mark.parametrize("name", ["x.zip", "x.tar.gz", "x.tar.xz"])
def test_a_bomb_is_refused_before_it_is_unpacked(name, tmp_path, folder, monkeypatch):
    monkeypatch.setattr(archives, "ALWAYS_ALLOWED", 100_000)
    path = WRITERS[name](tmp_path / "in" / name, {"a.json": bytes(3_000_000)})
    opened = []
    monkeypatch.setattr(archives, "_write", lambda *arguments: opened.append(arguments))
    with pytest.raises(ArchiveError, match="a bomb"):
        unpack([path], folder, place)
    assert opened == []


def test_many_empty_files_are_a_bomb_too(tmp_path, folder, monkeypatch):
    monkeypatch.setattr(archives, "ALWAYS_ALLOWED", 10_000)
    path = write_tar(tmp_path / "in/x.tar.gz", {f"{n}.json": b"" for n in range(3000)})
    with pytest.raises(ArchiveError, match="a bomb"):
        unpack([path], folder, place)


def test_more_than_the_disk_takes_is_refused(archive, folder, monkeypatch):
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    write, path = archive
    with pytest.raises(OSError, match=r"more than the .* GB that are free.*download_folder"):
        unpack([write(path)], folder, place)
    assert not folder.exists()


def test_two_files_of_one_place_are_refused(tmp_path, folder):
    files = [write_zip(tmp_path / "in/x.zip"), write_tar(tmp_path / "in/y.tar")]
    with pytest.raises(ArchiveError, match=r"y\.tar: a second file for the place 'a\.json'"):
        unpack(files, folder, place)


@pytest.mark.parametrize("name", ["x.zip", "x.tar.gz", "x.tar.xz", "x.tar"])
def test_what_is_no_archive_is_named(tmp_path, folder, name):
    (tmp_path / "in" / name).write_bytes(b"<html>" * 100)
    with pytest.raises(ArchiveError, match=f"{name} is damaged"):
        unpack([tmp_path / "in" / name], folder, place)


def test_wrong_contents_of_a_zip_are_noticed(tmp_path, folder):
    path = tmp_path / "in/x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.json", b"0123456789")
    path.write_bytes(path.read_bytes().replace(b"0123456789", b"0123456780"))
    with pytest.raises(ArchiveError, match="CRC"):
        unpack([path], folder, place)


def test_a_zip_without_valid_time_is_unpacked(tmp_path, folder):
    path = write_zip(tmp_path / "in/x.zip", date_time=(1980, 0, 0, 0, 0, 0))
    assert unpack([path], folder, place) == 2
